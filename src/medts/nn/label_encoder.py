"""Label encoder (MedSpaformer): an MLP from a frozen sentence embedding to a class embedding.

The adaptive label encoder of MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026,
arXiv:2503.15578, section "Adaptive label encoder"): ``h_y = W1 ReLU(W2 LM(T_y) + b)``. A class is
given by its words alone, so the classes of any number of datasets live in one space, and a new
one needs no weights.

Embedding the texts is left to `medts.nn.frozen_lm`; comparing with a signal to `medts.models`.

Axes: K classes, D embedding width.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class LabelEncoder(nn.Module):
    """Two linear layers with ReLU between them; the second has no bias, as printed.

    Departures: each vector is brought to mean 0 and spread 1 first. Language models differ in
    the length of their vectors by more than an order of magnitude, and ours have length one;
    from such small inputs the layers would hardly learn.

    Args:
        text_dim: Width of the language model.
        hidden: Width between the layers.
        dim: Width of the space in which classes and embeddings are compared.
    """

    def __init__(self, *, text_dim: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.widen = nn.Linear(text_dim, hidden)
        self.narrow = nn.Linear(hidden, dim, bias=False)

    def forward(self, vectors: Float[Tensor, "K D_text"]) -> Float[Tensor, "K D"]:
        """Places every class on its own."""
        return self.narrow(F.relu(self.widen(F.layer_norm(vectors, (self.text_dim,)))))
