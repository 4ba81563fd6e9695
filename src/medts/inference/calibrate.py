"""Probability calibration (temperature scaling): logits of windows to a score per record.

Axes: W windows, K classes.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import expit, logit, softmax

from medts.core.labels import LabelSet
from medts.inference.manifest import Calibration, PlattScaling

_EPS = 1e-12
"""Keeps the log-odds of a probability of 0 or 1 finite."""


def record_probability(
    logits: Float[np.ndarray, "W K"], label_set: LabelSet, calibration: Calibration | None
) -> Float[np.ndarray, "K"]:
    """Returns the probabilities of a record: softmax or sigmoid, mean over windows, calibrated.

    Of a set of numbers it is the mean of the windows' values.
    """
    values = logits.astype(np.float64)
    if label_set.has_numbers:
        return values.mean(axis=0)
    by_window = softmax(values, axis=1) if label_set.kind == "single" else expit(values)
    return calibrated(by_window.mean(axis=0, keepdims=True), label_set, calibration)[0]


def calibrated(
    probability: Float[np.ndarray, "W K"], label_set: LabelSet, calibration: Calibration | None
) -> Float[np.ndarray, "W K"]:
    """Applies temperature or Platt scaling to rows of probabilities."""
    if calibration is None:
        return probability
    clipped = np.clip(probability, _EPS, 1 - _EPS)
    if isinstance(calibration, PlattScaling):
        slope = np.array([calibration.slope[name] for name in label_set.classes])
        intercept = np.array([calibration.intercept[name] for name in label_set.classes])
        return expit(slope * logit(clipped) + intercept)
    if label_set.kind == "single":
        return softmax(np.log(clipped) / calibration.temperature, axis=1)
    return expit(logit(clipped) / calibration.temperature)
