"""1D ResNet over all channels of a signal, with masked average pooling to one vector.

Wang, Yan and Oates, "Time Series Classification from Scratch" (IJCNN 2017, arXiv:1611.06455), in
the form that MedualTime uses to inject a signal into a pass over text: three blocks of three
convolutions each, then a mean over time and a linear layer.

Padding carries nothing: what is not valid is set to zero before every convolution and left out of
the mean.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class ResidualConv(nn.Module):
    """Residual blocks, a mean over valid samples, and a linear layer.

    Args:
        n_channels: Channels of the signal.
        widths: Width of each block.
        kernel_sizes: Samples that the convolutions of a block span, odd.
        stride: Samples per step of the first convolution.
        dim: Width of the vector.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        stride: int,
        dim: int,
    ) -> None:
        super().__init__()
        inward = [n_channels, *widths[:-1]]
        strides = [stride, *[1] * (len(widths) - 1)]
        self.blocks = nn.ModuleList(
            ResidualBlock(*sizes, kernel_sizes=kernel_sizes)
            for sizes in zip(inward, widths, strides, strict=True)
        )
        self.stride = stride
        self.out = nn.Linear(widths[-1], dim)

    def forward(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B D"]:
        """Returns a vector per window; padded samples do not count."""
        hidden = signal * is_valid[:, None]
        is_valid = is_valid[:, :: self.stride]
        for block in self.blocks:
            hidden = block(hidden, is_valid)
        n_valid = is_valid.sum(dim=1, keepdim=True).clamp(min=1)
        return self.out(hidden.sum(dim=2) / n_valid)


class ResidualBlock(nn.Module):
    """Convolutions with batch norm around a skip connection, the last without activation."""

    def __init__(self, n_in: int, n_out: int, stride: int, *, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        widths = [n_in, *[n_out] * (len(kernel_sizes) - 1)]
        strides = [stride, *[1] * (len(kernel_sizes) - 1)]
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, n_out, size, stride=step, padding=size // 2, bias=False),
                nn.BatchNorm1d(n_out),
            )
            for width, size, step in zip(widths, kernel_sizes, strides, strict=True)
        )
        skip: list[nn.Module] = []
        if n_in != n_out or stride > 1:
            skip = [nn.Conv1d(n_in, n_out, 1, stride=stride, bias=False)]
        self.skip = nn.Sequential(*skip, nn.BatchNorm1d(n_out))

    def forward(
        self, hidden: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B t"]
    ) -> Float[Tensor, "B D t"]:
        """Returns the block's output, zero wherever it is not valid."""
        skipped = self.skip(hidden)
        for place, layer in enumerate(self.layers):
            hidden = layer(hidden)
            # The last convolution is added to the skip connection before its activation.
            if place < len(self.layers) - 1:
                hidden = torch.relu(hidden) * is_valid[:, None]
        return torch.relu(hidden + skipped) * is_valid[:, None]
