"""Latent masking (CroSSL): VICReg between views that hide modalities after encoding.

CroSSL (Deldari et al., WSDM 2024, arXiv:2307.16847). Every modality is encoded once. A random
part of the latents is hidden, several times over, what is left is fused into embeddings, and these
are made to agree. There are no negative pairs and no signal is altered; a sensor missing from the
recording is hidden in every view. The projector (VICReg's expander) is thrown away.

Axes: V views, B windows in the batch, M modalities, K latent width, D embedding width.
"""

from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medts.core.errors import MedtsError
from medts.losses.collapse import CollapseAlarm, collapse_parts
from medts.losses.contrastive import redundancy, spread_hinge
from medts.losses.gathering import gather_rows
from medts.models.abilities import HasLatents, need
from medts.models.base import Encoder
from medts.nn.aggregation import hide, sample_visible
from medts.nn.projector import Projector
from medts.objectives.base import Objective
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.tensors.batch import Batch, Latents, Losses


class LatentMasking(Objective):
    """Agreement between differently masked fusions of the same latents (VICReg's three terms).

    Windows without any modality take no part. The terms are those of all processes' windows; the
    projector's batch norm sees those of its own. Validation hides the same places at every pass, so
    that epochs can be compared. A collapse is measured on the embeddings of the first view, logged,
    and reported by a warning if it lasts.

    Departures: the authors' code puts the loss on the embedding itself, in which it weighs 10, 10
    and 100; our default compares behind a projector with VICReg's own weights. Their views may lose
    every modality; ours keep one. Their encoder runs without dropout here; ours takes the
    config's. The deviation is the population's, as theirs is.

    Args:
        config: What to hide and how to score.
        encoder: Gives the latents and fuses them.

    Raises:
        ConfigError: If the encoder has no latents to hide.
        MedtsError: When a batch to train on has fewer than two windows, which have no spread.
    """

    def __init__(self, config: LatentMaskingConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            HasLatents,
            problem=f"a {type(encoder).__name__} has no latents to hide",
            remedy="Use the encoder crossl, or another objective such as simclr",
        )
        self.config, self.encoder = config, encoder
        dim, width = able.aggregate_dim, config.projector_ratio * able.aggregate_dim
        self.projector = (
            Projector(dim=dim, hidden=width, out=width, normalise=True) if width else None
        )
        self.alarm = CollapseAlarm()

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        encoder = cast(HasLatents, self.encoder)
        latents = encoder.encode(batch)
        latents = take_windows(latents, latents.is_present.any(dim=1))
        if self.training and len(latents.is_present) < 2:
            raise MedtsError(
                "latent masking compares windows with each other and this batch has fewer than two",
                field="training.batch_size",
                remedy="Use batches of at least 128",
            )
        if not len(latents.is_present):
            return Losses(latents.embedding.sum() * 0.0)
        total, parts = self.terms(
            encoder.aggregator(self.sample_views(latents)), len(latents.is_present)
        )
        return Losses(total, parts)

    def terms(
        self, z: Float[Tensor, "V_times_B D"], n_windows: int
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Returns the loss of all views, which lie below each other, and its parts."""
        config = self.config
        compared = z if self.projector is None else self.projector(z)
        views = compared.float().unflatten(0, (config.n_views, n_windows))
        if self.training:
            views = gather_rows(views.transpose(0, 1)).transpose(0, 1)
        hinge = torch.stack([spread_hinge(view, correction=0) for view in views]).mean()
        terms = {
            "invariance": config.invariance * disagreement(views),
            "variance": config.variance * hinge,
            # Over two views this is VICReg's sum.
            "covariance": config.covariance * 2 * torch.stack(list(map(redundancy, views))).mean(),
        }
        monitor = collapse_parts(z[:n_windows])
        if self.training:
            self.alarm(monitor)
        parts = {name: term.detach() for name, term in terms.items()}
        return torch.stack(list(terms.values())).sum(), {**parts, **monitor}

    def sample_views(self, latents: Latents) -> Latents:
        """Returns all views below each other; what was computed for the latents is shared."""
        config, device = self.config, latents.embedding.device
        generator = None if self.training else torch.Generator(device).manual_seed(0)
        if config.strategy == "random":
            views = [
                hide_values(latents, config.hide_ratio, generator) for _ in range(config.n_views)
            ]
        else:
            is_shared = torch.zeros_like(latents.is_present)
            if config.is_one_shared:
                is_shared = sample_visible(latents.is_present, 1.0, generator=generator)
            views = [
                hide(
                    latents,
                    ~is_shared
                    & ~sample_visible(
                        latents.is_present,
                        config.hide_ratio,
                        n_kept=config.min_visible,
                        generator=generator,
                    ),
                )
                for _ in range(config.n_views)
            ]
        return replace(
            latents,
            embedding=torch.cat([view.embedding for view in views]),
            is_present=torch.cat([view.is_present for view in views]),
        )


def hide_values(
    latents: Latents, hide_ratio: float, generator: torch.Generator | None = None
) -> Latents:
    """Random masking: zeroes single values of the latents; the modalities stay present."""
    z = latents.embedding
    is_hidden = torch.rand(z.shape, device=z.device, generator=generator) < hide_ratio
    return replace(latents, embedding=z.masked_fill(is_hidden, 0.0))


def take_windows(latents: Latents, is_taken: Bool[Tensor, "B"]) -> Latents:
    """Returns the latents of some windows."""
    return replace(
        latents, embedding=latents.embedding[is_taken], is_present=latents.is_present[is_taken]
    )


def disagreement(views: Float[Tensor, "V B D"]) -> Float[Tensor, ""]:
    """VICReg invariance term: mean squared difference over all pairs of views of a window."""
    if views.shape[1] == 0:
        return views.sum() * 0.0
    # The mean over pairs of (a - b)² is twice the unbiased variance: linear in views.
    return 2 * views.var(dim=0).mean()
