"""Signal processing in numpy: filters, resampling, QRS detection, preprocessing of a model."""
