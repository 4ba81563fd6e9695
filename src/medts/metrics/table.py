"""The score table with an interval for every number, as reports and ``metrics.json`` hold it.

Which interval a metric gets, and how often a nominal 95 % interval covered the truth in
simulations of 100 to 500 records (``research/bench/coverage.py`` repeats the main ones):

* ``auroc``: steadied DeLong; 94–97 % (see `medts.metrics.delong`).
* ``auprc``, ``f1``, their macros, ``balanced_accuracy``: the bootstrap's variance steadied
  towards that of shares, and its bias taken off (`steadied_interval`). One class 92–98 %; macro
  F1 and balanced accuracy 96–98 %; macro average precision 92–97 %, where percentiles fell to
  88 % with five classes and to 39 % with thirty rare ones, for average precision is biased.
* ``macro_auroc``: MOVER, from the intervals of the classes and the correlation of their scores
  over resamples; 94–97 %, percentiles 88–95 %.
* ``sensitivity``, ``specificity``, ``accuracy``, ``exact_match``: Wilson, with the design effect
  of subjects that have several records.
* ``brier``: log-odds with the bootstrap's standard error; 91–96 %.

All resampling is of subjects. With a single subject there is nothing to resample: values are
given, bounds are NaN, and ``method`` says so. A plain percentile or BCa bootstrap can be asked
for by name, to compare with publications.

Axes: R records, K classes, S subjects, N resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped

from medts.metrics.bootstrap import bootstrap_scores, jackknife_scores
from medts.metrics.checks import class_names, few_positives, subject_index, undefined_classes
from medts.metrics.delong import auroc_interval, delong_variance
from medts.metrics.intervals import (
    Interval,
    bca_interval,
    logit_interval,
    macro_interval,
    no_interval,
    percentile_interval,
    proportion_interval,
    resample_correlation,
    steadied_interval,
    subject_counts,
    wilson_interval,
)
from medts.metrics.scores import Kind, Scorer, Scores, make_scorer

Method = Literal["default", "percentile", "bca"]


@dataclass(frozen=True)
class IntervalTable:
    """Every metric of a test set with its interval.

    Args:
        metrics: Macros and shares by name.
        per_class: For each class its metrics by name.
        n_positive: Positive records of each class.
        n_records: Records scored.
        n_subjects: Subjects they come from.
        excluded_classes: Without a positive or without a negative, hence in no macro.
        few_positives: With fewer than ten positives, hence with wide intervals.
    """

    metrics: dict[str, Interval]
    per_class: dict[str, dict[str, Interval]]
    n_positive: dict[str, int]
    n_records: int
    n_subjects: int
    excluded_classes: list[str]
    few_positives: list[str]

    def to_json(self) -> dict[str, Any]:
        """Returns the part of ``metrics.json`` that this table knows; NaN becomes None."""
        per_class = {
            name: {metric: interval.to_json() for metric, interval in intervals.items()}
            | {"n_positive": self.n_positive[name], "n_records": self.n_records}
            for name, intervals in self.per_class.items()
        }
        return {
            "metrics": {name: interval.to_json() for name, interval in self.metrics.items()},
            "per_class": per_class,
            "n_records": self.n_records,
            "n_subjects": self.n_subjects,
            "excluded_classes": self.excluded_classes,
            "few_positives": self.few_positives,
        }


def interval_table(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    thresholds: Float[np.ndarray, "K"] | None,
    kind: Kind,
    subjects: Sequence[str] | Shaped[np.ndarray, "R"],
    classes: Sequence[str] | None = None,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    method: Method = "default",
) -> IntervalTable:
    """Scores a test set and puts an interval around every number.

    Args:
        target: Zeros and ones.
        probability: Softmax or sigmoid outputs, in the order of ``classes``.
        thresholds: One per class, chosen on validation; only a ``single`` set does without.
        kind: Kind of the label set.
        subjects: The subject of each record.
        classes: Names of the columns.
        n_resamples: Bootstrap resamples.
        level: Nominal coverage.
        seed: Of the bootstrap.
        method: ``default`` as in the module's header, or one bootstrap for everything.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    names = class_names(target.shape[1], classes)
    scorer = make_scorer(target, probability, thresholds, kind, names)
    subject = subject_index(subjects, len(target))
    plain = scorer(np.ones((1, len(target))))
    if subject.max() == 0:
        metrics, columns = _without_intervals(plain)
    elif method == "default":
        resamples = bootstrap_scores(scorer, subject, n_resamples, seed)
        metrics, columns = _default_intervals(scorer, subject, plain, resamples, level)
    else:
        resamples = bootstrap_scores(scorer, subject, n_resamples, seed)
        left_out = jackknife_scores(scorer, subject) if method == "bca" else None
        metrics, columns = _bootstrap_intervals(plain, resamples, left_out, level)
    n_positive = scorer.is_positive.sum(axis=0)
    return IntervalTable(
        metrics=metrics,
        per_class={
            name: {metric: column[k] for metric, column in columns.items()}
            for k, name in enumerate(names)
        },
        n_positive={name: int(n_positive[k]) for k, name in enumerate(names)},
        n_records=len(target),
        n_subjects=int(subject.max()) + 1,
        excluded_classes=undefined_classes(target, names),
        few_positives=few_positives(target, names),
    )


_Intervals = tuple[dict[str, Interval], dict[str, list[Interval]]]


def _without_intervals(plain: Scores) -> _Intervals:
    reason = "a single subject"
    return (
        {name: no_interval(float(v[0]), reason) for name, v in plain.overall.items()},
        {
            name: [no_interval(float(x), reason) for x in v[0]]
            for name, v in plain.per_class.items()
        },
    )


def _bootstrap_intervals(
    plain: Scores, resamples: Scores, left_out: Scores | None, level: float
) -> _Intervals:
    def interval(value: float, drawn: np.ndarray, omitted: np.ndarray | None) -> Interval:
        if omitted is None:
            return percentile_interval(value, drawn, level)
        return bca_interval(value, drawn, omitted, level)

    metrics = {
        name: interval(
            float(value[0]), resamples.overall[name], left_out and left_out.overall[name]
        )
        for name, value in plain.overall.items()
    }
    columns = {
        name: [
            interval(
                float(values[0, k]),
                resamples.per_class[name][:, k],
                left_out and left_out.per_class[name][:, k],
            )
            for k in range(values.shape[1])
        ]
        for name, values in plain.per_class.items()
    }
    return metrics, columns


def _default_intervals(
    scorer: Scorer,
    subject: Int[np.ndarray, "R"],
    plain: Scores,
    resamples: Scores,
    level: float,
) -> _Intervals:
    is_positive, is_stated = scorer.is_positive, scorer.is_stated
    n_classes = is_positive.shape[1]
    n_positive = subject_counts(is_positive, subject)
    n_negative = subject_counts(~is_positive, subject)
    n_hit = subject_counts(is_positive & is_stated, subject)
    n_rejected = subject_counts(~is_positive & ~is_stated, subject)

    error, drawn = plain.per_class["brier"][0], resamples.per_class["brier"]
    n_subjects = len(n_positive)

    columns: dict[str, list[Interval]] = {
        "auroc": [
            auroc_interval(delong_variance(is_positive[:, k], scorer.rank[:, k], subject), level)
            for k in range(n_classes)
        ],
        "sensitivity": [
            proportion_interval(n_hit[:, k], n_positive[:, k], level) for k in range(n_classes)
        ],
        "specificity": [
            proportion_interval(n_rejected[:, k], n_negative[:, k], level) for k in range(n_classes)
        ],
        "brier": [
            _brier_interval(error[k], drawn[:, k], n_subjects, level) for k in range(n_classes)
        ],
    }
    n_smaller = np.minimum((n_positive > 0).sum(axis=0), (n_negative > 0).sum(axis=0))
    for name in ("auprc", "f1"):
        values, drawn = plain.per_class[name][0], resamples.per_class[name]
        columns[name] = [
            steadied_interval(values[[k]], drawn[:, [k]], n_smaller[[k]], level)
            for k in range(n_classes)
        ]
    metrics = {
        "macro_auroc": macro_interval(
            columns["auroc"], resample_correlation(resamples.per_class["auroc"])
        )
    }
    for name in ("auprc", "f1"):
        values, drawn = plain.per_class[name][0], resamples.per_class[name]
        metrics[f"macro_{name}"] = steadied_interval(values, drawn, n_smaller, level)
    values, drawn = _balanced(plain, scorer.kind)[0], _balanced(resamples, scorer.kind)
    values = np.where(n_smaller > 0, values, np.nan)
    metrics["balanced_accuracy"] = steadied_interval(values, drawn, n_smaller, level)

    is_right = is_positive == is_stated
    n_records = subject_counts(np.ones((len(subject), 1)), subject)[:, 0]
    exact = subject_counts(is_right.all(axis=1, keepdims=True), subject)[:, 0]
    if scorer.kind == "single":
        metrics["accuracy"] = proportion_interval(exact, n_records, level)
    else:
        right = subject_counts(is_right, subject).sum(axis=1)
        metrics["accuracy"] = proportion_interval(right, n_records * n_classes, level)
        metrics["exact_match"] = proportion_interval(exact, n_records, level)
    scale = 2.0 if scorer.kind == "single" else 1.0
    brier = resamples.overall["brier"]
    metrics["brier"] = _brier_interval(plain.overall["brier"][0], brier, n_subjects, level, scale)
    return metrics, columns


def _balanced(scores: Scores, kind: Kind) -> Float[np.ndarray, "N K"]:
    """Each class's part in the balanced accuracy."""
    sensitivity, specificity = scores.per_class["sensitivity"], scores.per_class["specificity"]
    return sensitivity if kind == "single" else (sensitivity + specificity) / 2


def _brier_interval(
    value: float,
    resamples: Float[np.ndarray, "N"],
    n_subjects: int,
    level: float,
    scale: float = 1.0,
) -> Interval:
    """Log-odds interval for a mean error between 0 and ``scale``; Wilson's at either end."""
    if not 0 < value < scale:
        unit = wilson_interval(round(float(value) / scale), n_subjects, level)
        return Interval(float(value), unit.low * scale, unit.high * scale, unit.method)
    error = float(resamples.std(ddof=1)) / scale if len(resamples) > 1 else np.nan
    unit = logit_interval(float(value) / scale, error, level, "logit bootstrap")
    return Interval(float(value), unit.low * scale, unit.high * scale, unit.method)
