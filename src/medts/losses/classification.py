"""Cross-entropy (single label) and weighted binary cross-entropy (multi-label), masked.

Axes: B windows in the batch, K classes.
"""

import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor


def softmax_cross_entropy(
    logits: Float[Tensor, "B K"],
    target: Float[Tensor, "B K"],
    is_labelled: Bool[Tensor, "B"],
    class_weight: Float[Tensor, "K"] | None = None,
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean over labelled windows of ``-log p`` of the class that holds.

    With class weights it is the weighted mean, as in `torch.nn.functional.cross_entropy`.
    """
    index = target.argmax(dim=1).masked_fill(~is_labelled, -100)
    # cross_entropy over nothing is NaN; a zero that keeps the graph has a gradient of zero.
    if not is_labelled.any():
        return logits.sum() * 0.0
    return F.cross_entropy(logits, index, weight=class_weight, label_smoothing=smoothing)


def binary_cross_entropy(
    logits: Float[Tensor, "B K"],
    target: Float[Tensor, "B K"],
    is_labelled: Bool[Tensor, "B"],
    class_weight: Float[Tensor, "K"] | None = None,
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean over labelled windows and classes; a class weight counts its positives that often."""
    target = target * (1 - smoothing) + smoothing / 2
    terms = F.binary_cross_entropy_with_logits(
        logits, target, pos_weight=class_weight, reduction="none"
    )
    weight = is_labelled[:, None].to(terms.dtype)
    n_terms = (weight.sum() * terms.shape[1]).clamp(min=1.0)
    return (terms * weight).sum() / n_terms
