"""Building blocks that two or more models use."""
