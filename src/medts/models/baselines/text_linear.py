"""Text-only control: linear probing of a frozen language model on reports.

A report often states the label. What this encoder reaches too, a model of signals and reports may
have taken from the text alone.

Axes: B windows in the batch, D embedding width.
"""

import torch

from medts.models.base import Encoder
from medts.models.settings.text_linear import TextLinearConfig
from medts.nn.frozen_lm import FrozenLM
from medts.tensors.batch import Batch, Encoded


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
        self.language_model = FrozenLM.load(config.text, cache_mib=config.cache_mib)
        self.dim = self.language_model.dim

    def forward(self, batch: Batch) -> Encoded:
        """Reads the report of every window."""
        device = self.language_model.digest.device
        texts = [(text or "").strip() for text in batch.text]
        has_text = torch.tensor([bool(text) for text in texts], device=device)
        pooled = torch.zeros(len(texts), self.dim, device=device)
        if has_text.any():
            given = [text for text in texts if text]
            pooled[has_text] = self.language_model.vectors(given, "mean")
        return Encoded(pooled[:, None], has_text[:, None], pooled)
