"""xresnet1d: the residual network that sets the supervised standard on 12-lead ECG.

He et al., "Bag of Tricks" (CVPR 2019, arXiv:1812.01187), in one dimension as in the PTB-XL
benchmark of Strodthoff et al. (IEEE JBHI 2021, arXiv:2004.13701). A stem of three convolutions,
four stages of residual blocks whose shortcuts average instead of skipping samples, and mean and
maximum over time side by side. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded

_DEPTHS = {
    "10": (1, (1, 1, 1, 1)),
    "18": (1, (2, 2, 2, 2)),
    "34": (1, (3, 4, 6, 3)),
    "50": (4, (3, 4, 6, 3)),
    "101": (4, (3, 4, 23, 3)),
}


class XResNet1d(OneStreamEncoder):
    """Residual convolutions over time; leads are the channels of the first one.

    Components: *stem* — three convolutions and a maximum, stride 4; *stages* — residual blocks,
    stride 2 from the second on; *pooling* — mean and maximum over valid tokens, concatenated.

    Departures: the benchmark's code pads all signals to one length. Here padded samples are
    zeroed before every convolution and left out of every mean, so padding changes nothing.
    """

    def __init__(self, config: XResNet1dConfig) -> None:
        super().__init__(config)
        self.config = config
        expansion, depths = _DEPTHS[config.size]
        kernel = config.kernel_size
        stem = (len(config.channels), *config.stem)
        self.stem = nn.ModuleList(
            ConvNorm(stem[i], stem[i + 1], kernel_size=kernel, stride=2 if i == 0 else 1)
            for i in range(3)
        )
        blocks, dim = [], config.stem[-1]
        for stage, depth in enumerate(depths):
            for position in range(depth):
                stride = 2 if position == 0 and stage > 0 else 1
                block = ResidualBlock(
                    dim, config.width, expansion=expansion, kernel_size=kernel, stride=stride
                )
                blocks.append(block)
                dim = config.width * expansion
        self.blocks = nn.ModuleList(blocks)
        self.dim = 2 * dim

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        x, is_valid = read.signal, read.is_valid
        for layer in self.stem:
            x, is_valid = layer(x, is_valid)
            x = F.relu(x)
        x = F.max_pool1d(x * is_valid[:, None], kernel_size=3, stride=2, padding=1)
        is_valid = is_valid[:, ::2]
        for block in self.blocks:
            x, is_valid = block(x, is_valid)
        tokens = (x * is_valid[:, None]).transpose(1, 2)
        return Encoded(tokens, is_valid, pool_mean_and_maximum(tokens, is_valid))


class ConvNorm(nn.Module):
    """Convolution and batch norm that treat padding as the outside of the signal."""

    def __init__(self, dim_in: int, dim_out: int, *, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv1d(dim_in, dim_out, kernel_size, stride, padding, bias=False)
        self.norm = nn.BatchNorm1d(dim_out)
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(
        self, x: Float[Tensor, "B D T"], is_valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B D2 T2"], Bool[Tensor, "B T2"]]:
        """Convolves; an output is valid where the sample at its centre is."""
        x = self.norm(self.conv(x * is_valid[:, None]))
        return x, is_valid[:, :: self.conv.stride[0]]


class ResidualBlock(nn.Module):
    """Two (or, with expansion 4, three) convolutions beside a shortcut that averages.

    The last norm starts at zero, so that each block starts as its shortcut.
    """

    def __init__(
        self, dim_in: int, width: int, *, expansion: int, kernel_size: int, stride: int
    ) -> None:
        super().__init__()
        dim_out, self.stride = width * expansion, stride
        if expansion == 1:
            layers = [
                ConvNorm(dim_in, width, kernel_size=kernel_size, stride=stride),
                ConvNorm(width, dim_out, kernel_size=kernel_size),
            ]
        else:
            layers = [
                ConvNorm(dim_in, width, kernel_size=1),
                ConvNorm(width, width, kernel_size=kernel_size, stride=stride),
                ConvNorm(width, dim_out, kernel_size=1),
            ]
        # Zero-init of the last norm ("Bag of Tricks"): a deep stack starts as its shortcuts.
        nn.init.zeros_(layers[-1].norm.weight)
        self.layers = nn.ModuleList(layers)
        self.shortcut = None if dim_in == dim_out else ConvNorm(dim_in, dim_out, kernel_size=1)

    def forward(
        self, x: Float[Tensor, "B D T"], is_valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B D2 T2"], Bool[Tensor, "B T2"]]:
        """Adds what the convolutions find to the shortcut."""
        shortcut = x
        if self.stride > 1:
            shortcut = mean_of_pairs(x, is_valid)
        kept = is_valid[:, :: self.stride]
        if self.shortcut is not None:
            shortcut, _ = self.shortcut(shortcut, kept)
        for position, layer in enumerate(self.layers):
            x, is_valid = layer(x, is_valid)
            if position < len(self.layers) - 1:
                x = F.relu(x)
        return F.relu(x + shortcut), kept


def mean_of_pairs(
    x: Float[Tensor, "B D T"], is_valid: Bool[Tensor, "B T"]
) -> Float[Tensor, "B D T2"]:
    """Average pooling of stride 2 (ResNet-D shortcut) over the valid ones of each pair."""
    weight = is_valid[:, None].to(x.dtype)
    total = F.avg_pool1d(x * weight, kernel_size=2, stride=2, ceil_mode=True)
    return total / F.avg_pool1d(weight, 2, 2, ceil_mode=True).clamp(min=0.5)


def pool_mean_and_maximum(
    tokens: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B 2*D"]:
    """Concat pooling: mean and maximum over valid tokens; zeros where no token is valid."""
    lowest = torch.finfo(tokens.dtype).min
    maximum = tokens.masked_fill(~is_valid[..., None], lowest).amax(dim=1)
    maximum = maximum * is_valid.any(dim=1, keepdim=True)
    return torch.cat([mean_of_valid(tokens, is_valid), maximum], dim=1)
