"""Sparseformer: token-sparse attention over multi-granularity patches, any length and channels.

MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, doi 10.1609/aaai.v40i33.40001; first as
Sparseformer, arXiv:2503.15578). Every channel is cut into patches of several lengths. Stacks of
token-sparse attention turn the patches of each length into a few tokens, one more block merges the
lengths into the tokens of a channel, and a last one merges all channels into five tokens of the
window. No parameter depends on the length of a signal or the number of its channels, so one model
reads every montage, and one batch may mix them. No code of the authors was available.

Text is left to `medts.nn.frozen_lm`, matching with labels to the objectives: the encoder only takes
the vector of a dataset's description.

Axes: B windows in the batch, C channels, T samples in time, R rows (one per channel that was
recorded), N patches or tokens, D embedding width, U tokens of a window.
"""

import hashlib
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from medts.core.errors import ConfigError, MedtsError
from medts.models.base import Encoder, missing_stream
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.batch_renorm import BatchRenorm
from medts.nn.multi_granularity import (
    ChannelTokens,
    MultiGranularity,
    valid_patches,
)
from medts.nn.patches import standardise
from medts.nn.sparse_attention import TokenSparseAttention
from medts.nn.tracing import can_look
from medts.nn.views import count_samples
from medts.tensors.batch import Batch, Encoded, StreamBatch

_CODE_DIM = 64
"""Numbers in the fixed code of a channel's name."""

_FIRST_GAIN, _FIRST_SHIFT = 1.0, 0.2
"""Spread of the factors that a name gives a token before training, around 1, and of what it adds;
a shift as large as the gain would hide the signal."""


class Sparseformer(Encoder):
    """Patches of every channel, read by fewer and fewer queries until five tokens are left.

    Components: *rows* — patches, stacks of token-sparse blocks and their merging, of each channel
    alone; *channels* — block over all channels of a window; *head* — two layers from the last
    tokens, laid side by side, to ``pooled``.

    Symbols: our ``patch_lengths`` are the paper's S, ``tokens_per_block`` its O_k,
    ``tokens_per_channel`` its O_inter, ``tokens_per_window`` its U, ``pooled`` its h_x.

    ``Encoded.intermediates["n_tokens"]`` counts the tokens of every window after each stage; of a
    traced pass, ``["attention"]`` holds per stream how much of each surviving token comes from
    each sample of each channel. It follows attention through all blocks, half of every mixing
    step staying where it is (rollout; Abnar and Zuidema, 2020, arXiv:2005.00928), and sums to 1.

    Departures: queries that start from the signal (``query_start``) and a norm over windows before
    the head (``is_summary_normed``) are ours: without them the summary of every window is nearly
    the same for hundreds of updates. ``learnt`` and False are the paper's. Heads, norms, skip
    connections, feed-forward parts and positions are not in the printed text (see
    `TokenSparseAttention`). The published token counts make few tokens many on short signals;
    ``capped`` uses only the first queries of the same banks, so that weights fit either way.
    Granularity vectors are ours, and so are names that scale the tokens of their channel: what is
    merged over channels is then bound to each, where a sum would only stand beside it. Fully padded
    patches are never read, also with ``paper`` counts: the paper has one length per batch and no
    such patches. Adding the prior as a token, the other reading of "concatenation", would change
    the number of queries and is not offered. Without a description a learnt vector stands in. The
    ablation of channel attention takes a mean where the paper lays channels side by side, which
    would fix their number.

    Raises:
        ConfigError: When a batch has none of the streams, or the prior another width.
        MedtsError: When a window is shorter than every patch, padding at its end not counted.
    """

    def __init__(self, config: SparseformerConfig) -> None:
        super().__init__()
        self.config, self.dim = config, config.dim
        block = {
            "dim": config.dim,
            "n_heads": config.n_heads,
            "prior_dim": config.prior_dim,
            "mlp_ratio": config.mlp_ratio,
            "dropout": config.dropout,
            "is_sparse": config.is_sparse,
        }
        self.rows = MultiGranularity(
            block | {"query_start": config.query_start},
            patch_lengths=config.patch_lengths,
            tokens_per_block=config.tokens_per_block,
            cap_ratios=config.cap_ratios,
            tokens_per_channel=config.tokens_per_channel,
            is_capped=config.token_counts == "capped",
            has_positions=config.has_positions,
            has_granularity_embedding=config.has_granularity_embedding,
            reads_partial_patches=config.reads_partial_patches,
            shares_stacks=config.shares_stacks,
        )
        if config.channel_identity == "name":
            self.identity = nn.Linear(_CODE_DIM, 2 * config.dim)
            of_gain, of_shift = self.identity.weight.detach().chunk(2)
            nn.init.normal_(of_gain, std=_FIRST_GAIN / _CODE_DIM**0.5)
            nn.init.normal_(of_shift, std=_FIRST_SHIFT / _CODE_DIM**0.5)
        if config.has_channel_attention:
            self.channels = TokenSparseAttention(n_queries=config.tokens_per_window, **block)
        self.takes_prior = config.prior_dim > 0 and config.is_sparse
        if self.takes_prior:
            self.default_prior = nn.Parameter(torch.randn(config.prior_dim))
        self.is_flat = config.is_sparse and config.has_channel_attention
        width = config.dim * (config.tokens_per_window if self.is_flat else 1)
        self.norm = BatchRenorm(width) if config.is_summary_normed else None
        self.head = nn.Sequential(
            nn.Linear(width, config.hidden), nn.GELU(), nn.Linear(config.hidden, config.dim)
        )

    def forward(
        self,
        batch: Batch,
        prior: Float[Tensor, "D_prior"] | None = None,
        *,
        is_traced: bool = False,
    ) -> Encoded:
        """Encodes every window of the batch; one without any stream gives a zero embedding.

        Args:
            batch: Windows of any lengths and channels.
            prior: Vector of the description of the dataset that all windows come from.
            is_traced: Whether to add ``attention`` to the intermediates; costs time and memory.
        """
        streams, prior = self.select(batch), self.resolve(prior)
        parts, sources = [], {}
        for name, stream in streams.items():
            part, n = self.encode_channels(stream, prior, is_traced=is_traced), len(batch)
            parts.append((part.tokens.unflatten(0, (n, -1)), part.is_valid.unflatten(0, (n, -1))))
            sources[name] = part.source
        tokens = torch.cat([tokens.flatten(1, 2) for tokens, _ in parts], dim=1)
        is_valid = torch.cat([is_token.flatten(1, 2) for _, is_token in parts], dim=1)
        counts = {"patches": self.count_patches(streams), "channels": is_valid.sum(dim=1)}

        weight = None
        if self.config.has_channel_attention:
            kept = self.channels(tokens, is_valid, prior=prior, is_traced=is_traced)
            tokens, is_valid, weight = kept.tokens, kept.is_valid, kept.weight
        counts["window"] = is_valid.sum(dim=1)
        if self.is_flat:
            summary = tokens.flatten(1)
        else:
            share = (is_valid / is_valid.sum(dim=1, keepdim=True).clamp(min=1))[:, None]
            share = share.to(tokens.dtype)
            summary = (share @ tokens)[:, 0]
            weight = share if weight is None else share @ weight
        is_any = is_valid.any(dim=1)
        if self.norm is not None:
            summary = self.norm(summary, is_any)
        pooled = self.head(summary) * is_any[:, None]
        intermediates: dict[str, Any] = {"n_tokens": counts}
        if is_traced and weight is not None:
            intermediates["attention"] = trace_back(weight, sources, streams)
        return Encoded(tokens, is_valid, pooled, intermediates)

    def select(self, batch: Batch) -> dict[str, StreamBatch]:
        """Returns the streams that are read, as far as the batch has them."""
        wanted = tuple(self.config.streams)
        streams = {name: batch.streams[name] for name in wanted if name in batch.streams}
        if not streams:
            raise missing_stream(wanted, batch)
        shortest = min(self.config.patch_lengths)
        for name, stream in streams.items():
            lengths = count_samples(stream)
            is_short = (lengths > 0) & (lengths < shortest)
            if can_look(is_short) and bool(is_short.any()):
                b = int(is_short.int().argmax())
                raise MedtsError(
                    f"a window of {int(lengths[b])} samples of {name!r}, of record "
                    f"{batch.record_ids[b]!r}, is shorter than every patch",
                    field="patch_lengths",
                    remedy=f"The shortest window allowed has {shortest} samples "
                    f"({shortest / stream.sampling_rate:g} s at {stream.sampling_rate:g} Hz)",
                )
        return streams

    def count_patches(self, streams: dict[str, StreamBatch]) -> Int[Tensor, "B"]:
        """Counts the patches that are read of each window, over granularities and channels."""
        device = next(iter(streams.values())).signal.device
        total = torch.zeros((), dtype=torch.long, device=device)
        for stream in streams.values():
            rows = stream.is_recorded.flatten(0, 1)
            for patch in self.config.patch_lengths:
                reads_partial = self.config.reads_partial_patches
                is_patch = valid_patches(rows, patch, reads_partial=reads_partial)
                total = total + is_patch.view(len(stream.signal), -1).sum(dim=1)
        return total

    def resolve(self, prior: Float[Tensor, "D_prior"] | None) -> Float[Tensor, "D_prior"] | None:
        """Returns the prior that conditions the blocks: the learnt one where none is given."""
        if not self.takes_prior:
            return None
        if prior is None:
            return self.default_prior
        if len(prior) != self.config.prior_dim:
            raise ConfigError(
                f"the description has {len(prior)} numbers, the encoder reads "
                f"{self.config.prior_dim}",
                field="prior_dim",
                remedy="Set it to the width of the text encoder",
            )
        return prior.to(self.default_prior)

    def encode_channels(
        self, stream: StreamBatch, prior: Float[Tensor, "D_prior"] | None, *, is_traced: bool
    ) -> ChannelTokens:
        """Encodes every channel on its own, in pieces where there are too many to hold."""
        signal, is_valid = stream.signal, stream.is_recorded.flatten(0, 1)
        if self.config.is_normalised:
            signal = standardise(signal, stream.is_recorded)
        signal, is_row = signal.flatten(0, 1), is_valid.any(dim=1)
        # Absent channels cost nothing; an exporter, which cannot look, computes them all.
        is_partial = can_look(is_row) and bool(is_row.any() & ~is_row.all())
        if is_partial:
            signal, is_valid = signal[is_row], is_valid[is_row]
        n_patches = sum(-(-signal.shape[1] // patch) for patch in self.config.patch_lengths)
        if self.config.token_counts == "paper":
            n_queries = len(self.config.patch_lengths) * self.config.tokens_per_block[0]
            n_patches = max(n_patches, n_queries)
        # Memory grows with rows times patches; checkpointed pieces bound it for many channels.
        n_rows = max(1, self.config.tokens_at_once // n_patches)
        if len(signal) <= n_rows:
            encoded = self.rows(signal, is_valid, prior, is_traced=is_traced)
        else:
            is_learning = torch.is_grad_enabled() and self.training
            pieces = [
                checkpoint(self.rows, *piece, prior, is_traced=is_traced, use_reentrant=False)
                if is_learning
                else self.rows(*piece, prior, is_traced=is_traced)
                for piece in zip(signal.split(n_rows), is_valid.split(n_rows), strict=True)
            ]
            sources = [piece.source for piece in pieces if piece.source is not None]
            encoded = ChannelTokens(
                torch.cat([piece.tokens for piece in pieces]),
                torch.cat([piece.is_valid for piece in pieces]),
                torch.cat(sources) if sources else None,
            )
        tokens, is_kept, source = encoded.tokens, encoded.is_valid, encoded.source
        if is_partial:
            tokens, is_kept = spread_over_rows(tokens, is_row), spread_over_rows(is_kept, is_row)
            source = None if source is None else spread_over_rows(source, is_row)
        if self.config.channel_identity == "name":
            code = torch.stack([code_of(name) for name in stream.channels]).to(tokens)
            code = repeat(self.identity(code), "c d -> (b c) 1 d", b=len(stream.signal))
            gain, shift = code.chunk(2, dim=2)
            tokens = (tokens * (1 + gain) + shift) * is_kept[..., None]
        return ChannelTokens(tokens, is_kept, source)


def code_of(channel: str) -> Float[Tensor, "D_code"]:
    """Returns the fixed code of a channel's name: noise of unit spread, seeded by the name."""
    seed = int.from_bytes(hashlib.sha256(channel.encode()).digest()[:7], "big")
    return torch.randn(_CODE_DIM, generator=torch.Generator("cpu").manual_seed(seed), device="cpu")


def spread_over_rows(values: Shaped[Tensor, "r *rest"], is_row: Bool[Tensor, "R"]) -> Tensor:
    """Puts the values of the rows that were computed among zeros for all others."""
    whole = values.new_zeros(len(is_row), *values.shape[1:])
    whole[is_row] = values
    return whole


def trace_back(
    weight: Float[Tensor, "B U N"],
    sources: dict[str, Float[Tensor, "_ _ _"]],
    streams: dict[str, StreamBatch],
) -> dict[str, Float[Tensor, "B U _ _"]]:
    """Attention rollout: from tokens of windows through those of channels to samples."""
    widths = [sources[name].shape[1] * streams[name].signal.shape[1] for name in streams]
    attention = {}
    for (name, stream), part in zip(streams.items(), weight.split(widths, dim=2), strict=True):
        c = stream.signal.shape[1]
        source = rearrange(sources[name], "(b c) n t -> b c n t", c=c)
        part = rearrange(part, "b u (c n) -> b u c n", c=c)
        attention[name] = torch.einsum("bucn,bcnt->buct", part, source)
    return attention
