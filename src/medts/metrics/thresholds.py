"""Operating points: from which probability on a class is stated, chosen on validation records.

Between two neighbouring scores every threshold decides the same, so the midpoint is taken; of
several equally good ones the highest. A class that validation cannot judge (no positive or no
negative record) falls back to 0.5 and is listed.

Axes: R records, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped

from medts.core.errors import MedtsError
from medts.core.labels import OperatingPoint
from medts.metrics.checks import check_probability, check_scores, class_names

Rule = Literal["best F1", "Youden", "sensitivity"]
FALLBACK = 0.5
"""Threshold of a class that validation cannot judge."""


@dataclass(frozen=True)
class Thresholds:
    """Chosen thresholds.

    Args:
        values: One per class, in [0, 1]; at or above it the class is stated.
        rule: How they were chosen.
        fallback_classes: Classes without positives or negatives, left at 0.5.
    """

    values: Float[np.ndarray, "K"]
    rule: str
    fallback_classes: list[str]

    def operating_points(self, classes: Sequence[str], split: str) -> dict[str, OperatingPoint]:
        """Returns the thresholds by class name, with where they came from.

        Args:
            classes: Names in the order of the values.
            split: Records they were chosen on, such as ``validation: ptb-xl 8``.
        """
        names = class_names(len(self.values), classes)
        return {
            name: OperatingPoint(
                threshold=float(value),
                rule="fallback" if name in self.fallback_classes else self.rule,
                split=split,
            )
            for name, value in zip(names, self.values, strict=True)
        }


def choose_thresholds(
    target: Shaped[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: Sequence[str] | None = None,
    rule: Rule = "best F1",
    sensitivity: float = 0.9,
) -> Thresholds:
    """Chooses an operating point per class.

    Args:
        target: Zeros and ones of the validation records.
        probability: Their softmax or sigmoid outputs.
        classes: Names of the columns.
        rule: ``best F1``; ``Youden`` for the largest sensitivity + specificity; ``sensitivity``
            for the highest threshold that reaches a given sensitivity.
        sensitivity: The one to reach, in (0, 1].

    Raises:
        MedtsError: If the arrays cannot be scored, or the sensitivity is not in (0, 1].
    """
    check_scores(target, probability, classes=classes)
    check_probability(probability)
    if not 0 < sensitivity <= 1:
        raise MedtsError(f"sensitivity {sensitivity} is not in (0, 1]", field="sensitivity")
    goals: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "best F1": lambda hit, false: 2 * hit / (hit[0] + hit + false),
        "Youden": lambda hit, false: hit / hit[0] - false / false[0],
        "sensitivity": lambda hit, false: (hit >= sensitivity * hit[0] - 1e-9).astype(float),
    }
    names = class_names(target.shape[1], classes)
    n_positive = target.sum(axis=0)
    is_judged = (n_positive > 0) & (n_positive < len(target))
    values = np.full(len(names), FALLBACK)
    for k in np.flatnonzero(is_judged):
        values[k] = _best(target[:, k] > 0, probability[:, k].astype(float), goals[rule])
    label = f"sensitivity {sensitivity:g}" if rule == "sensitivity" else rule
    fallback = [name for name, judged in zip(names, is_judged, strict=True) if not judged]
    return Thresholds(values, label, fallback)


def _best(
    is_positive: Bool[np.ndarray, "R"],
    score: Float[np.ndarray, "R"],
    goal: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> float:
    """Returns the highest threshold at which the goal is largest.

    Candidate i states all records whose score is among the distinct scores from the i-th on;
    ``goal`` sees how many of these are positive and how many are not.
    """
    distinct, place = np.unique(score, return_inverse=True)
    hit = np.cumsum(np.bincount(place, is_positive, len(distinct))[::-1])[::-1]
    false = np.cumsum(np.bincount(place, ~is_positive, len(distinct))[::-1])[::-1]
    reached = goal(hit, false)
    index = int(np.flatnonzero(reached >= reached.max() - 1e-12)[-1])
    below = distinct[index - 1] if index else 0.0
    middle = (below + distinct[index]) / 2
    # Between two adjacent floating-point numbers there is no midpoint to take.
    is_between = middle > below or index == 0
    return float(min(max(middle if is_between else distinct[index], 0.0), 1.0))
