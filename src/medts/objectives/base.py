"""What every objective promises: a batch in, the loss to minimise out.

An objective is a module that holds the encoder, which is kept, and whatever is only needed while
training, which is thrown away. The training loop never asks which paper it runs.

Axes: B windows in the batch, K classes.
"""

from abc import ABC, abstractmethod

from torch import nn

from medts.core.batch import Batch, Losses, Prediction
from medts.models.base import Encoder


class Objective(nn.Module, ABC):
    """A loss over batches, with the encoder that it trains."""

    encoder: Encoder

    progress: float = 0.0
    """Share of the run's training batches that are behind; the loop says it before each."""

    @abstractmethod
    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""

    def predict(self, batch: Batch) -> Prediction | None:
        """Returns scores for the batch's label set; None where nothing is classified."""
        del batch
        return None

    def validate(self, batch: Batch) -> tuple[Losses, Prediction | None]:
        """Returns loss and scores; an objective that gets both from one pass says so."""
        return self(batch), self.predict(batch)
