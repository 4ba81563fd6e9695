"""Contrastive losses: NT-Xent (SimCLR), InfoNCE (CLIP), SupCon, MulSupCon.

Contrastive: an anchor should find its positives among all other rows. ``nt_xent`` (SimCLR, Chen
et al., ICML 2020, arXiv:2002.05709), ``info_nce`` across two sides (CLIP, CLOCS) and
``multilabel_contrastive`` (SupCon, Khosla et al., NeurIPS 2020, arXiv:2004.11362; for several
labels MulSupCon, Zhang and Wu, AAAI 2024). They are one formula with different weights on the
positives: the weighted mean of ``-log softmax``. An anchor without a positive weighs nothing and is
not counted in the mean.

Without negatives: the two regularisers of VICReg (Bardes et al., ICLR 2022, arXiv:2105.04906).

Everything is computed in fp32 whatever the precision around it. Embeddings are normalised here
for the contrastive losses and left as they are for VICReg's.

Axes: B rows to compare (windows, or views of windows), D embedding width, K classes.
"""

import hashlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from medts.losses.gathering import gather_rows, process_rank


def nt_xent(
    first: Float[Tensor, "B D"],
    second: Float[Tensor, "B D"],
    *,
    temperature: float = 0.1,
    gather: bool = False,
) -> Float[Tensor, ""]:
    """NT-Xent (SimCLR): each view against the other of its window, among all views.

    Args:
        first: One view of each window.
        second: Another view of the same windows.
        temperature: Divides the cosine similarities.
        gather: Whether the windows of all processes are compared with each other.
    """
    if gather:
        first, second = gather_rows(first), gather_rows(second)
    n_windows = len(first)
    pair = torch.eye(n_windows, device=first.device).repeat(2, 2)
    return contrast(torch.cat([first, second]), pair, temperature=temperature)


def info_nce(
    first: Float[Tensor, "B D"],
    second: Float[Tensor, "B D"],
    group: Int[Tensor, "B"] | None = None,
    *,
    temperature: float = 0.1,
    gather: bool = False,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE (CLIP) loss; targets shared within a group.

    Args:
        first: One side, such as the first half of each window.
        second: The other side, in the same order.
        group: Rows of one group are positives of each other; without it, only row i of row i.
        temperature: Divides the cosine similarities.
        gather: Whether the rows of all processes are compared with each other.
    """
    if group is None:
        group = torch.arange(len(first), device=first.device)
        if gather:
            # Row numbers continue over processes, or row 0 of each would be one group.
            n_before = gather_rows(torch.full((1,), len(first), device=first.device))
            group = group + n_before[: process_rank()].sum()
    if gather:
        first, second, group = gather_rows(first), gather_rows(second), gather_rows(group)
    with torch.autocast(first.device.type, enabled=False):
        return symmetric_nll(unit_rows(first) @ unit_rows(second).T / temperature, group)


def symmetric_nll(scores: Float[Tensor, "B B"], group: Int[Tensor, "B"]) -> Float[Tensor, ""]:
    """Symmetric cross-entropy (CLIP) over rows and columns; a group shares its target evenly."""
    weight = per_anchor(group[:, None] == group)
    across = mean_nll(scores.log_softmax(dim=1), weight)
    return (across + mean_nll(scores.T.log_softmax(dim=1), weight)) / 2


def multilabel_contrastive(
    z: Float[Tensor, "B D"],
    target: Float[Tensor, "B K"],
    *,
    temperature: float = 0.1,
    gather: bool = False,
) -> Float[Tensor, ""]:
    """Supervised contrastive loss (SupCon, ``L_out``), also of several labels (MulSupCon).

    Each active class of a row is a term, whose positives are the other rows in which that class
    holds; every row weighs alike. Rows without a class are negatives only.

    Args:
        z: Rows to compare.
        target: Zeros and ones.
        temperature: Divides the cosine similarities.
        gather: Whether the rows of all processes are compared with each other.
    """
    if gather:
        z, target = gather_rows(z), gather_rows(target)
    n_others = (target.sum(dim=0) - target) * target
    has_positive = n_others > 0
    # Row i spreads a weight of 1 over the positives of each of its classes.
    share = has_positive / n_others.clamp(min=1)
    with torch.autocast(z.device.type, enabled=False):  # weights are sums of fractions
        weight = (share @ target.to(share).T).fill_diagonal_(0.0)
    weight = weight / has_positive.sum(dim=1, keepdim=True).clamp(min=1)
    return contrast(z, weight, temperature=temperature)


def contrast(
    z: Float[Tensor, "B D"], weight: Float[Tensor, "B B"], *, temperature: float
) -> Float[Tensor, ""]:
    """Contrastive loss with weighted positives: mean ``-log p`` among all rows but the anchor.

    ``weight[i, j]`` is how much j counts as a positive of anchor i; the diagonal is ignored.
    """
    is_self = torch.eye(len(z), dtype=torch.bool, device=z.device)
    with torch.autocast(z.device.type, enabled=False):
        unit = unit_rows(z)
        scores = (unit @ unit.T / temperature).masked_fill(is_self, -torch.inf)
        # The diagonal is -inf, and -inf times a weight of zero would be NaN.
        log_p = scores.log_softmax(dim=1).masked_fill(is_self, 0.0)
        return mean_nll(log_p, weight.masked_fill(is_self, 0.0))


def mean_nll(
    log_p: Float[Tensor, "B others"], weight: Float[Tensor, "B others"]
) -> Float[Tensor, ""]:
    """Weighted mean of ``-log p``; zero, with a gradient of zero, where nothing has weight."""
    total = weight.sum()
    return -(log_p * weight).sum() / total.masked_fill(total == 0, 1.0)


def group_ids(names: Sequence[str]) -> Int[Tensor, "B"]:
    """Hashes names to ids; equal names, and only they, have equal ids on every process."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return torch.tensor([int.from_bytes(each, "big", signed=True) for each in digests])


def per_anchor(is_positive: Tensor) -> Float[Tensor, "B others"]:
    """Weights that add up to 1 over the positives of each anchor that has any."""
    n_positive = is_positive.sum(dim=1, keepdim=True)
    return is_positive / n_positive.clamp(min=1)


def unit_rows(z: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
    """L2-normalises each vector, in fp32."""
    return F.normalize(at_least_fp32(z), dim=-1)


def at_least_fp32(z: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows D"]:
    """Lifts half precision to single; sums over a batch need it."""
    return z if z.dtype == torch.double else z.float()


def spread_hinge(
    z: Float[Tensor, "B D"], floor: float = 1.0, eps: float = 1e-4, *, correction: int = 1
) -> Float[Tensor, ""]:
    """VICReg variance term: hinge on each dimension's batch standard deviation below ``floor``.

    ``eps`` keeps the gradient finite when a dimension has collapsed to a constant. Zero for
    fewer than two rows, which have no spread. The variance is unbiased; with ``correction`` 0 it
    is that of the rows themselves.
    """
    z = at_least_fp32(z)
    if len(z) < 2:
        return z.sum() * 0.0
    return F.relu(floor - (z.var(dim=0, correction=correction) + eps).sqrt()).mean()


def redundancy(z: Float[Tensor, "B D"]) -> Float[Tensor, ""]:
    """VICReg covariance term: squared off-diagonal covariance, averaged over dimensions."""
    z = at_least_fp32(z)
    z = z - z.mean(dim=0) if len(z) else z
    with torch.autocast(z.device.type, enabled=False):
        covariance = z.T @ z / max(1, len(z) - 1)
    off_diagonal = covariance - torch.diag(covariance.diagonal())
    return off_diagonal.square().sum() / z.shape[1]
