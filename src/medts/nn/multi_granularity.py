"""Multi-granularity tokens: one channel of any length, patched at several lengths, in a few tokens.

MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, arXiv:2503.15578). Each patch length has its
own linear map and its own stack of token-sparse blocks, which read its patches into fewer and
fewer tokens; one more block reads the tokens of all lengths into those of the channel. Channels
never see each other here, and share all weights.

With ``capped`` counts a block uses no more of its queries than its row has tokens for, row by
row, so that a short row in a batch of long ones gives what it gives alone.

Axes: R rows (one per channel that was recorded), T samples in time, P samples per patch, N patches
or tokens, Q queries, D embedding width.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from medts.nn.positions import add_positions
from medts.nn.sparse_attention import Kept, TokenSparseAttention


@dataclass(frozen=True)
class ChannelTokens:
    """The tokens of every row.

    Args:
        tokens: Channel by channel.
        is_valid: True for tokens that were kept, in channels that were recorded.
        source: Share of each token that comes from each sample; only of a traced pass.
    """

    tokens: Float[Tensor, "R N D"]
    is_valid: Bool[Tensor, "R N"]
    source: Float[Tensor, "R N T"] | None = None


class MultiGranularity(nn.Module):
    """Reads every row into a few tokens.

    Components: *embeddings* — linear map of a patch, one per length; *stacks* — token-sparse
    blocks within a granularity; *granularity* — learnt vector of each; *merge* — block over all.

    Args:
        block: Settings of every `TokenSparseAttention` but the number of its queries.
        patch_lengths: Samples per patch of each granularity.
        tokens_per_block: Queries of each block in a stack.
        cap_ratios: Tokens that each block keeps over the patches of its granularity, at most.
        tokens_per_channel: Queries of the last block.
        is_capped: Whether a block never gives out more tokens than it takes in.
        has_positions: Whether patches have sinusoidal positions.
        has_granularity_embedding: Whether an embedding of its granularity is added to a token.
        reads_partial_patches: Whether a last patch that is filled up with zeros is read.
        shares_stacks: Whether all granularities use the same stack.
    """

    def __init__(
        self,
        block: Mapping[str, Any],
        *,
        patch_lengths: Sequence[int],
        tokens_per_block: Sequence[int],
        cap_ratios: Sequence[float],
        tokens_per_channel: int,
        is_capped: bool = True,
        has_positions: bool = True,
        has_granularity_embedding: bool = True,
        reads_partial_patches: bool = True,
        shares_stacks: bool = False,
    ) -> None:
        super().__init__()
        self.patch_lengths = tuple(patch_lengths)
        self.limits = tuple(zip(tokens_per_block, cap_ratios, strict=True))
        self.tokens_per_channel, self.is_capped = tokens_per_channel, is_capped
        self.has_positions, self.reads_partial_patches = has_positions, reads_partial_patches
        dim = block["dim"]
        self.embeddings = nn.ModuleList(nn.Linear(patch, dim) for patch in patch_lengths)
        self.stacks = nn.ModuleList(
            nn.ModuleList(TokenSparseAttention(n_queries=n, **block) for n in tokens_per_block)
            for _ in range(1 if shares_stacks else len(patch_lengths))
        )
        self.merge = TokenSparseAttention(n_queries=tokens_per_channel, **block)
        self.granularity = None
        if has_granularity_embedding:
            self.granularity = nn.Parameter(0.02 * torch.randn(len(patch_lengths), dim))

    def forward(
        self,
        signal: Float[Tensor, "R T"],
        is_valid: Bool[Tensor, "R T"],
        prior: Float[Tensor, "D_prior"] | None,
        *,
        is_traced: bool = False,
    ) -> ChannelTokens:
        """Turns rows into the tokens of every granularity, and merges those."""
        signal = signal.masked_fill(~is_valid, 0.0).to(self.merge.norm_mix.weight.dtype)
        tokens, valid, sources = [], [], []
        for i, patch in enumerate(self.patch_lengths):
            is_patch = valid_patches(is_valid, patch, reads_partial=self.reads_partial_patches)
            embedded = self.embeddings[i](cut_rows(signal, patch))
            if self.has_positions:
                embedded = add_positions(embedded)
            kept = self.run_stack(i, embedded, is_patch, prior, is_traced=is_traced)
            out = kept.tokens
            if self.granularity is not None:
                out = (out + self.granularity[i]) * kept.is_valid[..., None]
            tokens.append(out)
            valid.append(kept.is_valid)
            if kept.weight is not None:
                sources.append(spread_over_samples(kept.weight, is_valid, patch))
        merged, is_token = torch.cat(tokens, dim=1), torch.cat(valid, dim=1)
        n_kept, limit = None, None
        if self.is_capped:
            n_kept = is_token.sum(dim=1).clamp(max=self.tokens_per_channel)
            limit = min(self.tokens_per_channel, merged.shape[1])
        kept = self.merge(
            merged, is_token, n_kept=n_kept, at_most=limit, prior=prior, is_traced=is_traced
        )
        source = None if kept.weight is None else kept.weight @ torch.cat(sources, dim=1)
        return ChannelTokens(kept.tokens, kept.is_valid, source)

    def run_stack(
        self,
        i: int,
        tokens: Float[Tensor, "R N D"],
        is_valid: Bool[Tensor, "R N"],
        prior: Float[Tensor, "D_prior"] | None,
        *,
        is_traced: bool,
    ) -> Kept:
        """Runs the stack of one granularity, following what each token is made of."""
        stack: Any = self.stacks[i % len(self.stacks)]
        n_patches, n_valid = tokens.shape[1], is_valid.sum(dim=1)
        kept = Kept(tokens, is_valid)
        for block, (most, ratio) in zip(stack, self.limits, strict=True):
            step = block(
                kept.tokens,
                kept.is_valid,
                n_kept=cap_rows(n_valid, ratio, most) if self.is_capped else None,
                at_most=cap(n_patches, ratio, most) if self.is_capped else None,
                prior=prior,
                is_traced=is_traced,
            )
            weight = step.weight
            if weight is not None and kept.weight is not None:
                weight = weight @ kept.weight
            kept = Kept(step.tokens, step.is_valid, weight)
        return kept


def cap(n_patches: int, ratio: float, most: int) -> int:
    """Counts the tokens that a block keeps of a row with so many patches."""
    return min(most, math.ceil(n_patches * ratio))


def cap_rows(n_patches: Int[Tensor, "R"], ratio: float, most: int) -> Int[Tensor, "R"]:
    """Does the same for rows of several lengths."""
    return (n_patches.double() * ratio).ceil().long().clamp(max=most)


def cut_rows(values: Shaped[Tensor, "R T"], patch: int) -> Shaped[Tensor, "R N {patch}"]:
    """Cuts rows into patches, the last one filled up with zeros."""
    return rearrange(F.pad(values, (0, -values.shape[1] % patch)), "r (n p) -> r n p", p=patch)


def valid_patches(
    is_valid: Bool[Tensor, "R T"], patch: int, *, reads_partial: bool
) -> Bool[Tensor, "R N"]:
    """Returns which patches are read: those with any valid sample, or with nothing but such.

    A row without any whole patch keeps its partial one.
    """
    parts = cut_rows(is_valid, patch)
    if reads_partial:
        return parts.any(dim=2)
    is_whole = parts.all(dim=2)
    return torch.where(is_whole.any(dim=1, keepdim=True), is_whole, parts.any(dim=2))


def spread_over_samples(
    weight: Float[Tensor, "R Q N"], is_valid: Bool[Tensor, "R T"], patch: int
) -> Float[Tensor, "R Q T"]:
    """Gives every valid sample its equal part of the weight of the patch that covers it."""
    n_samples = is_valid.shape[1]
    n_valid = cut_rows(is_valid, patch).sum(dim=2, keepdim=True).clamp(min=1)
    share = rearrange(cut_rows(is_valid, patch) / n_valid, "r n p -> r (n p)")[:, :n_samples]
    return repeat(weight, "r q n -> r q (n p)", p=patch)[..., :n_samples] * share[:, None]
