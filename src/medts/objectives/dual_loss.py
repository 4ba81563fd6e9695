"""Dual loss: cross-entropy plus supervised contrastive loss (SupCon) on two views.

The second stage of ECG-NAT (arXiv:2605.13194, abstract only; every number is our own), in the form
of Gunel et al. (ICLR 2021, arXiv:2011.01403): ``(1 - w) cross-entropy + w contrast``. Windows of
one class attract each other and repel those of others, which uses more of each label; two views
give every anchor at least one positive, even where labels are few. Where several classes may hold,
the contrast is that of MulSupCon (Zhang and Wu, AAAI 2024).

Encoder and head are kept, the projector is thrown away. The head reads the embedding, not the
projection. When not training, the windows are scored as they are, without views.

Axes: B windows in the batch, D embedding width, K classes.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from medts.core.labels import LabelSet
from medts.losses.contrastive import multilabel_contrastive
from medts.models.base import Encoder
from medts.models.heads import Head
from medts.nn.projector import Projector
from medts.nn.views import make_view
from medts.objectives.base import Objective
from medts.objectives.classification import balancing_weight, cross_entropy
from medts.objectives.settings.dual_loss import DualLossConfig
from medts.tensors.batch import Batch, Losses, Prediction


class DualLoss(Objective):
    """Cross-entropy averaged over two views, and the contrast between all of them.

    Windows without a label take no part; those in which no class holds are only negatives.

    Args:
        config: Weights, balance and views.
        encoder: Gives the pooled embedding.
        head: Gives the logits.
        label_set: Meaning of the logits.
        prevalence: Share of training records in which each class holds.
    """

    class_weight: Tensor | None
    logit_shift: Tensor

    def __init__(
        self,
        config: DualLossConfig,
        *,
        encoder: Encoder,
        head: Head,
        label_set: LabelSet,
        prevalence: Float[Tensor, "K"],
    ) -> None:
        super().__init__()
        self.config, self.label_set = config, label_set
        self.encoder, self.head = encoder, head
        self.projector = Projector(dim=encoder.dim, hidden=encoder.dim, out=config.projection_dim)
        weight = None
        if config.class_balance > 0:
            weight = balancing_weight(prevalence, kind=label_set.class_kind) ** config.class_balance
        self.register_buffer("class_weight", weight, persistent=False)
        shift = config.logit_adjustment * log_prior(prevalence, kind=label_set.class_kind)
        self.register_buffer("logit_shift", shift, persistent=False)

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        assert batch.target is not None
        assert batch.is_labelled is not None
        smoothing = self.config.label_smoothing
        views = [batch]
        if self.training:
            views = [make_view(batch, self.config.views) for _ in range(2)]
        entropies, projections = [], []
        for view in views:
            encoded = self.encoder(view)
            projections.append(self.projector(encoded.pooled)[batch.is_labelled])
            logits = self.head.logits(encoded, self.label_set) + self.logit_shift
            shifted = Prediction(logits, self.label_set)
            entropies.append(cross_entropy(shifted, batch, self.class_weight, smoothing=smoothing))
        entropy = torch.stack(entropies).mean()
        contrast = multilabel_contrastive(
            torch.cat(projections),
            batch.target[batch.is_labelled].repeat(len(views), 1),
            temperature=self.config.temperature,
            gather=self.training,
        )
        weight = self.config.contrast
        return Losses(
            total=(1 - weight) * entropy + weight * contrast,
            parts={"cross_entropy": entropy.detach(), "contrast": contrast.detach()},
        )

    def predict(self, batch: Batch) -> Prediction:
        """Returns the head's logits."""
        return Prediction(self.head.logits(self.encoder(batch), self.label_set), self.label_set)


def log_prior(
    prevalence: Float[Tensor, "K"], *, kind: Literal["single", "multi"]
) -> Float[Tensor, "K"]:
    """Logit adjustment (Menon et al. 2021): log prior (``single``) or log odds (``multi``)."""
    if kind == "single":
        return prevalence.clamp(min=1e-4).log()
    return prevalence.logit(eps=1e-4)
