"""Baselines: well-known encoders of time series, written from their papers."""
