"""Crossformer: segments of every channel, attention in time and then across channels.

Zhang and Yan, "Crossformer: Transformer Utilizing Cross-Dimension Dependency for Multivariate
Time Series Forecasting" (ICLR 2023), written from the paper. Each channel is cut into segments;
a layer first mixes the segments of a channel, then the channels at one place through a few routers
that gather and hand back. From layer to layer two neighbouring segments become one. Training and
the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.crossformer import CrossformerConfig
from medts.nn.patches import cut_channels
from medts.nn.poolers import key_padding, mean_of_valid
from medts.nn.positions import add_positions
from medts.tensors.batch import Batch, Encoded


class Crossformer(OneStreamEncoder):
    """Two-stage attention (TSA) over channels and segments, with segment merging.

    Components: *embedding* — linear map of a segment of one channel; *channels* — a learnt vector
    per channel; *blocks* — the two stages; *mergers* — linear map of two neighbours; *norm* —
    layer norm of the result; *pooling* — mean over valid segments, channels side by side.

    Symbols: our ``patch`` is the paper's L_seg, ``n_routers`` its c, ``mergers`` its M.

    Departures: the paper learns a position for each segment of each channel and routers for each
    place; here positions are sinusoids plus a vector per channel, and routers are shared by all
    places, so that windows may have any length. Norms stand before each part. Where an odd
    segment has no neighbour, zeros stand in. Only the encoder is used, and of its scales the
    last. Segments of padding, gaps and absent channels are hidden from attention.
    """

    def __init__(self, config: CrossformerConfig) -> None:
        super().__init__(config)
        self.config = config
        self.dim = len(config.channels) * config.dim
        self.embedding = nn.Linear(config.patch, config.dim)
        self.channels = nn.Parameter(0.02 * torch.randn(len(config.channels), config.dim))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            TwoStageLayer(
                dim=config.dim,
                n_heads=config.n_heads,
                hidden=config.hidden,
                n_routers=config.n_routers,
                dropout=config.dropout,
            )
            for _ in range(config.depth)
        )
        self.mergers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(2 * config.dim), nn.Linear(2 * config.dim, config.dim))
            for _ in range(config.depth - 1)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        tokens, is_valid = self.embed(read.signal, read.is_recorded)
        tokens = self.dropout(tokens)
        for number, block in enumerate(self.blocks):
            if number > 0:
                # Zeroed first: an invalid half must not leak into the merged token.
                tokens, is_valid = pair_up(tokens * is_valid[..., None], is_valid)
                tokens = self.mergers[number - 1](tokens)
            tokens = block(tokens, is_valid)
        tokens = self.norm(tokens) * is_valid[..., None]
        pooled = mean_of_valid(tokens, is_valid).flatten(1)
        return Encoded(rearrange(tokens, "b c n d -> b n (c d)"), is_valid.any(dim=1), pooled)

    def embed(
        self, signal: Float[Tensor, "B C T"], is_recorded: Bool[Tensor, "B C T"]
    ) -> tuple[Float[Tensor, "B C N D"], Bool[Tensor, "B C N"]]:
        """Cuts every channel into segments and makes tokens of them, with place and channel."""
        patches, is_valid = cut_channels(signal, is_recorded, self.config.patch)
        return add_positions(self.embedding(patches)) + self.channels[:, None], is_valid


class TwoStageLayer(nn.Module):
    """Attention along time within channels, then across channels through routers."""

    def __init__(
        self, *, dim: int, n_heads: int, hidden: int, n_routers: int, dropout: float
    ) -> None:
        super().__init__()

        def attention() -> nn.MultiheadAttention:
            return nn.MultiheadAttention(dim, n_heads, dropout, batch_first=True)

        def feed_forward() -> nn.Sequential:
            return nn.Sequential(
                nn.LayerNorm(dim),
                nn.Linear(dim, hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, dim),
                nn.Dropout(dropout),
            )

        self.norm_time, self.norm_channel = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.time, self.gather, self.hand_back = attention(), attention(), attention()
        self.routers = nn.Parameter(0.02 * torch.randn(n_routers, dim))
        self.mlp_time, self.mlp_channel = feed_forward(), feed_forward()
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "B C N D"],
        is_valid: Bool[Tensor, "B C N"],
    ) -> Float[Tensor, "B C N D"]:
        """Mixes segments, then channels."""
        B, _, N, _ = tokens.shape
        z = rearrange(self.norm_time(tokens), "b c n d -> (b c) n d")
        ignored = key_padding(is_valid.flatten(0, 1))
        update = self.time(z, z, z, key_padding_mask=ignored, need_weights=False)[0]
        tokens = tokens + self.dropout(rearrange(update, "(b c) n d -> b c n d", b=B))
        tokens = tokens + self.mlp_time(tokens)

        z = rearrange(self.norm_channel(tokens), "b c n d -> (b n) c d")
        ignored = key_padding(rearrange(is_valid, "b c n -> (b n) c"))
        # Routers make the cost linear in channels: they read all, and each channel reads them.
        routers = self.routers.expand(B * N, -1, -1)
        routers = self.gather(routers, z, z, key_padding_mask=ignored, need_weights=False)[0]
        update = self.hand_back(z, routers, routers, need_weights=False)[0]
        tokens = tokens + self.dropout(rearrange(update, "(b n) c d -> b c n d", b=B))
        return tokens + self.mlp_channel(tokens)


def pair_up(
    tokens: Float[Tensor, "B C N D"], is_valid: Bool[Tensor, "B C N"]
) -> tuple[Float[Tensor, "B C n 2*D"], Bool[Tensor, "B C n"]]:
    """Puts neighbouring segments side by side; valid if either is."""
    odd = tokens.shape[2] % 2
    tokens = rearrange(F.pad(tokens, (0, 0, 0, odd)), "b c (n two) d -> b c n (two d)", two=2)
    return tokens, reduce(F.pad(is_valid, (0, odd)), "b c (n two) -> b c n", "max", two=2)
