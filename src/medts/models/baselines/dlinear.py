"""DLinear: trend and remainder (moving average), and a linear layer for each.

Zeng, Chen, Zhang and Xu, "Are Transformers Effective for Time Series Forecasting?" (AAAI 2023,
arXiv:2205.13504). There is nothing in it but weighted sums of samples: a control for how much of
a score comes from depth. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.dlinear import DLinearConfig
from medts.tensors.batch import Batch, Encoded


class DLinear(OneStreamEncoder):
    """Trend-remainder decomposition, a linear layer over time for each; one token per window.

    Components: *decomposition* — moving average and what it leaves; *trend*, *remainder* — a
    linear map over time for each; their sum is the embedding of a channel.

    Departures: the paper forecasts any number of samples; here the forecast is taken as
    features, as long as the window by default (as the classifiers in Time-Series-Library do it).
    Channels have weights of their own, the paper's "individual" variant, because a lead means
    something here. The moving average is over the recorded samples in reach instead of
    repeating the first and last, so padding and gaps change nothing.
    """

    def __init__(self, config: DLinearConfig) -> None:
        super().__init__(config)
        self.config = config
        n_channels = len(config.channels)
        n_features = config.n_features or config.window
        self.dim = n_channels * n_features
        shape = (1 if config.is_shared else n_channels, config.window, n_features)
        bound = config.window**-0.5
        self.trend = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.remainder = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(shape[0], n_features))

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        missing = self.config.window - read.signal.shape[2]
        signal = F.pad(read.signal, (0, missing))
        trend = moving_average(
            signal, F.pad(read.is_recorded, (0, missing)), self.config.kernel_size
        )
        remainder = signal - trend
        features = torch.einsum("bct,ctf->bcf", trend, self._by_channel(self.trend))
        features += torch.einsum("bct,ctf->bcf", remainder, self._by_channel(self.remainder))
        pooled = ((features + self.bias) * read.is_channel_present[..., None]).flatten(1)
        return Encoded(pooled[:, None], read.is_present[:, None], pooled)

    def _by_channel(self, weight: Float[Tensor, "_ T F"]) -> Float[Tensor, "C T F"]:
        return weight.expand(len(self.config.channels), -1, -1)


def moving_average(
    signal: Float[Tensor, "B C T"], is_recorded: Bool[Tensor, "B C T"], kernel_size: int
) -> Float[Tensor, "B C T"]:
    """Averages the recorded samples in reach of each recorded one; zero elsewhere."""
    # Mean over recorded samples in reach: sum and share both lack the factor 1 / kernel_size.
    weight = is_recorded.to(signal.dtype)
    padding = kernel_size // 2
    total = F.avg_pool1d(signal * weight, kernel_size, stride=1, padding=padding)
    share = F.avg_pool1d(weight, kernel_size, stride=1, padding=padding)
    return weight * total / share.clamp(min=0.5 / kernel_size)
