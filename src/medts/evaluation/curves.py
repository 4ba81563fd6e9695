"""ROC and precision-recall curves as numbers, and the best epoch of a training history.

Axes: R records, Q points of a curve.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True)
class Curve:
    """Points of a curve, each with the threshold that it belongs to.

    Args:
        x: False alarms of a ROC curve, sensitivity of a precision-recall curve.
        y: Sensitivity, or precision.
        threshold: Within [0, 1].
    """

    x: Float[np.ndarray, "Q"]
    y: Float[np.ndarray, "Q"]
    threshold: Float[np.ndarray, "Q"]


@dataclass(frozen=True)
class Rates:
    """Confusion-matrix rates at one threshold; precision is None where nothing is stated."""

    sensitivity: float
    false_alarms: float
    precision: float | None


def has_both(is_positive: Bool[np.ndarray, "R"]) -> bool:
    """Returns whether there is a positive and a negative record, without which no curve is."""
    return bool(is_positive.any() and not is_positive.all())


def roc(is_positive: Bool[np.ndarray, "R"], probability: Float[np.ndarray, "R"]) -> Curve:
    """ROC curve: sensitivity against one minus specificity."""
    from sklearn.metrics import roc_curve

    false_alarms, sensitivity, threshold = roc_curve(is_positive, probability)
    return Curve(false_alarms, sensitivity, np.clip(threshold, 0.0, 1.0).astype(np.float64))


def precision_recall(
    is_positive: Bool[np.ndarray, "R"], probability: Float[np.ndarray, "R"]
) -> Curve:
    """Precision-recall curve, whose steps hold the average precision."""
    from sklearn.metrics import precision_recall_curve

    precision, sensitivity, threshold = precision_recall_curve(is_positive, probability)
    # Of equal sensitivities the highest threshold counts: its steps hold the average precision.
    is_step = np.append(sensitivity[:-1] > sensitivity[1:], True)
    threshold = np.append(threshold, 1.0).astype(np.float64)
    return Curve(sensitivity[is_step], precision[is_step], threshold[is_step])


def rates_at(
    is_positive: Bool[np.ndarray, "R"], probability: Float[np.ndarray, "R"], threshold: float
) -> Rates:
    """Sensitivity, false-alarm rate and precision at an operating point."""
    is_stated = probability >= threshold
    return Rates(
        sensitivity=float(is_stated[is_positive].mean()),
        false_alarms=float(is_stated[~is_positive].mean()),
        precision=float(is_positive[is_stated].mean()) if is_stated.any() else None,
    )


def best_epoch(history: Sequence[dict[str, float]]) -> tuple[int, str] | None:
    """Returns the epoch with the best validation score, or loss, and the name of that column."""
    score = next((name for row in history for name in row if is_score(name)), None)
    name, sign = (score, 1.0) if score else ("validation_loss", -1.0)
    judged = [
        (sign * row[name], -i)
        for i, row in enumerate(history)
        if name in row and math.isfinite(row[name])
    ]
    if not judged:
        return None
    i = -max(judged)[1]
    return int(history[i].get("epoch", i)), name


def is_score(name: str) -> bool:
    """Returns whether a column of a history is a validation score, the larger the better."""
    return name.startswith("validation_") and "loss" not in name
