"""Scores, intervals, tests, thresholds and calibration, as pure functions of arrays."""
