"""Collapse monitor: effective rank (RankMe) and spread of embeddings, and a warning.

Self-supervised objectives can be satisfied by an encoder whose output is constant. A
loss does not show it; the spread of the embeddings over a batch does.

Axes: B windows in the batch, D embedding width.
"""

import warnings

import torch
from jaxtyping import Float
from torch import Tensor


@torch.no_grad()
def collapse_parts(embedding: Float[Tensor, "B D"]) -> dict[str, Tensor]:
    """Returns what betrays a collapse, by name.

    ``embedding_std``: mean over dimensions of the standard deviation over the batch, relative
    to the root mean square of all values; near 1 when spread, 0 when constant.
    ``collapsed_ratio``: share of dimensions whose relative standard deviation is under 0.01.
    ``effective_rank``: see `effective_rank`.
    """
    z = embedding.detach().float()
    if len(z) < 2:
        zero = z.new_zeros(())
        return {"embedding_std": zero, "collapsed_ratio": zero + 1, "effective_rank": zero}
    scale = z.square().mean().sqrt().clamp(min=torch.finfo(z.dtype).tiny)
    std = z.std(dim=0) / scale
    return {
        "embedding_std": std.mean(),
        "collapsed_ratio": (std < 0.01).to(z.dtype).mean(),
        "effective_rank": effective_rank(z),
    }


@torch.no_grad()
def effective_rank(z: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """Effective rank (RankMe): exp of the entropy of singular values.

    Roy and Vetterli (EUSIPCO 2007), of the rows minus their mean; 0 where all rows are equal up
    to rounding, at most ``min(B - 1, D)``; NaN where a value is no number.
    """
    z = z.double()
    if not torch.isfinite(z).all():
        return z.new_full((), torch.nan, dtype=torch.float)
    centred = z - z.mean(dim=0)
    gram = centred @ centred.T if len(z) <= z.shape[1] else centred.T @ centred
    singular = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    rounding = 1e-6 * z.norm()  # of single precision, in which embeddings are computed
    singular = singular.masked_fill(singular <= rounding, 0.0)
    if not singular.any():
        return z.new_zeros((), dtype=torch.float)
    share = singular / singular.sum()
    return torch.special.entr(share).sum().exp().float()


class CollapseAlarm:
    """Warns, once, when embeddings have been collapsed for many batches on end.

    Args:
        patience: Batches; the first ones of a run may look collapsed and recover.
        collapsed_ratio: Share of constant dimensions from which on a batch counts as collapsed.
        effective_rank: Number of directions below which it does, too.
    """

    def __init__(
        self, *, patience: int = 50, collapsed_ratio: float = 0.5, effective_rank: float = 1.5
    ) -> None:
        self.patience = patience
        self.collapsed_ratio, self.effective_rank = collapsed_ratio, effective_rank
        self._n_batches = 0
        self._was_raised = False

    def __call__(self, parts: dict[str, Tensor]) -> None:
        """Counts one more batch by its `collapse_parts`."""
        if self._was_raised:
            return
        rank, ratio = float(parts["effective_rank"]), float(parts["collapsed_ratio"])
        is_collapsed = rank < self.effective_rank or ratio >= self.collapsed_ratio
        self._n_batches = self._n_batches + 1 if is_collapsed else 0
        if self._n_batches >= self.patience:
            self._was_raised = True
            warnings.warn(
                f"embeddings have collapsed for {self.patience} batches: {100 * ratio:.0f} % of "
                f"the dimensions are constant and they vary in {rank:.1f} directions. Weigh "
                "variance and covariance more, use larger batches, or hide less",
                stacklevel=2,
            )
