"""Details beside a `Result` on its page: scores of every record, training history, examples.

Plain values, so that a page can be made where there is no torch.

Axes: R records, K classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from medts.core.records import Record


@dataclass(frozen=True)
class Example:
    """A record with its prediction.

    Args:
        record: As it was recorded.
        probability: Of each class.
        labels: Classes that hold.
        thresholds: Operating points; with none, the most probable class is the statement.
    """

    record: Record
    probability: dict[str, float]
    labels: tuple[str, ...]
    thresholds: dict[str, float]

    def is_stated(self, name: str) -> bool:
        """Returns whether the prediction states a class: at its threshold, or as the likeliest."""
        if not self.thresholds:
            return name == max(self.probability, key=self.probability.__getitem__)
        return name in self.thresholds and self.probability[name] >= self.thresholds[name]


@dataclass(frozen=True)
class Details:
    """Scores of the test records, for curves, and what else a page shows.

    Args:
        target: Zeros and ones, or numbers.
        probability: Predicted; the numbers themselves where numbers are predicted.
        classes: Names of the columns of both.
        history: A row per epoch with any of ``epoch``, ``train_loss``, ``validation_loss`` and
            ``validation_…`` scores.
        examples: Records to draw.
        units: Of each number, where numbers are predicted; None for classes.
    """

    target: Float[np.ndarray, "R K"]
    probability: Float[np.ndarray, "R K"]
    classes: tuple[str, ...]
    history: tuple[dict[str, float], ...] = ()
    examples: tuple[Example, ...] = ()
    units: dict[str, str] | None = None
