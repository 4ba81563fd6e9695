"""Classification metrics (AUROC, AUPRC, F1, Brier, …) under any number of record weightings.

A bootstrap resample and the plain test set differ only in how often each
record counts, so every metric is written once, for weights, and the plain value is the one with
all weights 1. Ranks are sorted once per class; a sparse matrix then sums the weights between
successive positives for all resamples together.

Undefined is NaN, never 0 or 0.5. A macro is over the classes that have a positive and a negative
record *in that resample*. How often to count a record is decided in `medts.metrics.bootstrap`.

Definitions, by kind of label set:

* ``single``: the decision is the most probable class (the first of equals; thresholds play no
  part). ``accuracy`` = share of records whose decision is right. ``balanced_accuracy`` = mean
  sensitivity of the classes. ``brier`` = squared distance of the probabilities from the truth.
* ``multi``: a class is stated where its probability reaches its threshold. ``accuracy`` = share
  of all (record, class) decisions that are right (one minus the Hamming loss); ``exact_match`` =
  share of records with every class right. ``balanced_accuracy`` = mean over classes of
  (sensitivity + specificity) / 2. ``brier`` = mean over classes of the squared error.

Axes: R records, K classes, N resamples, P groups of equal score that hold a positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse
from scipy.stats import rankdata

from medts.core.errors import MedtsError
from medts.metrics.checks import (
    check_probability,
    check_scores,
    check_single_target,
)

Kind = Literal["single", "multi"]


@dataclass(frozen=True)
class Scores:
    """Every metric for every resample.

    Args:
        overall: Macros and shares by name.
        per_class: Metrics of each class by name.
    """

    overall: dict[str, Float[np.ndarray, "N"]]
    per_class: dict[str, Float[np.ndarray, "N K"]]


def decide(
    probability: Float[np.ndarray, "R K"], thresholds: Float[np.ndarray, "K"] | None, kind: Kind
) -> Bool[np.ndarray, "R K"]:
    """Turns probabilities into statements: the likeliest class, or all that reach a threshold.

    Raises:
        MedtsError: If a ``multi`` set comes without one finite threshold per class.
    """
    n_classes = probability.shape[1]
    if kind == "single":
        return np.arange(n_classes) == probability.argmax(axis=1)[:, None]
    if thresholds is None or thresholds.shape != (n_classes,) or np.isnan(thresholds).any():
        raise MedtsError(
            f"a multi-label set of {n_classes} classes needs as many thresholds",
            field="thresholds",
            remedy="Choose them on validation",
        )
    return probability >= thresholds


@dataclass(frozen=True)
class Scorer:
    """Scores one set of predictions under any weighting of its records.

    Args:
        kind: Kind of the label set.
        is_positive: True where the class holds.
        is_stated: True where the class is predicted to hold.
        squared_error: Of the probabilities.
        rank: Any monotone transform of the scores of a class.
    """

    kind: Kind
    is_positive: Bool[np.ndarray, "R K"]
    is_stated: Bool[np.ndarray, "R K"]
    squared_error: Float[np.ndarray, "R K"]
    rank: Float[np.ndarray, "R K"]

    @cached_property
    def plans(self) -> list[sparse.csr_array]:
        """What `plan_ranks` makes of the ranks, sorted once for all weightings."""
        return plan_ranks(self.is_positive, self.rank)

    def __call__(self, weights: Float[np.ndarray, "N R"]) -> Scores:
        """Computes all metrics under weights of the records."""
        total = weights.sum(axis=1, keepdims=True)
        positive, negative = weights @ self.is_positive, weights @ ~self.is_positive
        hit = weights @ (self.is_positive & self.is_stated)
        rejected = weights @ ~(self.is_positive | self.is_stated)
        is_defined = (positive > 0) & (negative > 0)
        sensitivity, specificity = _ratio(hit, positive), _ratio(rejected, negative)
        f1 = _ratio(2 * hit, positive + weights @ self.is_stated)
        area, average = rank_scores(self.plans, weights)
        per_class = {
            "auroc": area,
            "auprc": average,
            "f1": np.where(is_defined, f1, np.nan),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "brier": weights @ self.squared_error / total,
        }
        overall = {f"macro_{name}": _macro(per_class[name]) for name in ("auroc", "auprc", "f1")}
        is_right = self.is_positive == self.is_stated
        exact = weights @ is_right.all(axis=1) / total[:, 0]
        if self.kind == "single":
            recall = np.where(is_defined, sensitivity, np.nan)
            overall |= {"balanced_accuracy": _macro(recall), "accuracy": exact}
            overall["brier"] = per_class["brier"].sum(axis=1)
        else:
            overall["balanced_accuracy"] = _macro((sensitivity + specificity) / 2)
            overall["accuracy"] = weights @ is_right.mean(axis=1) / total[:, 0]
            overall |= {"exact_match": exact, "brier": per_class["brier"].mean(axis=1)}
        return Scores(overall, per_class)


def make_scorer(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    thresholds: Float[np.ndarray, "K"] | None,
    kind: Kind,
    classes: Sequence[str] | None = None,
) -> Scorer:
    """Checks the arrays and prepares them for scoring; see the module's header for definitions.

    Args:
        target: Zeros and ones.
        probability: Softmax or sigmoid outputs, in the order of ``classes``.
        thresholds: One per class, chosen on validation; only a ``single`` set does without.
        kind: Kind of the label set.
        classes: Names of the columns, for error messages.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, probability, classes=classes)
    check_probability(probability)
    if kind == "single":
        check_single_target(target)
    return Scorer(
        kind=kind,
        is_positive=target.astype(bool),
        is_stated=decide(probability, thresholds, kind),
        squared_error=(probability.astype(float) - target) ** 2,
        rank=rankdata(probability, axis=0).astype(float),
    )


def auroc(
    target: Shaped[np.ndarray, "R K"], score: Float[np.ndarray, "R K"]
) -> Float[np.ndarray, "K"]:
    """Area under the ROC curve of each class: a positive outranks a negative; ties count half.

    Raises:
        MedtsError: If the arrays cannot be scored.
    """
    check_scores(target, score)
    plans = plan_ranks(target.astype(bool), score)
    return rank_scores(plans, np.ones((1, len(target))))[0][0]


def plan_ranks(
    is_positive: Bool[np.ndarray, "R K"], score: Float[np.ndarray, "R K"]
) -> list[sparse.csr_array]:
    """Sorts each class once and notes which records to sum between successive positives.

    The matrix of a class has 3P + 1 rows. Walking down the scores, rows 2j and 2j + 1 select the
    negatives before and inside the j-th group of equal scores that holds a positive, row 2P those
    after the last; row 2P + 1 + j selects the positives of group j.
    """
    return [_plan(is_positive[:, k], score[:, k]) for k in range(score.shape[1])]


def _plan(is_positive: Bool[np.ndarray, "R"], score: Float[np.ndarray, "R"]) -> sparse.csr_array:
    group = np.unique(-score, return_inverse=True)[1]
    has_positive = np.bincount(group, weights=is_positive) > 0
    n_groups = int(has_positive.sum())
    n_before = np.cumsum(has_positive) - has_positive
    row = np.where(is_positive, 2 * n_groups + 1 + n_before[group], 0)
    row += np.where(is_positive, 0, 2 * n_before[group] + has_positive[group])
    entries = (np.ones(len(score)), (row, np.arange(len(score))))
    return sparse.csr_array(entries, shape=(3 * n_groups + 1, len(score)))


def rank_scores(
    plans: Sequence[sparse.csr_array], weights: Float[np.ndarray, "N R"]
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "N K"]]:
    """Returns weighted AUROC and average precision of every class and resample."""
    by_record = np.ascontiguousarray(weights.T)
    pairs = [_rank_scores(plan, by_record) for plan in plans]
    return np.stack([a for a, _ in pairs], axis=1), np.stack([p for _, p in pairs], axis=1)


def _rank_scores(
    plan: sparse.csr_array, by_record: Float[np.ndarray, "R N"]
) -> tuple[Float[np.ndarray, "N"], Float[np.ndarray, "N"]]:
    sums = plan @ by_record
    n_groups = (len(sums) - 1) // 3
    before, inside = sums[0 : 2 * n_groups : 2], sums[1 : 2 * n_groups : 2]
    positive = sums[2 * n_groups + 1 :]
    n_positive, n_negative = positive.sum(axis=0), sums[: 2 * n_groups + 1].sum(axis=0)

    false = np.cumsum(before + inside, axis=0)
    outranked = n_negative - false + inside / 2
    area = _ratio((positive * outranked).sum(axis=0), n_positive * n_negative)
    precision = np.cumsum(positive, axis=0)
    found = false + precision
    np.divide(precision, found, out=precision, where=found > 0)
    average = _ratio((positive * precision).sum(axis=0), n_positive)
    return area, np.where(n_negative > 0, average, np.nan)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _macro(values: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N"]:
    """Means over the defined classes; NaN where there is none."""
    is_defined = np.isfinite(values)
    return _ratio(np.where(is_defined, values, 0.0).sum(axis=1), is_defined.sum(axis=1))
