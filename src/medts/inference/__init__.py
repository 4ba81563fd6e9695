"""Bundles and what one does with them: predict, embed, explain."""
