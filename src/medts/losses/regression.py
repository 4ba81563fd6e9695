"""Losses of numbers: the Huber loss with a mask for missing targets.

Axes: B windows in the batch, K numbers.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def huber_loss(
    predicted: Float[Tensor, "B K"],
    target: Float[Tensor, "B K"],
    is_labelled: Bool[Tensor, "B"],
    *,
    delta: float,
) -> Float[Tensor, ""]:
    """Huber loss (Huber 1964), averaged over labelled windows and targets that are finite.

    ``error² / 2`` up to ``delta``, linear beyond: ``delta · (|error| − delta / 2)``. A missing
    target (NaN) has neither loss nor gradient; with nothing labelled the loss is zero.
    """
    is_known = is_labelled[:, None] & target.isfinite()
    # Filled before subtracting: the gradient of NaN · 0 would be NaN.
    error = predicted - torch.where(is_known, target, predicted.detach())
    size = error.abs()
    terms = torch.where(size <= delta, 0.5 * error**2, delta * (size - 0.5 * delta))
    return (terms * is_known).sum() / is_known.sum().clamp(min=1)
