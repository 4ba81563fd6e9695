"""Classification: cross-entropy of one label, or binary cross-entropy of several.

Softmax cross-entropy where exactly one class holds, one binary cross-entropy per class
otherwise. Windows without a label take no part. Encoder and head are both kept.

Axes: B windows in the batch, K classes.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from medts.core.labels import LabelSet
from medts.losses.classification import binary_cross_entropy, softmax_cross_entropy
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.objectives.base import Supervised
from medts.objectives.settings.classification import ClassificationConfig
from medts.tensors.batch import Batch, Losses, Prediction


class Classification(Supervised):
    """Cross-entropy between the head's logits and the labels.

    Args:
        config: Weighting and smoothing.
        encoder: Gives the pooled embedding.
        head: Gives the logits.
        label_set: Meaning of the logits.
        prevalence: Share of training records in which each class holds.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        config: ClassificationConfig,
        *,
        encoder: Encoder,
        head: Head,
        label_set: LabelSet,
        prevalence: Float[Tensor, "K"],
    ) -> None:
        super().__init__()
        self.config, self.label_set = config, label_set
        self.encoder, self.head = encoder, head
        weight = None
        if config.class_balance > 0:
            weight = balancing_weight(prevalence, kind=label_set.class_kind) ** config.class_balance
        self.register_buffer("class_weight", weight, persistent=False)

    def score(self, prediction: Prediction, batch: Batch) -> Losses:
        """Computes the loss over labelled windows."""
        smoothing = self.config.label_smoothing
        loss = cross_entropy(prediction, batch, self.class_weight, smoothing=smoothing)
        return Losses(total=loss, parts={"cross_entropy": loss.detach()})


def cross_entropy(
    prediction: Prediction, batch: Batch, class_weight: Tensor | None, *, smoothing: float
) -> Float[Tensor, ""]:
    """Cross-entropy of a ``single`` label set, or binary cross-entropy of a ``multi`` one."""
    assert batch.target is not None
    assert batch.is_labelled is not None
    is_single = prediction.label_set.class_kind == "single"
    return (softmax_cross_entropy if is_single else binary_cross_entropy)(
        prediction.logits, batch.target, batch.is_labelled, class_weight, smoothing=smoothing
    )


def balancing_weight(
    prevalence: Float[Tensor, "K"], *, kind: Literal["single", "multi"]
) -> Float[Tensor, "K"]:
    """Inverse-frequency class weights (``pos_weight``); 1 for a class without examples.

    For ``single`` the weights average to 1 over records; for ``multi`` they are the odds against
    each class, capped at 100.
    """
    is_empty = prevalence <= 0
    safe = prevalence.masked_fill(is_empty, 1.0)
    if kind == "single":
        weight = 1.0 / (safe * (~is_empty).sum().clamp(min=1))
    else:
        weight = torch.clamp((1 - safe) / safe, max=100.0)
    return weight.masked_fill(is_empty, 1.0)
