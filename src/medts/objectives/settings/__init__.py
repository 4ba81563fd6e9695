"""Settings of objectives, without torch; `ObjectiveSettings.build` makes the module."""
