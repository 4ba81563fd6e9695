"""Text only: the frozen vector of a report, under whatever head follows.

The control that every model of signals and reports must beat. A report often says what the label
says; a score that this encoder reaches too was read, not seen.

Axes: B windows in the batch, D embedding width.
"""

from typing import Literal

import torch
from pydantic import Field

from medts.core.batch import Batch, Encoded
from medts.core.config import Config
from medts.core.montage import STANDARD_12_LEADS
from medts.models.base import Encoder
from medts.nn.text import TextConfig
from medts.nn.trunk import FrozenReader, Trunk


class TextLinearConfig(Config):
    """Which language model reads, and how much of a report."""

    kind: Literal["text_linear"] = "text_linear"
    """Name of the encoder in the registry."""

    text: TextConfig = TextConfig(name="minilm", max_tokens=128)
    """The frozen language model."""

    stream: str = "ecg"
    """Stream whose windows the reports belong to; its signal is not read."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels of that stream, which are not read either."""

    cache_mib: float = Field(default=512.0, ge=0.0)
    """Memory for reports that were read."""


class TextLinear(Encoder):
    """The mean over a report's tokens in the last layer; zero for a window without a report.

    It has no parameters: what is learnt is the head. The one token of a window is the same
    vector, valid where there is a report.

    Raises:
        ConfigError: If the language model's weights are missing.
    """

    def __init__(self, config: TextLinearConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.text.name)
        self.dim = self.trunk.dim
        self.reader = FrozenReader(
            self.trunk,
            n_blocks=self.trunk.n_blocks,
            max_tokens=config.text.max_tokens,
            limit_mib=config.cache_mib,
        )

    def forward(self, batch: Batch) -> Encoded:
        """Reads the report of every window."""
        device = self.trunk.checked.digest.device
        texts = [(text or "").strip() for text in batch.text]
        has_text = torch.tensor([bool(text) for text in texts], device=device)
        pooled = torch.zeros(len(texts), self.dim, device=device)
        if has_text.any():
            given = [text for text in texts if text]
            pooled[has_text] = self.reader.vectors(given, "mean", device)
        return Encoded(pooled[:, None], has_text[:, None], pooled)
