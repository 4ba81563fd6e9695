"""Split-conformal prediction: sets of classes that hold the truth with stated coverage.

A nonconformity score is one minus the probability of a class; its quantile on calibration records,
used for nothing else, bounds what stays in the set. The truth is among it in at least
``1 − error_rate`` of the cases, whatever the model (Vovk et al. 2005), over calibration *and* test
records, if records are exchangeable: give one record per subject where subjects have several.

* ``single``: the set of possible classes (LAC; Sadinle et al. 2019).
* ``multi``: for each class whether presence and whether absence is possible, each with its own
  guarantee, among records that have the class and among those that do not (label-conditional).

Axes: R records, K classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from medts.core.errors import MedtsError
from medts.metrics.checks import check_probability, check_scores, check_single_target

_EPS = 1e-12
"""Equal probabilities may differ by rounding."""


@dataclass(frozen=True)
class ConformalSets:
    """Prediction sets (LAC) of a ``single`` label set, calibrated by `fit_sets`.

    Args:
        limit: Largest nonconformity that stays in the set; infinite with too few records.
    """

    limit: float

    def __call__(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns which classes are possible; the most probable one always is."""
        is_possible = 1 - probability <= self.limit + _EPS
        is_possible[np.arange(len(probability)), probability.argmax(axis=1)] = True
        return is_possible


@dataclass(frozen=True)
class ConformalLabels:
    """Label-conditional prediction sets of a ``multi`` label set, calibrated by `fit_labels`.

    Args:
        present_from: Lowest probability at which presence is possible, per class.
        absent_to: Highest probability at which absence is possible, per class.
    """

    present_from: Float[np.ndarray, "K"]
    absent_to: Float[np.ndarray, "K"]

    def can_be_present(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns where the class cannot be ruled out."""
        return probability >= self.present_from - _EPS

    def can_be_absent(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns where the class's absence cannot be ruled out."""
        return probability <= self.absent_to + _EPS


def fit_sets(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    error_rate: float = 0.1,
) -> ConformalSets:
    """Calibrates prediction sets for a ``single`` label set.

    Args:
        target: Zeros and ones of the calibration records.
        probability: Their softmax outputs.
        error_rate: Share of records whose set may miss the truth, in (0, 1).

    Raises:
        MedtsError: If the arrays cannot be scored, or the error rate is not in (0, 1).
    """
    check_scores(target, probability)
    check_probability(probability)
    check_single_target(target)
    return ConformalSets(conformal_quantile(1 - probability[target > 0].astype(float), error_rate))


def fit_labels(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    error_rate: float = 0.1,
) -> ConformalLabels:
    """Calibrates presence and absence of each class of a ``multi`` label set.

    A class with too few positive (negative) calibration records is always possibly present
    (absent): about ``1 / error_rate`` are needed.

    Args:
        target: Zeros and ones of the calibration records.
        probability: Their sigmoid outputs.
        error_rate: Share of positives, and of negatives, that may be ruled out wrongly.

    Raises:
        MedtsError: If the arrays cannot be scored, or the error rate is not in (0, 1).
    """
    check_scores(target, probability)
    check_probability(probability)
    columns = list(zip((target > 0).T, probability.astype(float).T, strict=True))
    present = [1 - conformal_quantile(1 - p[has], error_rate) for has, p in columns]
    absent = [conformal_quantile(p[~has], error_rate) for has, p in columns]
    return ConformalLabels(np.array(present), np.array(absent))


def conformal_quantile(scores: Float[np.ndarray, "n"], error_rate: float) -> float:
    """Returns the ⌈(n + 1)(1 − error_rate)⌉-th smallest score; infinity where n is too small.

    The ``+ 1`` counts the new record, and makes the guarantee hold for finite n.

    Raises:
        MedtsError: If the error rate is not in (0, 1).
    """
    if not 0 < error_rate < 1:
        raise MedtsError(f"error rate {error_rate} is not in (0, 1)", field="error_rate")
    place = int(np.ceil((len(scores) + 1) * (1 - error_rate) - 1e-9))
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else float("inf")
