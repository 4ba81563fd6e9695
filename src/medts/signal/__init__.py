"""Signals as numpy arrays with units: filter, resample, and the preprocessing of a model."""
