"""Objective base class (training task): a batch in, the loss to minimise out.

An objective is a module that holds the encoder, which is kept, and whatever is only needed while
training, which is thrown away. The training loop does not depend on the paper.

A batch may hold nothing that can be scored: no labelled window, no recording with a report. Then
the total is exactly zero, never NaN. The loop takes no optimiser step for such a batch, so that
neither decay nor momentum moves a weight, and does not call `Objective.after_step`; the batch
counts as one of the schedule's steps. A run in which no batch has a gradient is refused.

Axes: B windows in the batch, K classes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from medts.core.labels import LabelSet
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.models.matching_head import MatchingHead
from medts.tensors.batch import Batch, Losses, Prediction


@dataclass(frozen=True)
class TrainingParts:
    """What a run hands to the objective that it builds.

    Args:
        encoder: What is trained and kept.
        head: Gives logits of label sets; none where nothing is classified.
        targets: Each label set with the share of training records in which each class holds; of
            numbers, with their mean.
    """

    encoder: Encoder
    head: Head | MatchingHead | None = None
    targets: tuple[tuple[LabelSet, Tensor], ...] = ()

    def arguments(self) -> dict[str, Any]:
        """Returns these parts by the names that constructors of objectives use."""
        if not self.targets:
            return {"encoder": self.encoder}
        (label_set, prevalence), *further = self.targets
        found = {"encoder": self.encoder, "head": self.head, "label_set": label_set}
        if not label_set.has_numbers:
            found["prevalence"] = prevalence
        return found | ({"further": further} if further else {})


class Objective(nn.Module, ABC):
    """A loss over batches, with the encoder that it trains."""

    encoder: Encoder

    progress: float = 0.0
    """Share of the run's training batches that are behind; the loop sets it before each."""

    @abstractmethod
    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""

    def after_step(self) -> None:
        """Hook after each optimiser step, such as the EMA update of a teacher's weights.

        What it changes must be in ``state_dict`` (parameters without a gradient, or buffers), so
        that a run which was killed goes on with it.
        """

    def predict(self, batch: Batch) -> Prediction | None:
        """Returns scores for the batch's label set; None where nothing is classified."""
        del batch
        return None

    def validate(self, batch: Batch) -> tuple[Losses, Prediction | None]:
        """Returns loss and scores; override it to get both from one pass."""
        return self(batch), self.predict(batch)


class Supervised(Objective):
    """An objective that learns from labels: encoder and head are both kept.

    A subclass scores logits, so that loss and prediction come from one pass.
    """

    head: Any  # a `BaseHead`, which subclasses narrow
    label_set: LabelSet

    @abstractmethod
    def score(self, prediction: Prediction, batch: Batch) -> Losses:
        """Computes the loss of logits, or of numbers."""

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        return self.score(self.predict(batch), batch)

    def predict(self, batch: Batch) -> Prediction:
        """Returns the head's logits, or numbers in physical units."""
        return Prediction(self.head.logits(self.encoder(batch), self.label_set), self.label_set)

    def validate(self, batch: Batch) -> tuple[Losses, Prediction | None]:
        """Returns loss and logits from one pass."""
        prediction = self.predict(batch)
        return self.score(prediction, batch), prediction
