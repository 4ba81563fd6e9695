"""iTransformer: one token per channel, and attention between channels.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting" (ICLR
2024, arXiv:2310.06625), written from the paper. A channel's whole window becomes a token by one
linear map; attention relates channels, and the feed-forward part describes each of them. Training
and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from medts.models.base import OneStreamEncoder
from medts.models.baselines.transformer import pre_norm_layers
from medts.models.settings.itransformer import ITransformerConfig
from medts.nn.poolers import key_padding
from medts.tensors.batch import Batch, Encoded


class ITransformer(OneStreamEncoder):
    """Inverted Transformer: tokens are channels, and the embedding is all of them side by side.

    Components: *embedding* — linear map of a channel's window; *blocks* — attention between
    channels and feed-forward part; *norm* — layer norm of the result.

    Departures: the paper brings every channel of a window to mean 0 and spread 1; here amplitude
    is kept, since it means something. Norms stand before each part instead of after the sum. The
    head gets the tokens side by side, as the classifiers in Time-Series-Library do it. A window
    shorter than ``window`` is filled with zeros, always to the same length, so padding in the
    batch changes nothing; absent channels are hidden from attention, and their tokens are zero.
    """

    def __init__(self, config: ITransformerConfig) -> None:
        super().__init__(config)
        self.config = config
        self.dim = len(config.channels) * config.dim
        self.embedding = nn.Linear(config.window, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = pre_norm_layers(config)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        is_present = read.is_channel_present
        tokens = self.dropout(self.embed(read.signal))
        is_ignored = key_padding(is_present)
        for block in self.blocks:
            tokens = block(tokens, src_key_padding_mask=is_ignored)
        tokens = self.norm(tokens) * is_present[..., None]
        return Encoded(tokens, is_present, tokens.flatten(1))

    def embed(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B C D"]:
        """Makes one token of every channel."""
        return self.embedding(F.pad(signal, (0, self.config.window - signal.shape[2])))
