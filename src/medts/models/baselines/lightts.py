"""LightTS: MLPs on continuous and interval sampling of a window.

Zhang et al., "Less Is More: Fast Multivariate Time Series Forecasting with Light
Sampling-oriented MLP Structures" (2022, arXiv:2207.01186), written from the paper. Neighbouring
samples side by side show what is quick, every n-th sample side by side what is slow; an
information exchange block maps along both sides of such a table. Training and the head are left
to others.

Axes: B windows in the batch, C channels, T samples in time, H rows and W columns of a table, D
embedding width.
"""

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.lightts import LightTSConfig
from medts.tensors.batch import Batch, Encoded


class LightTS(OneStreamEncoder):
    """Tables of every channel through one exchange block each, then a block across channels.

    Components: *continuous*, *interval* — exchange blocks over the two tables of a channel,
    shared by all channels; *collapse* — weighted sums over the columns; *across* — exchange block
    over channels, whose columns side by side are the embedding.

    ``Encoded.tokens`` are the columns of the continuous table, channels side by side.

    Symbols: our ``chunk`` is the paper's C, ``dim`` its F, ``hidden`` its F'.

    Departures: the paper forecasts; here its last block gives features instead of future samples.
    An absent channel is zero before and after the block across channels. A window shorter than
    ``window`` is filled with zeros, always to the same length, so padding changes nothing.
    """

    def __init__(self, config: LightTSConfig) -> None:
        super().__init__(config)
        self.config = config
        self.dim = len(config.channels) * config.dim
        n_columns = config.window // config.chunk
        self.continuous, self.interval = (
            ExchangeBlock(
                n_rows=config.chunk, n_columns=n_columns, hidden=config.hidden, n_out=config.dim
            )
            for _ in range(2)
        )
        self.collapse = nn.ModuleList(nn.Linear(n_columns, 1) for _ in range(2))
        self.across = ExchangeBlock(
            n_rows=2 * config.dim,
            n_columns=len(config.channels),
            hidden=config.hidden,
            n_out=config.dim,
        )

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        n_samples = read.signal.shape[2]
        missing = self.config.window - n_samples
        signal, is_known = F.pad(read.signal, (0, missing)), read.is_channel_present

        columns = self.continuous(sample_continuously(signal, self.config.chunk))
        spaced = self.interval(sample_at_intervals(signal, self.config.chunk))
        quick, slow = (
            line(table).squeeze(-1)
            for line, table in zip(self.collapse, (columns, spaced), strict=True)
        )
        features = torch.cat([quick, slow], dim=2) * is_known[..., None]
        pooled = self.across(features.transpose(1, 2)) * is_known[:, None]

        is_recorded = F.pad(read.is_recorded, (0, missing))
        is_column = reduce(is_recorded, "b c (w h) -> b c w", "max", h=self.config.chunk)
        tokens = columns * is_column[:, :, None]
        # Columns that begin after the longest window of the batch are none of it.
        n_begun = -(-n_samples // self.config.chunk)
        tokens = rearrange(tokens, "b c d w -> b w (c d)")[:, :n_begun]
        is_valid = is_column.any(dim=1)[:, :n_begun]
        return Encoded(tokens, is_valid, rearrange(pooled, "b d c -> b (c d)"))


class ExchangeBlock(nn.Module):
    """Information exchange block (IEBlock): a bottleneck MLP over columns, mixed across columns."""

    def __init__(self, *, n_rows: int, n_columns: int, hidden: int, n_out: int) -> None:
        super().__init__()
        self.inward = nn.Sequential(
            nn.Linear(n_rows, 4 * hidden), nn.LeakyReLU(), nn.Linear(4 * hidden, hidden)
        )
        self.mix = nn.Linear(n_columns, n_columns)
        self.outward = nn.Linear(hidden, n_out)

    def forward(self, table: Float[Tensor, "*rest H W"]) -> Float[Tensor, "*rest _ W"]:
        """Returns a table with as many columns and ``n_out`` rows."""
        narrow = self.project(table)
        return self.outward((narrow + self.mix(narrow)).transpose(-1, -2)).transpose(-1, -2)

    def project(self, table: Float[Tensor, "*rest H W"]) -> Float[Tensor, "*rest _ W"]:
        """Maps each column on its own: the step before columns exchange anything."""
        return self.inward(table.transpose(-1, -2)).transpose(-1, -2)


def sample_continuously(
    signal: Float[Tensor, "B C T"], chunk: int
) -> Float[Tensor, "B C {chunk} W"]:
    """Makes a column of every ``chunk`` neighbouring samples."""
    return rearrange(signal, "b c (w h) -> b c h w", h=chunk)


def sample_at_intervals(
    signal: Float[Tensor, "B C T"], chunk: int
) -> Float[Tensor, "B C {chunk} W"]:
    """Makes a column of ``chunk`` samples spread evenly over the window."""
    return rearrange(signal, "b c (h w) -> b c h w", h=chunk)
