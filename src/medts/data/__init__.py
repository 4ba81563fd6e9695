"""Datasets, the store, windows, splits, and the words of diagnoses."""
