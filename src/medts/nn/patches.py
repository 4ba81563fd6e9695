"""Patchify: windows as tokens, all channels of a patch together; instance norm (RevIN).

Axes: B windows in the batch, C channels, T samples in time, P samples per patch, N signal tokens,
F values per patch, of all channels.
"""

import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor


def standardise(
    signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"], eps: float = 1e-5
) -> Float[Tensor, "B C T"]:
    """Brings each channel of a window to mean 0 and spread 1 over its valid samples."""
    weight = is_valid[:, None].to(signal.dtype)
    n_valid = weight.sum(dim=2, keepdim=True).clamp(min=1)
    centred = (signal - (signal * weight).sum(dim=2, keepdim=True) / n_valid) * weight
    variance = centred.square().sum(dim=2, keepdim=True) / n_valid
    return centred / (variance + eps).sqrt()


def cut_patches(
    signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"], patch: int
) -> tuple[Float[Tensor, "B N F"], Bool[Tensor, "B N"]]:
    """Cuts windows into patches side by side; one is valid if it holds a valid sample."""
    missing = -signal.shape[2] % patch
    signal = F.pad(signal * is_valid[:, None], (0, missing))
    is_valid = F.pad(is_valid, (0, missing))
    patches = rearrange(signal, "b c (n p) -> b n (c p)", p=patch)
    return patches, reduce(is_valid, "b (n p) -> b n", "max", p=patch)
