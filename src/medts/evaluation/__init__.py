"""Evidence: protocols that measure a model on records it has never met, and their reports."""
