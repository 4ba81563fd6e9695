"""Patchify: windows as tokens, all channels of a patch together or each by itself; RevIN.

Axes: B windows in the batch, C channels, T samples in time, P samples per patch, N signal tokens,
F values per patch, of all channels.
"""

import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor


def standardise(
    signal: Float[Tensor, "B C T"], is_recorded: Bool[Tensor, "B C T"], eps: float = 1e-5
) -> Float[Tensor, "B C T"]:
    """Instance normalisation (RevIN): each channel to mean 0 and spread 1 where recorded."""
    mean, variance = masked_moments(signal, is_recorded)
    return (signal - mean) * is_recorded.to(signal.dtype) / (variance + eps).sqrt()


def masked_moments(
    values: Float[Tensor, "*rows T"], is_counted: Bool[Tensor, "*rows T"]
) -> tuple[Float[Tensor, "*rows 1"], Float[Tensor, "*rows 1"]]:
    """Masked mean and variance of each row; zero where nothing counts."""
    weight = is_counted.to(values.dtype)
    n_counted = weight.sum(dim=-1, keepdim=True).clamp(min=1)
    mean = (values * weight).sum(dim=-1, keepdim=True) / n_counted
    return mean, ((values - mean) * weight).square().sum(dim=-1, keepdim=True) / n_counted


def cut_patches(
    signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"], patch: int
) -> tuple[Float[Tensor, "B N F"], Bool[Tensor, "B N"]]:
    """Cuts windows into patches side by side; one is valid if it holds a valid sample."""
    missing = -signal.shape[2] % patch
    signal = F.pad(signal * is_valid[:, None], (0, missing))
    is_valid = F.pad(is_valid, (0, missing))
    patches = rearrange(signal, "b c (n p) -> b n (c p)", p=patch)
    return patches, reduce(is_valid, "b (n p) -> b n", "max", p=patch)


def cut_channels(
    signal: Float[Tensor, "B C T"], is_recorded: Bool[Tensor, "B C T"], patch: int
) -> tuple[Float[Tensor, "B C N P"], Bool[Tensor, "B C N"]]:
    """Cuts each channel into patches side by side; one is valid if it holds a recorded sample."""
    missing = 0, -signal.shape[2] % patch
    patches = F.pad(signal * is_recorded, missing).unflatten(2, (-1, patch))
    return patches, F.pad(is_recorded, missing).unflatten(2, (-1, patch)).any(dim=3)
