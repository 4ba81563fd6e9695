"""The score table: every metric of a test set with its 95 % confidence interval.

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

All resampling is of subjects. With a single subject values are given and bounds are NaN.

Axes: R records, K classes, S subjects, N resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.checks import class_names, few_positives, subject_index, undefined_classes
from medts.metrics.delong import auroc_interval, delong_variance
from medts.metrics.intervals import (
    Interval,
    logit_interval,
    macro_interval,
    no_interval,
    proportion_interval,
    resample_correlation,
    steadied_interval,
    subject_counts,
    wilson_interval,
)
from medts.metrics.scores import Kind, Scorer, Scores, make_scorer


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


def interval_table(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    thresholds: Float[np.ndarray, "K"] | None,
    kind: Kind,
    subjects: Sequence[str] | Shaped[np.ndarray, "R"],
    classes: Sequence[str] | None = None,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
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
        seed: Of the bootstrap.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    names = class_names(target.shape[1], classes)
    scorer = make_scorer(target, probability, thresholds, kind, names)
    subject = subject_index(subjects, len(target))
    plain = scorer(np.ones((1, len(target))))
    if subject.max() == 0:
        metrics = {name: no_interval(float(v[0])) for name, v in plain.overall.items()}
        columns = {
            name: [no_interval(float(x)) for x in v[0]] for name, v in plain.per_class.items()
        }
    else:
        resamples = bootstrap_scores(scorer, subject, n_resamples, seed)
        metrics, columns = _intervals(scorer, subject, plain, resamples)
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


def _intervals(
    scorer: Scorer, subject: Int[np.ndarray, "R"], plain: Scores, resamples: Scores
) -> tuple[dict[str, Interval], dict[str, list[Interval]]]:
    is_positive, is_stated = scorer.is_positive, scorer.is_stated
    n_classes = is_positive.shape[1]
    n_positive = subject_counts(is_positive, subject)
    n_negative = subject_counts(~is_positive, subject)
    n_hit = subject_counts(is_positive & is_stated, subject)
    n_rejected = subject_counts(~is_positive & ~is_stated, subject)
    n_subjects, own, sampled = len(n_positive), plain.per_class, resamples.per_class
    n_smaller = np.minimum((n_positive > 0).sum(axis=0), (n_negative > 0).sum(axis=0))

    columns: dict[str, list[Interval]] = {
        "auroc": [
            auroc_interval(delong_variance(is_positive[:, k], scorer.rank[:, k], subject))
            for k in range(n_classes)
        ],
        "sensitivity": [
            proportion_interval(n_hit[:, k], n_positive[:, k]) for k in range(n_classes)
        ],
        "specificity": [
            proportion_interval(n_rejected[:, k], n_negative[:, k]) for k in range(n_classes)
        ],
        "brier": [
            _brier_interval(own["brier"][0, k], sampled["brier"][:, k], n_subjects)
            for k in range(n_classes)
        ],
    }
    metrics = {
        "macro_auroc": macro_interval(columns["auroc"], resample_correlation(sampled["auroc"]))
    }
    for name in ("auprc", "f1"):
        columns[name] = [
            steadied_interval(own[name][0, [k]], sampled[name][:, [k]], n_smaller[[k]])
            for k in range(n_classes)
        ]
        metrics[f"macro_{name}"] = steadied_interval(own[name][0], sampled[name], n_smaller)
    balanced = np.where(n_smaller > 0, _balanced(plain, scorer.kind)[0], np.nan)
    resampled = _balanced(resamples, scorer.kind)
    metrics["balanced_accuracy"] = steadied_interval(balanced, resampled, n_smaller)

    is_right = is_positive == is_stated
    n_records = subject_counts(np.ones((len(subject), 1)), subject)[:, 0]
    exact = subject_counts(is_right.all(axis=1, keepdims=True), subject)[:, 0]
    if scorer.kind == "single":
        metrics["accuracy"] = proportion_interval(exact, n_records)
    else:
        right = subject_counts(is_right, subject).sum(axis=1)
        metrics["accuracy"] = proportion_interval(right, n_records * n_classes)
        metrics["exact_match"] = proportion_interval(exact, n_records)
    metrics["brier"] = _brier_interval(
        plain.overall["brier"][0],
        resamples.overall["brier"],
        n_subjects,
        scale=2.0 if scorer.kind == "single" else 1.0,
    )
    return metrics, columns


def _balanced(scores: Scores, kind: Kind) -> Float[np.ndarray, "N K"]:
    """Each class's part in the balanced accuracy."""
    sensitivity, specificity = scores.per_class["sensitivity"], scores.per_class["specificity"]
    return sensitivity if kind == "single" else (sensitivity + specificity) / 2


def _brier_interval(
    value: float, resamples: Float[np.ndarray, "N"], n_subjects: int, scale: float = 1.0
) -> Interval:
    """Log-odds interval for a mean error between 0 and ``scale``; Wilson's at either end."""
    if 0 < value < scale:
        error = float(resamples.std(ddof=1)) / scale if len(resamples) > 1 else np.nan
        unit = logit_interval(float(value) / scale, error)
    else:
        unit = wilson_interval(round(float(value) / scale), n_subjects)
    return Interval(float(value), unit.low * scale, unit.high * scale)
