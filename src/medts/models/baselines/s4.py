"""S4: linear state spaces along time, the strongest supervised baseline published on PTB-XL.

Mehari and Strodthoff, "Advancing the State-of-the-Art for ECG Analysis through Structured State
Space Models" (arXiv:2211.07579), with the diagonal state matrix of S4D (Gu, Gupta, Goel and Ré,
NeurIPS 2022, arXiv:2206.11893). Every feature drives a few damped oscillators; their impulse
response is a kernel as long as the window, so one layer can see all of it. Training and the
head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width,
S oscillators of a feature (complex modes of its state).
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.s4 import S4Config
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded

_LONGEST_PRODUCT = 128
"""Tokens up to which a matrix product convolves faster than Fourier transforms do (measured)."""


class S4(OneStreamEncoder):
    """Residual layers of long convolutions whose kernels are sums of damped oscillations.

    Components: *embedding* — a convolution, of one sample at stride 1; *layers* — state space,
    GELU, gated linear map, layer norm on the residual sum; *pooling* — mean over valid tokens.

    Symbols: our ``dim`` is the papers' H, ``state`` their N, ``step`` their Δ.

    Departures: the benchmark's S4 has a state matrix with a low-rank part and HiPPO-LegS values;
    ours is diagonal, which S4D found equal and which needs no kernel of compiled code. A stride
    above 1 is ours, for two cores; the steps grow with it, so that time scales stay. Padded
    samples are zeroed before every convolution and left out of the mean, so padding changes
    nothing. Depth, width, state, dropout, norm after the sum and mean pooling are as in the
    released code (github.com/tmehari/ssm_ecg).
    """

    def __init__(self, config: S4Config) -> None:
        super().__init__(config)
        self.config, self.dim = config, config.dim
        self.embedding = nn.Conv1d(
            len(config.channels),
            config.dim,
            kernel_size=2 * config.stride - 1,
            stride=config.stride,
            padding=config.stride - 1,
        )
        self.layers = nn.ModuleList(
            S4Layer(
                config.dim,
                state=config.state,
                dropout=config.dropout,
                is_bidirectional=config.is_bidirectional,
                initialisation=config.initialisation,
                steps=(config.step_min * config.stride, config.step_max * config.stride),
            )
            for _ in range(config.depth)
        )

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        tokens = rearrange(self.embedding(read.signal), "b d n -> b n d")
        is_valid = read.is_valid[:, :: self.config.stride]
        for layer in self.layers:
            tokens = layer(tokens, is_valid)
        tokens = tokens * is_valid[..., None]
        return Encoded(tokens, is_valid, mean_of_valid(tokens, is_valid))


class S4Layer(nn.Module):
    """A state space per feature, then a gated map between features, with residual and norm."""

    def __init__(
        self,
        dim: int,
        *,
        state: int,
        dropout: float,
        is_bidirectional: bool,
        initialisation: Literal["lin", "inv"],
        steps: tuple[float, float],
    ) -> None:
        super().__init__()
        n_directions = 2 if is_bidirectional else 1
        self.kernels = nn.ModuleList(
            DiagonalKernel(dim, state=state, initialisation=initialisation, steps=steps)
            for _ in range(n_directions)
        )
        self.direct = nn.Parameter(torch.randn(dim))
        self.mix = nn.Linear(dim, 2 * dim)
        self.dropout, self.feature_dropout = nn.Dropout(dropout), nn.Dropout1d(dropout)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B N D"]:
        """Adds what the state space makes of the valid tokens."""
        x = rearrange(tokens * is_valid[..., None], "b n d -> b d n")
        y = convolve(x, self.kernel(x.shape[2])) + x * self.direct[:, None]
        y = self.dropout(F.gelu(rearrange(y, "b d n -> b n d")))
        y = F.glu(self.mix(y), dim=-1)
        y = self.feature_dropout(y.transpose(1, 2)).transpose(1, 2)
        return self.norm(tokens + y)

    def kernel(self, length: int) -> Float[Tensor, "D 2*{length}-1"]:
        """Returns the impulse response at every lag from ``1 - length`` to ``length - 1``.

        The second direction begins at lag -1, so that no lag is counted twice.
        """
        ahead = self.kernels[0](length)
        if len(self.kernels) == 1:
            return F.pad(ahead, (length - 1, 0))
        return torch.cat([self.kernels[1](length - 1).flip(-1), ahead], dim=-1)


class DiagonalKernel(nn.Module):
    """S4D: the impulse response of ``x' = A x + u, y = Re C x`` with a diagonal complex A.

    ``A = -exp(log_decay) + i frequency``. The input gains B are fixed to 1; C takes their part.
    """

    def __init__(
        self,
        dim: int,
        *,
        state: int,
        initialisation: Literal["lin", "inv"],
        steps: tuple[float, float],
    ) -> None:
        super().__init__()
        n_modes = state // 2
        low, high = (math.log(step) for step in steps)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(dim))
        self.log_decay = nn.Parameter(torch.full((dim, n_modes), math.log(0.5)))
        order = torch.arange(n_modes)
        frequency = math.pi * order
        if initialisation == "inv":
            frequency = state / math.pi * (state / (2 * order + 1) - 1)
        self.frequency = nn.Parameter(frequency.repeat(dim, 1))
        self.output = nn.Parameter(torch.randn(dim, n_modes, 2) * math.sqrt(0.5))

    def forward(self, length: int) -> Float[Tensor, "D {length}"]:
        """Evaluates the response at lags 0 to ``length - 1``, held constant between samples."""
        a = torch.complex(-self.log_decay.exp(), self.frequency)
        a_step = a * self.log_step.exp()[:, None]
        gain = torch.view_as_complex(self.output) * (a_step.exp() - 1) / a
        lags = torch.arange(length, device=a.device)
        powers = (a_step[..., None] * lags).exp()
        return 2 * (gain[..., None] * powers).sum(dim=1).real


def convolve(x: Float[Tensor, "B D N"], kernel: Float[Tensor, "D 2*N-1"]) -> Float[Tensor, "B D N"]:
    """Convolves each feature with its own kernel, given at lags ``1 - N`` to ``N - 1``.

    Arithmetic is in the precision of the kernel; Fourier transforms have no half precision.
    """
    convolve_by = by_product if x.shape[2] <= _LONGEST_PRODUCT else by_transform
    with torch.autocast(x.device.type, enabled=False):
        return convolve_by(x.to(kernel.dtype), kernel).to(x.dtype)


def by_product(
    x: Float[Tensor, "B D N"], kernel: Float[Tensor, "D 2*N-1"]
) -> Float[Tensor, "B D N"]:
    """Convolves by the Toeplitz matrix whose entry ``i, j`` is the kernel at lag ``j - i``."""
    matrix = kernel.unfold(-1, x.shape[2], 1).flip(1)
    return torch.matmul(x.transpose(0, 1), matrix).transpose(0, 1)


def by_transform(
    x: Float[Tensor, "B D N"], kernel: Float[Tensor, "D 2*N-1"]
) -> Float[Tensor, "B D N"]:
    """Convolves by Fourier transforms, long enough that nothing wraps around."""
    length = x.shape[2]
    # A power of two from 2 N - 1 on: fast, and circular convolution then equals linear.
    n = 2 ** (2 * length - 2).bit_length()
    around = torch.cat(
        [
            kernel[:, length - 1 :],
            kernel.new_zeros(len(kernel), n - kernel.shape[1]),
            kernel[:, : length - 1],
        ],
        dim=-1,
    )
    spectrum = torch.fft.rfft(x, n=n) * torch.fft.rfft(around, n=n)
    return torch.fft.irfft(spectrum, n=n)[..., :length]
