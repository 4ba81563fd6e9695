"""Encoders and heads: what is kept after training. Settings are in `medts.models.settings`."""
