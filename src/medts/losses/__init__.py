"""Losses: pure functions of tensors, each a formula with a name."""
