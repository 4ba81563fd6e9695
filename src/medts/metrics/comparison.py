"""Paired bootstrap by subject, and Holm's correction: is one model better than another?

Two models tested on the same people share the luck of that test set, so differences are taken
within each resample of subjects. That their rows match is left to the caller.

Axes: R records, S subjects, N resamples, P p-values, U seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import t

from medts.core.errors import MedtsError
from medts.metrics.bootstrap import bootstrap_blocks
from medts.metrics.checks import subject_index
from medts.metrics.intervals import subject_counts
from medts.metrics.scores import Scorer


@dataclass(frozen=True)
class Comparison:
    """The first model's score minus the second's.

    Args:
        difference: On the test set as it is.
        low: Lower bound of its 95 % interval.
        high: Upper bound.
        p_value: Two-sided, for no difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_bootstrap(
    firsts: Scorer | Sequence[Scorer],
    seconds: Scorer | Sequence[Scorer],
    subjects: Sequence[str] | Shaped[np.ndarray, "R"],
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Paired cluster bootstrap of the difference of all overall metrics, also over several seeds.

    Interval and p-value are Student's with the bootstrap's standard error; the degrees of freedom
    grow with the subjects of each class's smaller group. In 800 simulated test sets, for AUROCs of
    0.87 and 0.80 with 125, 30 and 10 positives, the interval covered 96, 94 and 93 % and
    percentiles 95, 92 and 88 %; for two of 0.87, 96, 96 and 96 % against 95, 93 and 90 %.

    Over training seeds the mean difference is taken within each resample, since all seeds share the
    test subjects; the variance between the seeds' differences, divided by their number, is added,
    with the degrees of freedom of Welch and Satterthwaite.

    Args:
        firsts: The model that is claimed to be better, once per seed.
        seconds: The other, with the same seeds in the same order.
        subjects: The subject of each record.
        n_resamples: Resamples, the same for all models.
        seed: Of the resamples.

    Raises:
        MedtsError: If the models were not tested on the same records and classes, or there is
            only one subject.
    """
    firsts = [firsts] if isinstance(firsts, Scorer) else list(firsts)
    seconds = [seconds] if isinstance(seconds, Scorer) else list(seconds)
    pairs = list(zip(firsts, seconds, strict=True))
    subject = _check_pair(firsts[0], seconds[0], subjects)
    for one, other in pairs[1:]:
        _check_pair(firsts[0], one, subjects)
        _check_pair(firsts[0], other, subjects)
    everything = np.ones((1, len(subject)))
    plain = [_differences(one, other, everything) for one, other in pairs]
    blocks = [
        [_differences(one, other, weights) for one, other in pairs]
        for weights in bootstrap_blocks(subject, n_resamples, seed)
    ]
    df_subjects = _degrees_of_freedom(firsts[0], subject)
    found = {}
    for name in plain[0]:
        values = np.array([float(each[name][0]) for each in plain])
        difference = float(values.mean())
        sampled = np.concatenate([np.mean([each[name] for each in b], axis=0) for b in blocks])
        sampled = sampled[np.isfinite(sampled)]
        error = float(sampled.std(ddof=1)) if len(sampled) > 1 else np.nan
        error, df = _with_seeds(error, df_subjects, values)
        reach = float(t.ppf(0.975, df)) * error
        found[name] = Comparison(
            difference=difference,
            low=difference - reach,
            high=difference + reach,
            p_value=_two_sided(difference, error, df),
        )
    return found


def holm(p_values: Float[np.ndarray, "P"]) -> Float[np.ndarray, "P"]:
    """Holm step-down correction of p-values, which bounds the family-wise error rate.

    NaN stays NaN and counts as no comparison.
    """
    is_given = np.isfinite(p_values)
    given = p_values[is_given]
    order = np.argsort(given)
    adjusted = np.empty(len(given))
    adjusted[order] = np.maximum.accumulate(given[order] * (len(given) - np.arange(len(given))))
    result = np.full(p_values.shape, np.nan)
    result[is_given] = adjusted.clip(0, 1)
    return result


def _check_pair(
    first: Scorer, second: Scorer, subjects: Sequence[str] | Shaped[np.ndarray, "R"]
) -> Int[np.ndarray, "R"]:
    is_same = first.is_positive.shape == second.is_positive.shape
    if not is_same or (first.is_positive != second.is_positive).any():
        raise MedtsError(
            "the two models have different targets",
            field="target",
            remedy="Bring both into the same order of records and classes first, by name",
        )
    if first.kind != second.kind:
        raise MedtsError(f"one label set is {first.kind}, the other {second.kind}")
    subject = subject_index(subjects, len(first.is_positive))
    if subject.max() == 0:
        raise MedtsError(
            "all records are of one subject",
            field="subjects",
            remedy="A difference between models needs several people to be tested on",
        )
    return subject


def _differences(
    first: Scorer, second: Scorer, weights: Float[np.ndarray, "N R"]
) -> dict[str, Float[np.ndarray, "N"]]:
    one, other = first(weights).overall, second(weights).overall
    return {name: one[name] - other[name] for name in one}


def _degrees_of_freedom(scorer: Scorer, subject: Int[np.ndarray, "R"]) -> float:
    """Satterthwaite's, with each class's variance as if inverse to its smaller group."""
    groups = (scorer.is_positive, ~scorer.is_positive)
    counts = np.array([(subject_counts(g, subject) > 0).sum(axis=0) for g in groups]).min(axis=0)
    n = counts[counts > 0]
    if not len(n):
        return 1.0
    return float((1 / n).sum() ** 2 / np.sum(1 / (n**2 * np.maximum(n - 1, 1))))


def _with_seeds(error: float, df: float, values: Float[np.ndarray, "U"]) -> tuple[float, float]:
    """Adds the variance of a mean over seeds to an error, with the degrees of freedom of both."""
    spread = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    if spread == 0 or not np.isfinite(error + spread):
        return error, df
    total = error**2 + spread
    return total**0.5, total**2 / (error**4 / df + spread**2 / (len(values) - 1))


def _two_sided(difference: float, error: float, df: float) -> float:
    if np.isnan(difference) or np.isnan(error):
        return np.nan
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * t.sf(abs(difference) / error, df))
