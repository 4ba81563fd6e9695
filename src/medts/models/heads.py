"""Heads: from an encoded window to the logits of a label set.

Every head has the same two methods: `BaseHead.encode` runs an encoder with what the head can tell
it of the dataset, `BaseHead.logits` gives one logit per class. The label set is always an argument,
so one head may serve several threads that read different ones.

Axes: B windows in the batch, D embedding width, K classes.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet, same_classes
from medts.models.base import Encoder
from medts.models.settings.heads import HeadConfig
from medts.tensors.batch import Batch, Encoded


class BaseHead(nn.Module, ABC):
    """What every classification head promises."""

    @abstractmethod
    def logits(self, encoded: Encoded, label_set: LabelSet) -> Float[Tensor, "B K"]:
        """Returns one logit per class of a label set."""

    def prior(self, label_set: LabelSet) -> Float[Tensor, "D_text"] | None:
        """Returns the vector of a label set's description; None where the head has none."""
        del label_set
        return None

    def encode(self, encoder: Encoder, batch: Batch, label_set: LabelSet) -> Encoded:
        """Runs an encoder, conditioned on the dataset's description where it takes a prior."""
        prior = self.prior(label_set) if encoder.takes_prior else None
        return encoder(batch) if prior is None else encoder(batch, prior=prior)


class Head(BaseHead):
    """Linear head (or MLP with one hidden layer) of one label set.

    Args:
        config: Shape and regularisation.
        dim: Width of the embedding.
        label_set: The only one that it has logits for.
    """

    def __init__(self, config: HeadConfig, *, dim: int, label_set: LabelSet) -> None:
        super().__init__()
        self.config, self.label_set = config, label_set
        norm = nn.BatchNorm1d if config.normalise else nn.Identity
        layers: list[nn.Module] = []
        if config.hidden:
            layers += [norm(dim), nn.Dropout(config.dropout / 2), nn.Linear(dim, config.hidden)]
            layers += [nn.ReLU()]
        width = config.hidden or dim
        layers += [norm(width), nn.Dropout(config.dropout), nn.Linear(width, len(label_set))]
        self.layers = nn.Sequential(*layers)

    def logits(self, encoded: Encoded, label_set: LabelSet) -> Float[Tensor, "B K"]:
        """Returns one logit per class.

        Raises:
            ConfigError: If it was built for another label set.
        """
        self.check(label_set)
        return self.layers(encoded.pooled)

    def check(self, label_set: LabelSet) -> None:
        """Makes sure that it was built for a label set.

        Raises:
            ConfigError: If it was built for another one.
        """
        own = self.label_set
        if not (label_set.name == own.name and same_classes(label_set, own)):
            raise ConfigError(
                f"its classes are fixed: {own.name} ({', '.join(own.classes)})",
                field=label_set.name,
                remedy="Fine-tune the model on the other label set",
            )
