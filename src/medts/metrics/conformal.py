"""Split-conformal prediction sets: which classes cannot be ruled out, with stated coverage.

A score says how badly an answer fits a record; calibration records, used for nothing else, tell
how large it gets for true answers. For a new record from the same population, all answers that
fit no worse are kept, and the truth is among them in at least ``1 − error_rate`` of the cases,
whatever the model (Vovk et al. 2005). That is over calibration *and* test records, and assumes
that records are exchangeable: give one record per subject where subjects have several.

* ``single``: the set of possible classes. ``lac`` (Sadinle et al. 2019) scores one minus the
  probability of the class and gives the smallest sets; ``aps`` (Romano et al. 2020, without
  their randomisation, hence slightly generous) the probability of all classes at least as likely.
* ``multi``: for each class apart whether presence and whether absence is possible, each with its
  own guarantee, among records that have the class and among those that do not.

Axes: R records, K classes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped

from medts.core.errors import MedtsError
from medts.metrics.checks import check_probability, check_scores, check_single_target

SetScore = Literal["lac", "aps"]


@dataclass(frozen=True)
class ConformalSets:
    """Prediction sets of a ``single`` label set, calibrated by `fit_sets`.

    Args:
        score: Which score.
        limit: Largest score that stays in the set; infinite with too few records.
    """

    score: SetScore
    limit: float

    def __call__(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns which classes are possible; the most probable one always is."""
        is_possible = _misfit(probability, self.score) <= self.limit + 1e-12
        is_possible[np.arange(len(probability)), probability.argmax(axis=1)] = True
        return is_possible


@dataclass(frozen=True)
class ConformalLabels:
    """Possible answers for each class of a ``multi`` label set, calibrated by `fit_labels`.

    Args:
        present_from: Lowest probability at which presence is possible, per class.
        absent_to: Highest probability at which absence is possible, per class.
    """

    present_from: Float[np.ndarray, "K"]
    absent_to: Float[np.ndarray, "K"]

    def can_be_present(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns where the class cannot be ruled out."""
        return probability >= self.present_from - 1e-12

    def can_be_absent(self, probability: Float[np.ndarray, "R K"]) -> Bool[np.ndarray, "R K"]:
        """Returns where the class's absence cannot be ruled out."""
        return probability <= self.absent_to + 1e-12


def fit_sets(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    error_rate: float = 0.1,
    score: SetScore = "lac",
) -> ConformalSets:
    """Calibrates prediction sets for a ``single`` label set.

    Args:
        target: Zeros and ones of the calibration records.
        probability: Their softmax outputs.
        error_rate: Share of records whose set may miss the truth.
        score: ``lac`` or ``aps``.

    Raises:
        MedtsError: If the arrays cannot be scored, or the error rate is not in (0, 1).
    """
    check_scores(target, probability)
    check_probability(probability)
    check_single_target(target)
    misfit = _misfit(probability.astype(float), score)[target > 0]
    return ConformalSets(score, conformal_quantile(misfit, error_rate))


def fit_labels(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    error_rate: float = 0.1,
) -> ConformalLabels:
    """Calibrates the possible answers for each class of a ``multi`` label set.

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
    is_positive, likely = target > 0, probability.astype(float)
    present, absent = [], []
    for k in range(target.shape[1]):
        found = likely[is_positive[:, k], k]
        present.append(1 - conformal_quantile(1 - found, error_rate))
        absent.append(conformal_quantile(likely[~is_positive[:, k], k], error_rate))
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


def _misfit(probability: Float[np.ndarray, "R K"], score: SetScore) -> Float[np.ndarray, "R K"]:
    if score == "lac":
        return 1 - probability
    order = np.argsort(-probability, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(probability, order, axis=1), axis=1)
    misfit = np.empty_like(reached)
    np.put_along_axis(misfit, order, reached, axis=1)
    return misfit
