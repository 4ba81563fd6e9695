"""Curves as numbers: ROC, precision against recall, reliability, and the best epoch.

How they are drawn is left to `medts.report.figures`.

Axes: R records, Q points of a curve.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

N_BINS = 10
"""Bins of equal width of a reliability curve."""


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
    """Sensitivity, false-alarm rate and precision at one threshold.

    Args:
        sensitivity: Share of positives that are found.
        false_alarms: Share of negatives that are called positive.
        precision: Share of calls that are right; None where nothing is called.
    """

    sensitivity: float
    false_alarms: float
    precision: float | None


@dataclass(frozen=True)
class Reliability:
    """Predicted probability against observed frequency, in bins of equal width.

    Args:
        predicted: Mean probability of each bin that is not empty.
        observed: Share of positives there.
        count: How many decisions fell there.
        error: Mean gap between the two, each bin counting as often as it was hit.
    """

    predicted: Float[np.ndarray, "Q"]
    observed: Float[np.ndarray, "Q"]
    count: Float[np.ndarray, "Q"]
    error: float


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
    """Confusion-matrix rates at an operating point."""
    is_stated = probability >= threshold
    return Rates(
        sensitivity=float(is_stated[is_positive].mean()),
        false_alarms=float(is_stated[~is_positive].mean()),
        precision=float(is_positive[is_stated].mean()) if is_stated.any() else None,
    )


def reliability(
    is_positive: Bool[np.ndarray, "Q"], probability: Float[np.ndarray, "Q"]
) -> Reliability:
    """Expected calibration error and reliability diagram, in ten bins of equal width."""
    place = np.minimum((probability * N_BINS).astype(int), N_BINS - 1)
    count = np.bincount(place, minlength=N_BINS).astype(float)
    is_hit = count > 0
    total = np.bincount(place, weights=probability, minlength=N_BINS)[is_hit]
    positive = np.bincount(place, weights=is_positive, minlength=N_BINS)[is_hit]
    count = count[is_hit]
    gap = np.abs(total - positive).sum() / max(count.sum(), 1.0)
    return Reliability(total / count, positive / count, count, float(gap))


def wilson(
    share: Float[np.ndarray, "Q"], count: Float[np.ndarray, "Q"]
) -> tuple[Float[np.ndarray, "Q"], Float[np.ndarray, "Q"]]:
    """Wilson 95 % intervals of shares."""
    z2 = 1.959963984540054**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.clip(middle - half, 0.0, share), np.clip(middle + half, share, 1.0)


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
