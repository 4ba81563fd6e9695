"""Well-known encoders that every new one has to beat."""
