"""Projector (projection head, expander): MLP into the space where an objective compares.

It is thrown away after training; the embedding before it keeps more.

Axes: B windows in the batch, D embedding width.
"""

from jaxtyping import Float
from torch import Tensor, nn


class Projector(nn.Module):
    """Linear layers with ReLU between them, and batch norm before each ReLU if wanted.

    Args:
        dim: Width of the embedding.
        hidden: Width between the layers.
        out: Width of the space in which embeddings are compared.
        n_layers: Linear layers, two or more.
        normalise: Whether batch norm stands before each ReLU.
    """

    def __init__(
        self, *, dim: int, hidden: int, out: int, n_layers: int = 2, normalise: bool = False
    ) -> None:
        super().__init__()
        widths = [dim, *[hidden] * (n_layers - 1), out]
        layers: list[nn.Module] = []
        for i in range(n_layers - 1):
            layers.append(nn.Linear(widths[i], widths[i + 1], bias=not normalise))
            layers += [nn.BatchNorm1d(widths[i + 1])] if normalise else []
            layers.append(nn.ReLU())
        # The same shift of every row moves no loss that compares rows, so it is not learnt where
        # the rest is normalised over the batch.
        layers.append(nn.Linear(widths[-2], out, bias=not normalise))
        self.layers = nn.Sequential(*layers)

    def forward(self, embedding: Float[Tensor, "B D"]) -> Float[Tensor, "B out"]:
        """Projects each row on its own, but for batch norm."""
        return self.layers(embedding)
