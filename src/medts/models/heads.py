"""Heads: from a pooled embedding to the logits of a label set.

Axes: B windows in the batch, D embedding width, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn

from medts.models.settings.heads import HeadConfig


class Head(nn.Module):
    """Logits of a label set, by one linear layer or with one hidden layer before it."""

    def __init__(self, config: HeadConfig, *, dim: int, n_classes: int) -> None:
        super().__init__()
        self.config = config
        norm = nn.BatchNorm1d if config.normalise else nn.Identity
        layers: list[nn.Module] = []
        if config.hidden:
            layers += [norm(dim), nn.Dropout(config.dropout / 2), nn.Linear(dim, config.hidden)]
            layers += [nn.ReLU()]
        width = config.hidden or dim
        layers += [norm(width), nn.Dropout(config.dropout), nn.Linear(width, n_classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, pooled: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Returns one logit per class."""
        return self.layers(pooled)
