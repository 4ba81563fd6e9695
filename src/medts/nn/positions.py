"""Positions of any number of tokens: sinusoids (Vaswani et al.), relative position bias.

Vaswani et al., "Attention Is All You Need" (NeurIPS 2017, arXiv:1706.03762). Sinusoids are
computed and not learnt, so that no length is foreign.

Axes: N tokens, H attention heads, D embedding width.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def add_positions(tokens: Float[Tensor, "*rows N D"]) -> Float[Tensor, "*rows N D"]:
    """Adds sinusoidal positions to tokens, in their precision."""
    return tokens + positions(*tokens.shape[-2:], device=tokens.device).to(tokens)


def relative_bias(table: Float[Tensor, "H W"], n_tokens: int) -> Float[Tensor, "H N N"]:
    """Relative position bias of every query and key, clipped at the longest distance."""
    reach = table.shape[1] // 2
    place = torch.arange(n_tokens, device=table.device)
    return table[:, (place - place[:, None]).clamp(-reach, reach) + reach]


def positions(
    n_tokens: int, dim: int, *, device: torch.device | None = None
) -> Float[Tensor, "{n_tokens} {dim}"]:
    """Returns the paper's sinusoids: sines and cosines of wavelengths from 2π to 20,000π."""
    rate = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10000.0) / dim))
    angle = torch.arange(n_tokens, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
