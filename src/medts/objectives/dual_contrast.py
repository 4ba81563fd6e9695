"""Dual contrast (MedualTime): InfoNCE within and between its signal pass and text pass.

The unsupervised objective of MedualTime (Ye et al., arXiv:2406.06620): the embedding of each pass
should be found again when noise is added to the signal, and, once training has begun to settle, a
window's signal pass should find its text pass among those of the batch, and the reverse:
``NCE(T, T') + NCE(S, S') + weight (NCE(S, T) + NCE(T, S))``. Every pass has a small
projector of its own, which is thrown away.

Many reports are equal, word for word. Windows whose reports are equal are each other's positives
between passes, not negatives.

Axes: B windows in the batch, D embedding width.
"""

from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import group_ids, info_nce
from medts.models.abilities import Passes, TwoPasses, need
from medts.models.base import Encoder
from medts.nn.views import keep_real
from medts.objectives.base import Objective
from medts.objectives.settings.dual_contrast import DualContrastConfig
from medts.tensors.batch import Batch, Losses


class DualContrast(Objective):
    """InfoNCE within and between the passes, with a monitor of collapse.

    Departures: the paper's terms within a pass look from the window to its noisy view only, ours
    in both directions. The authors look at the ramp once per epoch, where a tenth of four epochs
    is one epoch or none; ours counts batches. They judge epochs by a loss that grows when
    alignment sets in; here validation always has its full weight. Noise is sampled per value and
    never falls on padding; its size is in units of the prepared signal, 0.25 mV by default, where
    theirs is in those of the stored series.

    Args:
        config: Noise, temperature and weights.
        encoder: One with a pass for each, such as `MedualTime`.

    Raises:
        ConfigError: If the encoder has not two passes.
    """

    def __init__(self, config: DualContrastConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            TwoPasses,
            problem="dual_contrast needs an encoder with a signal pass and a text pass",
            remedy="Take a 'medualtime' encoder with --encoder.passes both",
            is_met=lambda each: each.has_both_passes,
        )
        self.config, self.encoder = config, encoder
        width = able.pass_dim
        self.signal_projector, self.text_projector = (
            ResidualProjector(width),
            ResidualProjector(width),
        )

    @property
    def alignment(self) -> float:
        """Weight of the terms between the passes at present."""
        if not self.training:  # epochs are compared, so validation weighs all alike
            return self.config.alignment
        since = self.progress - self.config.alone_ratio
        if self.config.rising_ratio == 0:
            return self.config.alignment * (since >= 0)
        return self.config.alignment * min(1.0, max(0.0, since / self.config.rising_ratio))

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch; a pass counts for the windows that both views let it read."""
        first, second = self.passes(batch), self.passes(add_noise(batch, self.config.noise))
        has_signal = first.has_signal & second.has_signal
        has_text = first.has_text & second.has_text
        has_both = has_signal & has_text
        signal, other_signal = (
            self.signal_projector(first.signal),
            self.signal_projector(second.signal),
        )
        text, other_text = self.text_projector(first.text), self.text_projector(second.text)

        within_signal = self.nce(signal[has_signal], other_signal[has_signal])
        within_text = self.nce(text[has_text], other_text[has_text])
        group = None
        if self.config.equal_reports == "positives":
            group = report_ids(batch).to(signal.device)[has_both]
        between = 2 * self.nce(signal[has_both], text[has_both], group)
        weight = signal.new_tensor(self.alignment)
        total = within_signal + within_text + weight * between
        parts = {"signal": within_signal, "text": within_text, "between": between}
        parts |= {"alignment": weight}
        parts = {name: part.detach() for name, part in parts.items()}
        return Losses(total, parts | collapse_parts(first.signal[has_signal]))

    def passes(self, batch: Batch) -> Passes:
        """Returns the embeddings of both passes."""
        return cast(TwoPasses, self.encoder).read_passes(batch)

    def nce(self, first: Tensor, second: Tensor, group: Tensor | None = None) -> Tensor:
        """Each row of one side among the rows of the other, averaged over both directions."""
        return info_nce(
            first, second, group, temperature=self.config.temperature, gather=self.training
        )


class ResidualProjector(nn.Module):
    """Projector ``LN(u) + u`` with ``u = W h``: a linear layer, and its layer norm added to it."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)
        nn.init.normal_(self.linear.weight, std=0.01)

    def forward(self, embedding: Tensor) -> Tensor:
        """Maps each row on its own."""
        hidden = self.linear(embedding)
        return self.norm(hidden) + hidden


def add_noise(batch: Batch, std: float) -> Batch:
    """Gaussian noise on every real sample of every stream; reports stay as they are."""
    streams = {
        name: keep_real(replace(each, signal=each.signal + std * torch.randn_like(each.signal)))
        for name, each in batch.streams.items()
    }
    return replace(batch, streams=streams)


def report_ids(batch: Batch) -> Int[Tensor, "B"]:
    """Returns an id per window, the same for equal reports."""
    return group_ids([(text or "").strip() for text in batch.text])
