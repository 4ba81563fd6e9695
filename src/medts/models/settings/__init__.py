"""Settings of encoders and heads, without torch; `EncoderSettings.build` makes the network."""
