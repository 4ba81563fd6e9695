"""95 % confidence intervals of one score, from resamples or from counts.

An undefined value has an undefined (NaN) interval, and a value at 0 or 1 still has one of some
width wherever the method uses how many subjects stand behind it (`wilson_interval`,
`proportion_interval`, `steadied_interval`; not the percentile one). AUROCs have their own
in `medts.metrics.delong`; which interval a metric gets is decided in `medts.metrics.table`.

Axes: R records, K classes, S subjects, N resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.special import expit, logit
from scipy.stats import t

Z = 1.959963984540054
"""Normal quantile of a two-sided 95 % interval, the nominal coverage of all of them."""

PRIOR_SUBJECTS = 5.0
"""Subjects' worth of model variance that steady a variance estimated from few of them."""


@dataclass(frozen=True)
class Interval:
    """A score with the bounds of its interval, NaN where undefined.

    Args:
        value: On the test set as it is.
        low: Lower bound.
        high: Upper bound.
    """

    value: float
    low: float
    high: float


def no_interval(value: float) -> Interval:
    """Returns a value whose interval is undefined."""
    return Interval(value, np.nan, np.nan)


def percentile_interval(value: float, resamples: Float[np.ndarray, "N"]) -> Interval:
    """Percentile bootstrap interval, from the resamples in which the score is defined."""
    defined = resamples[np.isfinite(resamples)]
    if np.isnan(value) or not len(defined):
        return no_interval(value)
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def logit_interval(value: float, standard_error: float) -> Interval:
    """Wald interval on the log-odds, for a value strictly between 0 and 1."""
    if not 0 < value < 1 or np.isnan(standard_error):
        return no_interval(value)
    half = Z * standard_error / (value * (1 - value))
    low, high = expit(logit(value) + half * np.array([-1, 1]))
    return Interval(value, float(low), float(high))


def wilson_interval(share: float, n: float, *, df: float = np.inf) -> Interval:
    """Wilson's score interval for a share of ``n`` independent cases; ``n`` may be fractional.

    Args:
        share: In [0, 1].
        n: Number of cases, or the effective number where they depend on each other.
        df: Degrees of freedom, where ``n`` was estimated.
    """
    if np.isnan(share) or n <= 0:
        return no_interval(share)
    q = (Z if df == np.inf else float(t.ppf(0.975, df))) ** 2 / n
    middle = (share + q / 2) / (1 + q)
    half = np.sqrt(q * (share * (1 - share) + q / 4)) / (1 + q)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Interval(share, float(min(low, share)), float(max(high, share)))


def proportion_interval(
    n_right: Float[np.ndarray, "S"], n_cases: Float[np.ndarray, "S"]
) -> Interval:
    """Wilson's interval for a share of cases, of which a subject may have several.

    The number of cases is reduced by the design effect that the subjects show (Korn and Graubard
    1998); with one case per subject it is Wilson's interval proper. When all or none are right,
    the design effect cannot be estimated, and each subject counts once.

    Args:
        n_right: Cases of each subject that are right.
        n_cases: Cases of each subject; subjects without any are left out.
    """
    right, cases = n_right[n_cases > 0], n_cases[n_cases > 0]
    n_subjects, total = len(cases), float(cases.sum())
    if not n_subjects:
        return no_interval(np.nan)
    share = float(right.sum() / total)
    if (cases == 1).all():
        return wilson_interval(share, total)
    n = float(n_subjects)
    if 0 < share < 1 and n_subjects > 1:
        variance = np.sum((right - share * cases) ** 2) / total**2
        variance *= n_subjects / (n_subjects - 1)
        if variance > 0:
            quantiles = Z, t.ppf(0.975, n_subjects - 1)
            n = float(share * (1 - share) / variance * (quantiles[0] / quantiles[1]) ** 2)
    return wilson_interval(share, min(n, total))


def steadied_interval(
    values: Float[np.ndarray, "K"],
    resamples: Float[np.ndarray, "N K"],
    n_subjects: Int[np.ndarray, "K"],
) -> Interval:
    """Wilson-shaped interval for a score of one class, or its mean over several.

    Meant for average precision and F1. Three remedies for few positives: the bootstrap's
    variance is steadied towards that of a share of ``n_subjects`` cases, with the weight of
    `PRIOR_SUBJECTS`; it is taken at the true value instead of the estimate; and the centre is
    shifted by the bootstrap's estimate of the bias, though never so far that the interval
    would not hold the value.

    Args:
        values: Of each class on the test set; undefined classes are left out.
        resamples: The same on resampled subjects.
        n_subjects: Subjects in the smaller of each class's two groups.
    """
    is_counted = np.isfinite(values) & (n_subjects > 0) & (np.isfinite(resamples).sum(axis=0) > 1)
    if not is_counted.any():
        return no_interval(np.nan)
    values, resamples, n = values[is_counted], resamples[:, is_counted], n_subjects[is_counted]
    value = float(values.mean())
    unit, weight = 1 / n, n - 1 + PRIOR_SUBJECTS
    model = unit.sum() / len(n) ** 2
    df = float(unit.sum() ** 2 / np.sum(unit**2 / weight))
    centre, ratio = value, 1.0
    if 0 < value < 1:
        covariance = _pairwise_covariance(resamples)
        seen = covariance.sum() / len(n) ** 2 / (model * value * (1 - value))
        ratio = ((df - PRIOR_SUBJECTS) * max(seen, 0.0) + PRIOR_SUBJECTS) / df
        bias = float((np.nanmean(resamples, axis=0) - values).mean())
        centre = min(max(value - bias, 0.0), 1.0)
    found = wilson_interval(centre, float(1 / (ratio * model)), df=df)
    low, high = min(found.low, value), max(found.high, value)
    return Interval(value, low, high)


def macro_interval(parts: Sequence[Interval], correlation: Float[np.ndarray, "K K"]) -> Interval:
    """Interval of the mean of several scores, recovered from their own intervals.

    MOVER (Zou and Donner 2008): the distance of a bound from the mean combines the parts'
    distances as correlated errors. Undefined parts are left out, as they are from the macro.

    Args:
        parts: One interval per class.
        correlation: Of the classes' scores over resamples.
    """
    is_defined = np.array([np.isfinite([p.value, p.low, p.high]).all() for p in parts])
    if not is_defined.any():
        return no_interval(np.nan)
    rows = np.array([(p.value, p.low, p.high) for p in parts])[is_defined]
    correlation = correlation[np.ix_(is_defined, is_defined)]
    value = rows[:, 0].mean()
    down, up = rows[:, 0] - rows[:, 1], rows[:, 2] - rows[:, 0]
    low, high = (np.sqrt(max(0.0, d @ correlation @ d)) / len(rows) for d in (down, up))
    return Interval(float(value), float(value - low), float(value + high))


def resample_correlation(resamples: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K K"]:
    """Correlates columns over the resamples in which both are defined; 0 where one is constant."""
    covariance = _pairwise_covariance(resamples)
    scale = np.sqrt(covariance.diagonal())
    spread = np.outer(scale, scale)
    is_spread = spread > 1e-18
    correlation = np.divide(covariance, spread, out=np.zeros_like(covariance), where=is_spread)
    np.fill_diagonal(correlation, 1.0)
    return correlation.clip(-1, 1)


def _pairwise_covariance(resamples: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "K K"]:
    is_defined = np.isfinite(resamples)
    filled = np.where(is_defined, resamples, 0.0)
    mean = filled.sum(axis=0) / np.maximum(is_defined.sum(axis=0), 1)
    centred = np.where(is_defined, filled - mean, 0.0)
    n_both = is_defined.T.astype(float) @ is_defined
    return centred.T @ centred / np.maximum(n_both - 1, 1)


def subject_counts(
    is_counted: Shaped[np.ndarray, "R K"], subject: Int[np.ndarray, "R"]
) -> Float[np.ndarray, "S K"]:
    """Counts each subject's records for which something holds."""
    counts = np.zeros((int(subject.max()) + 1, is_counted.shape[1]))
    np.add.at(counts, subject, is_counted)
    return counts
