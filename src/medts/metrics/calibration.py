"""Expected calibration error, reliability diagram and temperature scaling.

For a ``single`` label set the probability of the most probable class is judged, for a ``multi`` one
each class in turn. Temperature scaling (Guo et al. 2017) divides the logits by a number fitted on
validation records; it changes no ranking. Conformal prediction is in `medts.metrics.conformal`.

Axes: R records, K classes, N resamples, b bins.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from medts.core.errors import MedtsError
from medts.metrics.checks import check_probability, check_scores, check_single_target
from medts.metrics.scores import Kind

N_BINS = 15
"""Bins of equal width (Guo et al. 2017)."""


@dataclass(frozen=True)
class Reliability:
    """A reliability curve; bins without records are left out.

    Args:
        probability: Mean probability of each bin.
        observed: Share of the bin's decisions that were true.
        count: Decisions of the bin.
    """

    probability: Float[np.ndarray, "b"]
    observed: Float[np.ndarray, "b"]
    count: Int[np.ndarray, "b"]

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of the curve from the diagonal, by count."""
        return float(np.average(np.abs(self.probability - self.observed), weights=self.count))


def reliability(
    is_true: Shaped[np.ndarray, "R"], probability: Float[np.ndarray, "R"], n_bins: int = N_BINS
) -> Reliability:
    """Reliability diagram of one decision per record, in bins of equal width, closed above.

    Raises:
        MedtsError: If there are no records, shapes differ, or numbers are not probabilities.
    """
    check_scores(is_true[:, None], probability[:, None])
    check_probability(probability[:, None])
    place = bin_of(probability, n_bins)
    count = np.bincount(place, minlength=n_bins)
    is_filled = count > 0
    count = count[is_filled]
    return Reliability(
        probability=np.bincount(place, probability, n_bins)[is_filled] / count,
        observed=np.bincount(place, is_true, n_bins)[is_filled] / count,
        count=count,
    )


def bin_of(probability: Float[np.ndarray, "R"], n_bins: int = N_BINS) -> Int[np.ndarray, "R"]:
    """Returns the bin of each probability, from zero; an edge belongs to the lower bin."""
    return np.searchsorted(np.linspace(0, 1, n_bins + 1)[1:-1], probability, side="left")


def judged_decisions(
    target: Shaped[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"], kind: Kind
) -> tuple[Bool[np.ndarray, "R k"], Float[np.ndarray, "R k"]]:
    """Returns whether decisions were true and their probabilities.

    Of a ``single`` set these are of the most probable class, of a ``multi`` set of every class.
    """
    if kind == "multi":
        return target > 0.5, probability
    decided = probability.argmax(axis=1)[:, None]
    is_true = np.take_along_axis(target, decided, axis=1) > 0.5
    return is_true, np.take_along_axis(probability, decided, axis=1)


def calibration_error(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    kind: Kind,
    n_bins: int = N_BINS,
    weights: Float[np.ndarray, "N R"] | None = None,
) -> Float[np.ndarray, "N"]:
    """Expected calibration error (ECE), of a ``multi`` set its mean over classes.

    Args:
        target: Zeros and ones.
        probability: Softmax or sigmoid outputs.
        kind: Kind of the label set.
        n_bins: Bins of equal width.
        weights: How often each record counts; once each if None.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, probability)
    check_probability(probability)
    weights = np.ones((1, len(target))) if weights is None else weights
    decisions, errors = judged_decisions(target, probability, kind), []
    for is_true, likely in zip(*(each.T for each in decisions), strict=True):
        gap = np.zeros((len(likely), n_bins))
        gap[np.arange(len(likely)), bin_of(likely, n_bins)] = likely - is_true
        errors.append(np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1))
    return np.mean(errors, axis=0)


def fit_temperature(
    target: Shaped[np.ndarray, "R K"], logits: Float[np.ndarray, "R K"], kind: Kind
) -> float:
    """Temperature scaling (Guo et al. 2017): the temperature of least negative log-likelihood.

    Searched between 0.01 and 100; logits that separate the classes perfectly end at the lower
    bound.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, logits)
    if kind == "single":
        check_single_target(target)
    scores, truth = logits.astype(float), target.astype(float)

    def loss(log_temperature: float) -> float:
        return float(log_losses(truth, scores / np.exp(log_temperature), kind).mean())

    bounds = (np.log(0.01), np.log(100.0))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def log_losses(
    target: Float[np.ndarray, "R K"], logits: Float[np.ndarray, "R K"], kind: Kind
) -> Float[np.ndarray, "R"]:
    """Negative log-likelihood of each record in nats; of a ``multi`` set summed over classes."""
    if kind == "single":
        return logsumexp(logits, axis=1) - (target * logits).sum(axis=1)
    return np.logaddexp(0, np.where(target > 0.5, -logits, logits)).sum(axis=1)


def scale_logits(logits: Float[np.ndarray, "R K"], temperature: float) -> Float[np.ndarray, "R K"]:
    """Divides logits by a temperature.

    Raises:
        MedtsError: If the temperature is not positive.
    """
    if not temperature > 0:
        raise MedtsError(f"temperature {temperature} is not positive", field="temperature")
    return logits / temperature
