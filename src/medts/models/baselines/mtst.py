"""MTST: a Transformer per patch length over each channel alone, with relative positions.

Zhang, Ma, Pal, Zhang and Coates, "Multi-resolution Time-Series Transformer for Long-term
Forecasting" (AISTATS 2024, arXiv:2311.04147), in its idea. Short patches see quick patterns, long
ones slow patterns, and a bias by distance in place of absolute positions lets a pattern recur
anywhere. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, R rows (a channel of
a window each), H heads, D embedding width.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.mtst import MtstConfig
from medts.nn.patches import cut_channels
from medts.nn.poolers import key_padding, mean_of_valid
from medts.nn.positions import relative_bias
from medts.tensors.batch import Batch, Encoded


class Mtst(OneStreamEncoder):
    """Multi-resolution, channel-independent Transformer: a branch for each patch length.

    Components: *embeddings* — a linear map of a patch per branch; *branches* — layers of attention
    with a learnt bias by distance; *norms* — layer norm of each branch; *pooling* — mean over
    valid tokens, channels and branches kept apart.

    ``Encoded.tokens`` are those of the shortest patches, channels side by side.

    Departures: the paper joins its branches after every layer and cuts the patches of the next
    layer from the result, of fixed length. Here they are joined in the pooled embedding only, as in
    the comparison of the Medformer paper (arXiv:2405.19363), so that windows may have any length.
    Patches do not overlap. Tokens are averaged, not flattened. Values are not brought to unit
    spread, since amplitude means something. Padding and gaps are hidden from attention; the tokens
    of an absent channel are zero.
    """

    def __init__(self, config: MtstConfig) -> None:
        super().__init__(config)
        self.config = config
        self.dim = len(config.channels) * len(config.patch_lengths) * config.dim
        self.embeddings = nn.ModuleList(
            nn.Linear(patch, config.dim) for patch in config.patch_lengths
        )
        self.branches = nn.ModuleList(
            nn.ModuleList(
                Layer(
                    dim=config.dim,
                    n_heads=config.n_heads,
                    hidden=config.hidden,
                    dropout=config.dropout,
                    reach=config.reach,
                )
                for _ in range(config.depth)
            )
            for _ in config.patch_lengths
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in config.patch_lengths)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        tokens, valid, pooled = [], [], []
        for each, is_valid, layers, norm in zip(
            *self.embed(read.signal, read.is_recorded), self.branches, self.norms, strict=True
        ):
            rows = rearrange(each, "b c n d -> (b c) n d")
            for layer in layers:  # pyright: ignore[reportGeneralTypeIssues]
                rows = layer(rows, is_valid.flatten(0, 1))
            kept = rearrange(norm(rows), "(b c) n d -> b c n d", c=each.shape[1])
            kept = kept * is_valid[..., None]
            tokens.append(rearrange(kept, "b c n d -> b n (c d)"))
            valid.append(is_valid.any(dim=1))
            pooled.append(mean_of_valid(kept, is_valid))
        return Encoded(tokens[0], valid[0], torch.cat(pooled, dim=2).flatten(1))

    def embed(
        self, signal: Float[Tensor, "B C T"], is_recorded: Bool[Tensor, "B C T"]
    ) -> tuple[list[Float[Tensor, "B C _ D"]], list[Bool[Tensor, "B C _"]]]:
        """Cuts every channel into patches of each length and makes tokens of them."""
        tokens, valid = [], []
        for patch, embedding in zip(self.config.patch_lengths, self.embeddings, strict=True):
            patches, is_patch = cut_channels(signal, is_recorded, patch)
            tokens.append(embedding(patches))
            valid.append(is_patch)
        return tokens, valid


class Layer(nn.Module):
    """Pre-norm transformer layer with a learnt relative position bias."""

    def __init__(self, *, dim: int, n_heads: int, hidden: int, dropout: float, reach: int) -> None:
        super().__init__()
        self.n_heads, self.reach = n_heads, reach
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position_bias = nn.Parameter(0.02 * torch.randn(n_heads, 2 * reach + 1))
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "R N D"], is_valid: Bool[Tensor, "R N"]
    ) -> Float[Tensor, "R N D"]:
        """Mixes the tokens of each row; a row without a valid one attends everywhere."""
        qkv = self.qkv(self.norm_attention(tokens))
        q, k, v = rearrange(qkv, "r n (three h d) -> three r h n d", three=3, h=self.n_heads)
        bias = relative_bias(self.position_bias, tokens.shape[1]).to(q.dtype)
        is_ignored = key_padding(is_valid)
        bias = bias.masked_fill(is_ignored[:, None, None], -torch.inf)
        mixed = F.scaled_dot_product_attention(
            q, k, v, bias, dropout_p=self.dropout.p if self.training else 0.0
        )
        mixed = torch.cat(mixed.unbind(dim=1), dim=2)  # heads side by side
        tokens = tokens + self.dropout(self.out(mixed))
        return tokens + self.dropout(self.mlp(self.norm_mlp(tokens)))
