"""Modality aggregators (CroSSL): fuse the latents of present modalities into one embedding.

Two ways, of CroSSL (Deldari et al., WSDM 2024, arXiv:2307.16847) and for it: an MLP over all
latents side by side, and attention over the set of those that are there. Where latents come from,
and why some are hidden, is left to others.

Axes: B windows in the batch, M modalities, K latent width, D embedding width.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import ConfigError, unknown_name
from medts.tensors.batch import Latents


class Aggregator(nn.Module, ABC):
    """Fuses the latents of present modalities; absent ones carry no information."""

    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.modalities = modalities

    @abstractmethod
    def forward(self, latents: Latents) -> Float[Tensor, "B D"]:
        """Returns one embedding per window, a finite one also where nothing is present."""


class MlpAggregator(Aggregator):
    """MLP aggregator of the authors: three linear layers over concatenated latents."""

    def __init__(
        self,
        modalities: tuple[str, ...],
        *,
        latent_dim: int,
        dim: int,
        missing: Literal["token", "zero"] = "zero",
        is_normalised: bool = True,
    ) -> None:
        super().__init__(modalities)
        width, self.token = len(modalities) * latent_dim, None
        if missing == "token":
            self.token = nn.Parameter(0.02 * torch.randn(len(modalities), latent_dim))
            width += len(modalities)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * dim),
            nn.ReLU(),
            nn.Linear(2 * dim, dim),
            nn.ReLU(),
            nn.Linear(dim, dim),
            nn.LayerNorm(dim) if is_normalised else nn.Identity(),
        )

    def forward(self, latents: Latents) -> Float[Tensor, "B D"]:
        """Fuses exactly the modalities that it was built for.

        Raises:
            ConfigError: If they are others, or in another order.
        """
        if latents.modalities != self.modalities:
            raise ConfigError(
                f"the mlp fuses {', '.join(self.modalities)}, not {', '.join(latents.modalities)}",
                field="aggregator",
                remedy="Mark what is missing as absent, or use aggregator 'attention'",
            )
        is_absent = ~latents.is_present[..., None]
        if self.token is None:
            return self.layers(latents.embedding.masked_fill(is_absent, 0.0).flatten(1))
        filled = torch.where(is_absent, self.token.to(latents.embedding.dtype), latents.embedding)
        bits = latents.is_present.to(filled.dtype)
        return self.layers(torch.cat([filled.flatten(1), bits], dim=1))


class AttentionAggregator(Aggregator):
    """Attention aggregator: a summary (CLS) token attends to the set of present latents.

    A learnt embedding identifies the sensor of a latent, not its place, so order means nothing and
     any part of the modalities can be fused.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        *,
        latent_dim: int,
        dim: int,
        n_heads: int = 4,
        is_normalised: bool = True,
    ) -> None:
        super().__init__(modalities)
        self.names = nn.Parameter(0.02 * torch.randn(len(modalities), latent_dim))
        self.summary = nn.Parameter(0.02 * torch.randn(latent_dim))
        self.attention_norm = nn.LayerNorm(latent_dim)
        self.attention = nn.MultiheadAttention(latent_dim, n_heads, batch_first=True)
        self.layers = nn.Sequential(
            nn.LayerNorm(latent_dim), nn.Linear(latent_dim, latent_dim), nn.GELU(),
            nn.Linear(latent_dim, latent_dim),
        )  # fmt: skip
        self.projection = nn.Linear(latent_dim, dim)
        self.norm = nn.LayerNorm(dim) if is_normalised else nn.Identity()

    def forward(self, latents: Latents) -> Float[Tensor, "B D"]:
        """Fuses any of the modalities that it was built for, in any order.

        Raises:
            UnknownNameError: If one has another name.
        """
        unknown = [name for name in latents.modalities if name not in self.modalities]
        if unknown:
            raise unknown_name("modality, never seen in training:", unknown[0], self.modalities)
        index = [self.modalities.index(name) for name in latents.modalities]
        tokens = latents.embedding + self.names[index]
        summary = self.summary.expand(len(tokens), 1, -1)
        tokens = self.attention_norm(torch.cat([summary, tokens], dim=1))
        # The summary itself is always there to attend to: attention over nothing would be NaN.
        is_ignored = F.pad(~latents.is_present, (1, 0), value=False)
        fused, _ = self.attention(
            tokens[:, :1], tokens, tokens, key_padding_mask=is_ignored, need_weights=False
        )
        fused = (summary + fused)[:, 0]
        return self.norm(self.projection(fused + self.layers(fused)))


def hide(latents: Latents, is_hidden: Bool[Tensor, "B M"]) -> Latents:
    """Returns latents of which some are absent, and zero."""
    return replace(
        latents,
        embedding=latents.embedding.masked_fill(is_hidden[..., None], 0.0),
        is_present=latents.is_present & ~is_hidden,
    )


def sample_visible(
    is_present: Bool[Tensor, "B M"],
    hide_ratio: float,
    *,
    n_kept: int = 1,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "B M"]:
    """Modality dropout: hides with probability ``hide_ratio``, but for the last ``n_kept``."""
    score = torch.rand(is_present.shape, device=is_present.device, generator=generator)
    score = score.masked_fill(~is_present, -1.0)
    # Ranks, not thresholds alone: the highest scores stay visible however the numbers fall.
    rank = score.argsort(dim=1, descending=True).argsort(dim=1)
    return is_present & ((score >= hide_ratio) | (rank < n_kept))
