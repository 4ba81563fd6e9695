"""Collated batches with masks for padding, gaps and absent channels; devices."""
