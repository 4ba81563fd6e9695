"""Base vocabulary: records, labels, channels, units, errors, registries."""
