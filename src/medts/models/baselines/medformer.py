"""Medformer: patches of several lengths in parallel, each summed up by a router.

Wang, Huang, Li, Yan and Zhang, "Medformer: A Multi-Granularity Patching Transformer for Medical
Time-Series Classification" (NeurIPS 2024, arXiv:2405.19363), written from the paper. A patch spans
all channels. Attention first stays inside a granularity, whose router sums it up, and then runs
among the routers alone. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, G granularities, D
embedding width.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.medformer import MedformerConfig
from medts.nn.patches import cut_patches
from medts.nn.positions import positions
from medts.tensors.batch import Batch, Encoded


class Medformer(OneStreamEncoder):
    """Multi-granularity Transformer: attention inside each granularity, then among routers.

    Components: *embeddings* — a linear map per granularity of a patch of all channels; *routers*,
    *granularities* — learnt vectors; *blocks* — the two attentions and a feed-forward part;
    *norm* — layer norm of the result; *pooling* — routers side by side.

    ``Encoded.tokens`` are those of the shortest patches; ``intermediates["granularities"]`` has
    the tokens of each, and ``is_valid`` of each under ``"is_valid"``.

    Symbols: our ``patch_lengths`` are the paper's L_1 … L_n, ``dim`` its D, routers its u.

    Departures: the paper flattens all tokens for its head; we put the routers side by side, as
    the authors' present code does, so that windows may have any length. A router is a learnt
    vector of its own, not the position after the last patch, which would depend on padding. The
    paper alters embeddings at random in training; no baseline here is augmented. Norms stand
    before each part, and patches of padding are hidden from attention.
    """

    def __init__(self, config: MedformerConfig) -> None:
        super().__init__(config)
        n_granularities = len(config.patch_lengths)
        self.config, self.dim = config, n_granularities * config.dim
        self.embeddings = nn.ModuleList(
            nn.Linear(len(config.channels) * patch, config.dim) for patch in config.patch_lengths
        )
        self.granularities = nn.Parameter(0.02 * torch.randn(n_granularities, config.dim))
        self.routers = nn.Parameter(0.02 * torch.randn(n_granularities, config.dim))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Layer(
                n_granularities=n_granularities,
                dim=config.dim,
                n_heads=config.n_heads,
                hidden=config.hidden,
                dropout=config.dropout,
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        tokens, is_valid = self.embed(read.signal, read.is_valid)
        tokens = [
            torch.cat([self.dropout(each), router.expand(len(each), 1, -1)], dim=1)
            for each, router in zip(tokens, self.routers, strict=True)
        ]
        for block in self.blocks:
            tokens = block(tokens, is_valid)
        tokens = [self.norm(each) for each in tokens]
        has_any = read.is_valid.any(dim=1)
        pooled = torch.cat([each[:, -1] for each in tokens], dim=1) * has_any[:, None]
        patches = [
            each[:, :-1] * valid[..., None] for each, valid in zip(tokens, is_valid, strict=True)
        ]
        details = {"granularities": patches, "is_valid": is_valid}
        return Encoded(patches[0], is_valid[0], pooled, details)

    def embed(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> tuple[list[Float[Tensor, "B _ D"]], list[Bool[Tensor, "B _"]]]:
        """Cuts patches of every length and makes tokens of them, with place and granularity."""
        tokens, valid = [], []
        for patch, embedding, granularity in zip(
            self.config.patch_lengths, self.embeddings, self.granularities, strict=True
        ):
            patches, is_patch_valid = cut_patches(signal, is_valid, patch)
            place = positions(patches.shape[1], self.config.dim, device=patches.device).to(patches)
            tokens.append(embedding(patches) + place + granularity)
            valid.append(is_patch_valid)
        return tokens, valid


class Layer(nn.Module):
    """Attention within granularities and among routers, then a feed-forward part."""

    def __init__(
        self, *, n_granularities: int, dim: int, n_heads: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()

        def attention() -> nn.MultiheadAttention:
            return nn.MultiheadAttention(dim, n_heads, dropout, batch_first=True)

        self.norm_intra, self.norm_inter = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.intra = nn.ModuleList(attention() for _ in range(n_granularities))
        self.inter = attention()
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: list[Float[Tensor, "B _ D"]], is_valid: list[Bool[Tensor, "B _"]]
    ) -> list[Float[Tensor, "B _ D"]]:
        """Mixes tokens; the last of each granularity is its router, which is always valid."""
        mixed = []
        for each, valid, attention in zip(tokens, is_valid, self.intra, strict=True):
            # The router is always a valid key, so that softmax is never over nothing.
            is_ignored = nn.functional.pad(~valid, (0, 1), value=False)
            z = self.norm_intra(each)
            update = attention(z, z, z, key_padding_mask=is_ignored, need_weights=False)[0]
            mixed.append(each + self.dropout(update))
        routers = torch.stack([each[:, -1] for each in mixed], dim=1)
        z = self.norm_inter(routers)
        routers = routers + self.dropout(self.inter(z, z, z, need_weights=False)[0])
        mixed = [
            torch.cat([each[:, :-1], router[:, None]], dim=1)
            for each, router in zip(mixed, routers.unbind(dim=1), strict=True)
        ]
        return [each + self.dropout(self.mlp(self.norm_mlp(each))) for each in mixed]
