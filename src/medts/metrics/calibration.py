"""Calibration: does what is called 80 % happen in 80 %, and one number that mends much of it.

Reliability and the expected calibration error compare mean probability and observed share in
bins of equal width or of equal numbers of records. For a ``single`` label set the probability of
the decided class is judged, for a ``multi`` one each class in turn. Temperature scaling (Guo et
al. 2017) divides the logits by a number fitted on validation records; it changes no ranking.

Prediction sets with guaranteed coverage are in `medts.metrics.conformal`.

Axes: R records, K classes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, logsumexp

from medts.core.errors import MedtsError
from medts.metrics.checks import check_probability, check_scores, check_single_target
from medts.metrics.scores import Kind

Binning = Literal["width", "mass"]


@dataclass(frozen=True)
class Reliability:
    """A reliability curve; bins without records are left out.

    Args:
        probability: Mean probability of each bin.
        observed: Share of the bin's records in which the statement was true.
        count: Records of the bin.
    """

    probability: Float[np.ndarray, "b"]
    observed: Float[np.ndarray, "b"]
    count: Int[np.ndarray, "b"]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of the curve from the diagonal, by count."""
        return float(np.average(np.abs(self.probability - self.observed), weights=self.count))


def reliability(
    is_true: Shaped[np.ndarray, "R"],
    probability: Float[np.ndarray, "R"],
    n_bins: int = 15,
    binning: Binning = "width",
) -> Reliability:
    """Bins the probabilities of one statement per record.

    Args:
        is_true: Ones where the statement was true.
        probability: With which it was made.
        n_bins: Bins at most.
        binning: ``width`` cuts [0, 1] into equal parts, closed above; ``mass`` gives bins equal
            numbers of records, with equal probabilities kept together.

    Raises:
        MedtsError: If there are no records, shapes differ, or numbers are not probabilities.
    """
    check_scores(is_true[:, None], probability[:, None])
    check_probability(probability[:, None])
    if binning == "width":
        inner = np.linspace(0, 1, n_bins + 1)[1:-1]
    else:
        inner = np.unique(np.quantile(probability, np.linspace(0, 1, n_bins + 1)[1:-1]))
    place = np.searchsorted(inner, probability, side="left")
    count = np.bincount(place, minlength=len(inner) + 1)
    is_filled = count > 0
    count = count[is_filled]
    return Reliability(
        probability=np.bincount(place, probability, len(inner) + 1)[is_filled] / count,
        observed=np.bincount(place, is_true, len(inner) + 1)[is_filled] / count,
        count=count,
    )


def calibration_error(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    kind: Kind,
    n_bins: int = 15,
    binning: Binning = "width",
) -> float:
    """Expected calibration error of the decided class, or its mean over classes if ``multi``.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, probability)
    if kind == "multi":
        columns = range(target.shape[1])
        errors = [
            reliability(target[:, k], probability[:, k], n_bins, binning).error for k in columns
        ]
        return float(np.mean(errors))
    return decided_reliability(target, probability, n_bins, binning).error


def decided_reliability(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    n_bins: int = 15,
    binning: Binning = "width",
) -> Reliability:
    """Reliability of the most probable class of a ``single`` label set.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, probability)
    check_single_target(target)
    rows, decided = np.arange(len(target)), probability.argmax(axis=1)
    return reliability(target[rows, decided], probability[rows, decided], n_bins, binning)


def fit_temperature(
    target: Shaped[np.ndarray, "R K"], logits: Float[np.ndarray, "R K"], kind: Kind
) -> float:
    """Finds the temperature whose scaled logits are likeliest on validation records.

    Searched between 0.01 and 100; logits that separate the classes perfectly end at the lower
    bound, for nothing then speaks against certainty.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, logits)
    if kind == "single":
        check_single_target(target)
    scores, truth = logits.astype(float), target.astype(float)

    def surprise(log_temperature: float) -> float:
        return negative_log_likelihood(truth, scores / np.exp(log_temperature), kind)

    bounds = (np.log(0.01), np.log(100.0))
    found = minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def negative_log_likelihood(
    target: Float[np.ndarray, "R K"], logits: Float[np.ndarray, "R K"], kind: Kind
) -> float:
    """Mean surprise in nats: of the true class if ``single``, of all K answers if ``multi``."""
    if kind == "single":
        return float((logsumexp(logits, axis=1) - (target * logits).sum(axis=1)).mean())
    signed = np.where(target > 0, logits, -logits)
    return float(-log_expit(signed).sum(axis=1).mean())


def scale_logits(logits: Float[np.ndarray, "R K"], temperature: float) -> Float[np.ndarray, "R K"]:
    """Divides logits by a temperature.

    Raises:
        MedtsError: If the temperature is not positive.
    """
    if not temperature > 0:
        raise MedtsError(f"temperature {temperature} is not positive", field="temperature")
    return logits / temperature
