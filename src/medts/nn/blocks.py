"""Runs transformer layers of Hugging Face, with the additive attention masks that they take.

Axes: B windows in the batch, N tokens, M tokens that attend, n texts, L text tokens, D width.
"""

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from medts.nn.tracing import can_look


def run_blocks(
    blocks: Iterable[nn.Module],
    hidden: Float[Tensor, "B N D"],
    is_seen: Bool[Tensor, "B 1 M N"] | None,
) -> Float[Tensor, "B N D"]:
    """Runs transformer layers; ``is_seen`` is True where a token (M or all) attends to another."""
    bias = None
    if is_seen is not None:  # added to scores: every implementation of attention takes it so
        bias = hidden.new_zeros(is_seen.shape).masked_fill(~is_seen, torch.finfo(hidden.dtype).min)
    for block in blocks:
        hidden = block(hidden, attention_mask=bias)
        hidden = hidden[0] if isinstance(hidden, tuple) else hidden
    return hidden


def visible(is_valid: Bool[Tensor, "B N"], *, is_causal: bool) -> Bool[Tensor, "B 1 M N"] | None:
    """Attention mask: which token attends to which; None where attention needs none.

    That is where nothing is padded: all tokens see all, or, if causal, those before them.
    """
    if can_look(is_valid) and bool(is_valid.all()):
        return None
    n_tokens = is_valid.shape[1]
    is_first = torch.arange(n_tokens, device=is_valid.device) == 0
    is_seen = is_valid | (is_first & ~is_valid.any(dim=1, keepdim=True))
    is_seen = is_seen[:, None, None].expand(-1, 1, n_tokens, -1)
    return is_seen.tril() if is_causal else is_seen


def pad_rows(rows: Sequence[Tensor]) -> tuple[Tensor, Bool[Tensor, "n L"]]:
    """Pads rows of tokens at their end, and returns which are valid."""
    padded = pad_sequence(list(rows), batch_first=True)
    lengths = torch.tensor([len(row) for row in rows], device=padded.device)
    return padded, torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]


def share_weights(model: nn.Module) -> nn.Module:
    """Returns a frozen copy of a model that uses the same memory, and may move away from it."""
    shared: dict[int, Any] = {
        id(each): nn.Parameter(each.detach(), requires_grad=False) for each in model.parameters()
    }
    shared |= {id(each): each for each in model.buffers()}
    return copy.deepcopy(model, shared).eval()
