"""iTransformer: one token per channel, and attention between channels.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting" (ICLR
2024, arXiv:2310.06625), written from the paper. A channel's whole window becomes a token by one
linear map; attention relates channels, and the feed-forward part describes each of them. Training
and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, D embedding width.
"""

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from medts.core.batch import Batch, Encoded
from medts.core.config import Config
from medts.core.montage import STANDARD_12_LEADS
from medts.models.base import Encoder


class ITransformerConfig(Config):
    """Size, window and input of an iTransformer."""

    kind: Literal["itransformer"] = "itransformer"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=1)
    """Samples that it reads; what is later is left out, what is missing counts as zero."""

    dim: int = Field(default=128, ge=1)
    """Width of a token."""

    depth: int = Field(default=6, ge=1)
    """Layers; 6 in the comparison of the Medformer paper."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    @model_validator(mode="after")
    def _width_can_be_shared(self) -> "ITransformerConfig":
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of {self.n_heads} heads")
        return self


class ITransformer(Encoder):
    """Tokens are channels, in the order of the config; the embedding is all of them side by side.

    Components: *embedding* — linear map of a channel's window; *blocks* — attention between
    channels and feed-forward part; *norm* — layer norm of the result.

    Departures: the paper brings every channel of a window to mean 0 and spread 1; here amplitude
    is kept, since it means something. Norms stand before each part instead of after the sum. The
    head gets the tokens side by side, as the classifiers in Time-Series-Library do it. A window
    shorter than ``window`` is filled with zeros, always to the same length, so padding in the
    batch changes nothing; absent channels are hidden from attention, and their tokens are zero.
    """

    def __init__(self, config: ITransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.dim = len(config.channels) * config.dim
        self.embedding = nn.Linear(config.window, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.dim,
                config.n_heads,
                config.hidden,
                config.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        stream = batch.streams[self.config.stream]
        is_valid = stream.is_valid & stream.is_present[:, None]
        is_known = stream.is_channel_present & is_valid.any(dim=1, keepdim=True)
        tokens = self.dropout(self.embed(stream.signal * is_valid[:, None]))
        # A window without a single channel attends everywhere; attention over nothing is NaN.
        is_ignored = ~is_known & is_known.any(dim=1, keepdim=True)
        for block in self.blocks:
            tokens = block(tokens, src_key_padding_mask=is_ignored)
        tokens = self.norm(tokens) * is_known[..., None]
        return Encoded(tokens, is_known, tokens.flatten(1))

    def embed(self, signal: Float[Tensor, "B C T"]) -> Float[Tensor, "B C D"]:
        """Makes one token of every channel."""
        return self.embedding(F.pad(signal, (0, self.config.window - signal.shape[2])))
