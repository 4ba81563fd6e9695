"""The words everyone speaks: records, batches, labels, channels, units, errors."""
