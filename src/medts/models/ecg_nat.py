"""ECG-NAT: a four-stage neighborhood attention transformer over the leads of an ECG.

"ECG-NAT: A Self-supervised Neighborhood Attention Transformer for Multi-lead Electrocardiogram
Classification" (Gazeran, Soleymanbaigi, Daneshfar, Seyedi, Akhlaghian Tab, arXiv:2605.13194).
Two overlapping convolutions make a token of every four samples; four stages of windowed
attention, each at half the rate of the one before, see from the shape of a beat to the rhythm.
The cost grows linearly with the length of the record.

Only the abstract of the paper was available and its authors released no code. This is an
independent implementation: every size and hyper-parameter is our own choice, and no number of
the paper is claimed.

Masking, reconstruction and the losses are left to `medts.objectives`.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.models.abilities import Scale
from medts.models.base import OneStreamEncoder
from medts.models.settings.ecg_nat import TOKEN_STRIDE, TOTAL_STRIDE, EcgNatConfig
from medts.nn.neighborhood import (
    FullAttention,
    NeighborhoodAttention,
    count_valid,
    is_before,
)
from medts.tensors.batch import Batch, Encoded


@dataclass(frozen=True)
class Size:
    """Width of the first stage (each later one doubles it), and layers and heads per stage."""

    dim: int
    depths: tuple[int, int, int, int]
    heads: tuple[int, int, int, int]


SIZES = {
    "nano": Size(16, (1, 1, 1, 1), (1, 1, 2, 4)),
    "tiny": Size(32, (2, 2, 6, 2), (1, 2, 4, 8)),
    "small": Size(48, (2, 2, 6, 2), (3, 6, 12, 24)),
    "mini": Size(64, (3, 4, 6, 5), (2, 4, 8, 16)),
}
"""0.2, 2.5, 5.7 and 18.4 million parameters for twelve leads; ``mini`` is NAT-Mini in 1-D."""


class EcgNat(OneStreamEncoder):
    """Turns ECGs of any length and lead set into tokens at four scales and one embedding.

    A token attends only to its neighbors in time, so the early stages cannot but describe beats;
    halving the rate three times turns the same kernel into a window over several beats. Leads
    are the channels of the first convolution: time is the only axis that attention sees.

    Components:
        tokenizer — two strided convolutions and a norm — a token per 4 samples from 7.
        stages — pre-norm attention and feed-forward layers — mix tokens of one scale.
        downsamplers — strided convolution and a norm — half the tokens, twice the width.
        norm — layer norm of the last scale, whose mean over valid tokens is ``pooled``.

    ``Encoded.intermediates["scales"]`` holds the `Scale` of every stage; the last is normalised
    and the same as ``tokens``.

    Departures: the abstract names a hierarchical neighborhood attention transformer and nothing
    else. We follow NAT (arXiv:2204.07143) in one dimension — tokenizer, four stages, relative
    position bias, no absolute positions — with widths for two CPU cores. NAT requires rows at
    least as long as the kernel; ours attends to the whole of a shorter row. Padding to a multiple
    of the total stride would change nothing and is not done.

    Raises:
        ConfigError: When a batch has no such stream or none of the leads.
        MedtsError: When windows are shorter than one token of the last scale (32 samples).
    """

    shortest = TOTAL_STRIDE
    token_strides = (TOKEN_STRIDE, 2 * TOKEN_STRIDE, 4 * TOKEN_STRIDE, TOTAL_STRIDE)

    def __init__(self, config: EcgNatConfig) -> None:
        super().__init__(config)
        self.config = config
        size = SIZES[config.size]
        dims = [size.dim * 2**i for i in range(4)]
        depths = (0, 0, sum(size.depths), 0) if config.is_single_scale else size.depths
        self.dim = dims[-1]
        self.token_dims = tuple(dims)
        self.tokenizer = nn.ModuleList(
            [
                halving_conv(len(config.channels), size.dim // 2),
                halving_conv(size.dim // 2, size.dim),
            ]
        )
        self.tokenizer_norm = nn.LayerNorm(size.dim)
        self.downsamplers = nn.ModuleList(Downsampler(dim) for dim in dims[:3])
        skip = torch.linspace(0, config.drop_path, sum(depths)).tolist()
        self.stages = nn.ModuleList(
            nn.ModuleList(
                Layer(
                    dim=dims[i],
                    mixer=build_mixer(config, i, layer),
                    mlp_ratio=config.mlp_ratio,
                    drop_path=skip[sum(depths[:i]) + layer],
                )
                for layer in range(depths[i])
            )
            for i in range(4)
        )
        self.norm = nn.LayerNorm(self.dim)
        self.apply(initialise)

    def parts(self) -> list[nn.Module]:
        """Lists tokenizer, layers, what is between the stages, and the last norm."""
        parts: list[nn.Module] = [nn.ModuleList([self.tokenizer, self.tokenizer_norm])]
        for i, stage in enumerate(self.stages):
            parts += [self.downsamplers[i - 1]] if i > 0 else []
            parts += stage  # pyright: ignore[reportOperatorIssue] - a list of layers
        return [*parts, self.norm]

    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own."""
        read = self.select(batch)
        return self.encode(*self.tokenize(read.signal, read.is_valid))

    def tokenize(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B N D"], Int[Tensor, "B"] | None]:
        """Makes a token of every 4 samples, and counts the valid ones; None when all are.

        An objective that hides tokens does so between this and `encode`.
        """
        n_valid = count_valid(is_valid)
        # A batch is fp32, also where the weights have a lower precision.
        hidden = signal.to(self.tokenizer_norm.weight.dtype)
        for conv in self.tokenizer:
            hidden, n_valid = conv(hidden), halved(n_valid)
            hidden = keep_valid(hidden.transpose(1, 2), n_valid).transpose(1, 2)
        return self.tokenizer_norm(hidden.transpose(1, 2)), n_valid

    def encode(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None = None
    ) -> Encoded:
        """Runs the four stages over the tokens of the first scale."""
        scales: list[Scale] = []
        for i, stage in enumerate(self.stages):
            if i > 0:
                tokens, n_valid = self.downsamplers[i - 1](tokens), halved(n_valid)
            for layer in stage:  # pyright: ignore[reportGeneralTypeIssues]
                tokens = layer(tokens, n_valid)
            if i == len(self.stages) - 1:
                tokens = self.norm(tokens)
            tokens = keep_valid(tokens, n_valid)
            is_valid = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
            if n_valid is not None:
                is_valid = is_before(n_valid, tokens.shape[1])
            scales.append(Scale(tokens, is_valid))
        is_valid = scales[-1].is_valid
        count = is_valid.sum(dim=1, keepdim=True).clamp(min=1)
        # In fp32: hundreds of bf16 tokens lose digits in a sum.
        pooled = (tokens.sum(dim=1, dtype=torch.float) / count).to(tokens.dtype)
        return Encoded(tokens, is_valid, pooled, {"scales": scales})


class Layer(nn.Module):
    """Pre-norm transformer layer with any token mixer and stochastic depth."""

    def __init__(self, *, dim: int, mixer: nn.Module, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.norm_mixer, self.mixer = nn.LayerNorm(dim), mixer
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.drop_path = drop_path

    def forward(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None
    ) -> Float[Tensor, "B N D"]:
        """Mixes tokens among each other, then each within itself."""
        tokens = tokens + self.skip(self.mixer(self.norm_mixer(tokens), n_valid))
        return tokens + self.skip(self.mlp(self.norm_mlp(tokens)))

    def skip(self, update: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Stochastic depth (DropPath): drops the update of whole windows in training."""
        if not self.training or self.drop_path == 0.0:
            return update
        keep = 1.0 - self.drop_path
        is_kept = torch.rand(len(update), 1, 1, device=update.device) < keep
        return update * (is_kept / keep).to(update.dtype)


class Downsampler(nn.Module):
    """Halves the rate and doubles the width; expects zeros in place of padded tokens."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.halve = halving_conv(dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(2 * dim)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B n 2*D"]:
        """Makes one token of two, from three."""
        return self.norm(self.halve(tokens.transpose(1, 2)).transpose(1, 2))


class ConvMixer(nn.Module):
    """A control: a depthwise convolution over the same window, and no attention."""

    def __init__(self, *, dim: int, kernel_size: int) -> None:
        super().__init__()
        self.inward, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)

    def forward(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None
    ) -> Float[Tensor, "B N D"]:
        """Mixes the first ``n_valid`` tokens of each row, or all of them when it is None."""
        mixed = keep_valid(self.inward(tokens), n_valid).transpose(1, 2)
        return self.out(self.depthwise(mixed).transpose(1, 2))


def build_mixer(config: EcgNatConfig, stage: int, layer: int) -> nn.Module:
    """Builds the token mixer of a layer; every second layer may be dilated."""
    size, kernel_size = SIZES[config.size], config.kernel_sizes[stage]
    dim, n_heads = size.dim * 2**stage, size.heads[stage]
    if config.attention == "conv":
        return ConvMixer(dim=dim, kernel_size=kernel_size)
    if config.attention == "full":
        return FullAttention(dim=dim, n_heads=n_heads, kernel_size=kernel_size)
    dilation = config.dilations[stage] if layer % 2 else 1
    return NeighborhoodAttention(
        dim=dim, n_heads=n_heads, kernel_size=kernel_size, dilation=dilation
    )


def halving_conv(n_in: int, n_out: int, *, bias: bool = True) -> nn.Conv1d:
    """Builds an overlapping convolution of stride 2: output j reads inputs 2j - 1 to 2j + 1."""
    return nn.Conv1d(n_in, n_out, kernel_size=3, stride=2, padding=1, bias=bias)


def halved(n_valid: Int[Tensor, "B"] | None) -> Int[Tensor, "B"] | None:
    """Counts the tokens after a stride of 2 whose centre is valid."""
    return None if n_valid is None else (n_valid + 1) // 2


def keep_valid(
    tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None
) -> Float[Tensor, "B N D"]:
    """Sets tokens past the last valid one to zero, as the next convolution would read them."""
    if n_valid is None:
        return tokens
    return tokens.masked_fill(~is_before(n_valid, tokens.shape[1])[..., None], 0.0)


def initialise(module: nn.Module) -> None:
    """Initialises linear layers from a truncated normal distribution, as NAT does."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
