"""Classification and regression heads: from an embedding to logits of a label set, or numbers.

Every head has the same two methods: `BaseHead.encode` runs an encoder, conditioned on the dataset
where it can be, `BaseHead.logits` gives one logit per class, or one value in physical units per
number. The label set is always an argument, so one head may serve several threads that read
different ones.

Axes: B windows in the batch, D embedding width, K classes or numbers.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet, same_classes
from medts.models.base import Encoder
from medts.models.settings.heads import HeadConfig
from medts.tensors.batch import Batch, Encoded


class BaseHead(nn.Module, ABC):
    """Head (classifier) on an encoded window, conditioned on a label set."""

    @abstractmethod
    def logits(self, encoded: Encoded, label_set: LabelSet) -> Float[Tensor, "B K"]:
        """Returns one logit per class of a label set, or its numbers in their units."""

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


class RegressionHead(Head):
    """Regression head: linear layer (or MLP) on standardised targets, output in physical units.

    Mean and standard deviation of the training targets are buffers: they are saved with the weights
    and exported with the graph, so that whoever has the weights has the units.

    Args:
        config: Shape and regularisation.
        dim: Width of the embedding.
        label_set: The only one that it has numbers for.
    """

    mean: Float[Tensor, "K"]
    std: Float[Tensor, "K"]

    def __init__(self, config: HeadConfig, *, dim: int, label_set: LabelSet) -> None:
        super().__init__(config, dim=dim, label_set=label_set)
        self.register_buffer("mean", torch.zeros(len(label_set)))
        self.register_buffer("std", torch.ones(len(label_set)))

    def logits(self, encoded: Encoded, label_set: LabelSet) -> Float[Tensor, "B K"]:
        """Returns one value per number, in physical units.

        Raises:
            ConfigError: If it was built for another label set.
        """
        # In half precision a step between two ages would be half a year: scale in full.
        return super().logits(encoded, label_set).float() * self.std + self.mean

    def standardise(self, values: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Returns values in standard deviations from the training mean (z-scores)."""
        return (values - self.mean) / self.std

    def learn_scale(self, target: Float[Tensor, "R K"]) -> None:
        """Takes mean and standard deviation over the finite targets of the training records.

        A target that does not vary keeps its own scale.

        Raises:
            ConfigError: If a number is missing in every record.
        """
        for k, name in enumerate(self.label_set.classes):
            given = target[:, k][target[:, k].isfinite()].double()
            if not len(given):
                raise ConfigError(
                    f"no training record has a value of {name!r}",
                    field=self.label_set.name,
                    remedy="Choose training folds in which it is measured",
                )
            spread = given.std(correction=0)
            self.mean[k] = given.mean()
            self.std[k] = spread if spread > 0 else 1.0


def build_head(config: HeadConfig, *, dim: int, label_set: LabelSet) -> Head:
    """Builds the head that the kind of a label set wants: of classes, or of numbers."""
    kind = RegressionHead if label_set.has_numbers else Head
    return kind(config, dim=dim, label_set=label_set)
