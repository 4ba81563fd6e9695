"""TimesNet: windows folded at their strongest FFT periods, 2-D convolutions over the folds.

Wu et al., "TimesNet: Temporal 2D-Variation Modeling for General Time Series Analysis" (ICLR 2023,
arXiv:2210.02186), written from the paper. The largest amplitudes of a Fourier transform give the
periods; folded at one of them a sequence becomes an image, whose columns hold what recurs and
whose rows how it changes. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, D embedding width, k periods.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.timesnet import TimesNetConfig
from medts.nn.poolers import mean_of_valid
from medts.nn.positions import add_positions
from medts.tensors.batch import Batch, Encoded


class TimesNet(OneStreamEncoder):
    """One token per sample of a fixed window, mixed where periods bring samples together.

    Components: *embedding* — convolution over three samples, and sinusoids; *blocks* — periods,
    folds and two inception convolutions each, around a skip connection; *norms* — layer norm
    after each block; *pooling* — mean over valid tokens.

    Symbols: our ``n_periods`` is the paper's k, ``dim`` its d_model, ``hidden`` its d_ff.

    Departures: the authors' code takes the periods from the mean spectrum of a batch, so that a
    window's embedding depends on its neighbours; ours come from each window alone, as the paper's
    formulas have it. No period is shorter than four samples, since such a fold adds nothing to a
    convolution over time. The embedding does not wrap around at the ends. Amplitude is
    kept where the paper normalises it away. Tokens are averaged, not flattened. A window shorter
    than ``window`` is filled with zeros, always to the same length, so padding changes nothing.
    """

    def __init__(self, config: TimesNetConfig) -> None:
        super().__init__(config)
        self.config, self.dim = config, config.dim
        self.embedding = nn.Conv1d(len(config.channels), config.dim, 3, padding=1)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            TimesBlock(
                dim=config.dim,
                hidden=config.hidden,
                n_periods=config.n_periods,
                n_kernels=config.n_kernels,
            )
            for _ in range(config.depth)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in range(config.depth))

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        n_read = read.signal.shape[2]
        missing = self.config.window - n_read
        signal, is_valid = F.pad(read.signal, (0, missing)), F.pad(read.is_valid, (0, missing))
        tokens = self.dropout(self.embed(signal, is_valid))
        for block, norm in zip(self.blocks, self.norms, strict=True):
            tokens = norm(block(tokens)) * is_valid[..., None]
        pooled = mean_of_valid(tokens, is_valid)
        # Tokens after the longest window of the batch are none of it.
        return Encoded(tokens[:, :n_read], is_valid[:, :n_read], pooled)

    def embed(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B T D"]:
        """Makes a token of every sample and its two neighbours, zero where there is none."""
        tokens = self.embedding(signal * is_valid[:, None]).transpose(1, 2)
        return add_positions(tokens) * is_valid[..., None]


class TimesBlock(nn.Module):
    """Folds tokens at their strongest periods, convolves, unfolds, and weighs by amplitude."""

    def __init__(self, *, dim: int, hidden: int, n_periods: int, n_kernels: int) -> None:
        super().__init__()
        self.n_periods = n_periods
        self.inward, self.outward = (
            Inception(n_in=dim, n_out=hidden, n_kernels=n_kernels),
            Inception(n_in=hidden, n_out=dim, n_kernels=n_kernels),
        )

    def forward(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Adds what the folds give; windows that share a period are folded together."""
        periods, amplitude = find_periods(tokens, self.n_periods)
        share = amplitude.softmax(dim=1).to(tokens.dtype)
        mixed = torch.zeros_like(tokens)
        # Windows of one period share a convolution, so that the loop is as short as can be.
        for period in periods.unique().tolist():
            rows, place = (periods == period).nonzero(as_tuple=True)
            image = self.outward(F.gelu(self.inward(fold(tokens[rows], period))))
            line = rearrange(image, "b d f p -> b (f p) d")[:, : tokens.shape[1]]
            weighed = line * share[rows, place][:, None, None]
            mixed = mixed.index_add(0, rows, weighed.to(mixed.dtype))
        return tokens + mixed


class Inception(nn.Module):
    """Mean of square convolutions of several widths."""

    def __init__(self, *, n_in: int, n_out: int, n_kernels: int) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(
            nn.Conv2d(n_in, n_out, 2 * i + 1, padding=i) for i in range(n_kernels)
        )

    def forward(self, image: Float[Tensor, "B D F P"]) -> Float[Tensor, "B _ F P"]:
        """Convolves an image with every kernel."""
        return torch.stack([kernel(image) for kernel in self.kernels]).mean(dim=0)


def find_periods(
    tokens: Float[Tensor, "B T D"], n_periods: int
) -> tuple[Int[Tensor, "B k"], Float[Tensor, "B k"]]:
    """Returns the periods of the largest mean amplitudes of each window, and these amplitudes."""
    n_samples = tokens.shape[1]
    # Half precision has no Fourier transform on a CPU.
    amplitude = torch.fft.rfft(tokens.float(), dim=1).abs().mean(dim=2)
    amplitude = amplitude[:, 1 : max(2, n_samples // 4 + 1)]
    strongest, index = amplitude.topk(min(n_periods, amplitude.shape[1]), dim=1)
    frequency = index + 1
    return (n_samples + frequency - 1) // frequency, strongest


def fold(tokens: Float[Tensor, "B T D"], period: int) -> Float[Tensor, "B D F {period}"]:
    """Breaks a sequence into lines of one period each; the last is filled up with zeros."""
    missing = -tokens.shape[1] % period
    return rearrange(F.pad(tokens, (0, 0, 0, missing)), "b (f p) d -> b d f p", p=period)
