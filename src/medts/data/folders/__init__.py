"""One's own data: a folder of recordings and a table of labels, read into entries of a source."""
