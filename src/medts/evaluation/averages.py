"""Mean of a metric over subsamples of training labels or seeds, with its confidence interval.

The value is the mean of the repeats' values, not the score of their averaged probabilities (an
ensemble). Its interval holds two kinds of variance. Test subjects are common to all repeats: their
intervals are combined as correlated errors (MOVER, with correlations from common resamples).
Between repeats, the variance divided by their number is added on either side, with Student's
quantile after Welch and Satterthwaite. It is an interval for the expectation over repeats, for new
people; a single further repeat strays further.

In 300 simulated studies each (263 records, AUROC about 0.87, 125 to 10 positives, repeats that
differ by 0.00 to 0.06) it covered the truth in 94 to 98 % with 3 to 10 repeats and in 91 % with 2.

Axes: N resamples, U repeats, K classes.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.stats import t

from medts.core.errors import MedtsError
from medts.evaluation.result import Estimate, Estimates
from medts.evaluation.scoring import Scored
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.intervals import Interval, Z, macro_interval, no_interval, resample_correlation
from medts.metrics.table import IntervalTable

_N_RESAMPLES = 300
"""Enough for a correlation and a variance; the repeats' own intervals take more."""


def average(
    scored: Sequence[Scored], tables: Sequence[IntervalTable] | None = None
) -> tuple[Estimates, dict[str, Estimates]]:
    """Returns the mean metrics over repeats, over all classes and of each class.

    Args:
        scored: The same test records with the predictions of each repeat.
        tables: `Scored.table` of each, if it is known.

    Raises:
        MedtsError: If the repeats were not tested on the same records.
    """
    first = scored[0]
    if any(not np.array_equal(each.test.rows, first.test.rows) for each in scored):
        raise MedtsError("repeats were tested on different records", field="test")
    tables = [each.table() for each in scored] if tables is None else tables
    resamples = [bootstrap_scores(each.scorer(), each.subjects, _N_RESAMPLES) for each in scored]

    def mean(name: str, parts: list[Interval], columns: list[np.ndarray]) -> Estimate:
        limit = 2.0 if name == "brier" and first.label_set.class_kind == "single" else 1.0
        return Estimate.of(mean_interval(parts, np.stack(columns, axis=1), limit=limit))

    overall = {
        name: mean(
            name,
            [each.metrics[name] for each in tables],
            [each.overall[name] for each in resamples],
        )
        for name in tables[0].metrics
    }
    per_class = {
        label: {
            name: mean(
                name,
                [each.per_class[label][name] for each in tables],
                [each.per_class[name][:, k] for each in resamples],
            )
            for name in tables[0].per_class[label]
        }
        | {"n_positive": Estimate(value=tables[0].n_positive[label])}
        for k, label in enumerate(first.label_set.classes)
    }
    return overall, per_class


def mean_interval(
    parts: Sequence[Interval], resamples: Float[np.ndarray, "N U"], *, limit: float = 1.0
) -> Interval:
    """Returns the mean of the repeats' values with an interval for its expectation.

    Args:
        parts: Each repeat's value with its interval over subjects.
        resamples: Each repeat's values on the same resamples of the subjects.
        limit: Largest value that the metric can take; the smallest is zero.
    """
    values = np.array([part.value for part in parts])
    if not np.isfinite(values).all():
        return no_interval(float("nan"))
    value = float(values.mean())
    if not all(np.isfinite([part.low, part.high]).all() for part in parts):
        return no_interval(value)
    people = macro_interval(parts, resample_correlation(resamples))
    if len(parts) == 1:
        return people
    spread = float(values.var(ddof=1)) / len(values)
    reach = []
    for distance in (value - people.low, people.high - value):
        total = (distance / Z) ** 2 + spread
        df = np.inf if spread == 0 else total**2 * (len(values) - 1) / spread**2
        reach.append(float(t.ppf(0.975, df)) * np.sqrt(total))
    return Interval(value, max(0.0, value - reach[0]), min(limit, value + reach[1]))
