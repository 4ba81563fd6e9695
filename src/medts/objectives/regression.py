"""Regression: Huber loss on standardised numbers.

Every number weighs alike, whatever its unit. Mean and standard deviation are those of the training
records and belong to the head, which gives physical units. Windows without a label and missing
numbers take no part.

Axes: B windows in the batch, K numbers.
"""

from medts.core.labels import LabelSet
from medts.losses.regression import huber_loss
from medts.models.base import Encoder
from medts.models.heads import RegressionHead
from medts.objectives.base import Supervised
from medts.objectives.settings.regression import RegressionConfig
from medts.tensors.batch import Batch, Losses, Prediction


class Regression(Supervised):
    """Huber loss between the head's values and the targets, both standardised.

    Args:
        config: Where the loss turns linear.
        encoder: Gives the pooled embedding.
        head: Gives the values; it holds the training mean and standard deviation.
        label_set: Meaning of the values.
    """

    head: RegressionHead

    def __init__(
        self,
        config: RegressionConfig,
        *,
        encoder: Encoder,
        head: RegressionHead,
        label_set: LabelSet,
    ) -> None:
        super().__init__()
        self.config, self.label_set = config, label_set
        self.encoder, self.head = encoder, head

    def score(self, prediction: Prediction, batch: Batch) -> Losses:
        """Computes the loss over labelled windows."""
        assert batch.target is not None
        assert batch.is_labelled is not None
        loss = huber_loss(
            self.head.standardise(prediction.logits),
            self.head.standardise(batch.target),
            batch.is_labelled,
            delta=self.config.delta,
        )
        return Losses(total=loss, parts={"huber": loss.detach()})
