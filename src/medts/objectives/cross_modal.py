"""Cross-modal contrastive learning (CMC, COCOA) between the modalities of a window.

Two forms on the latents of one encoder. ``cmc``: InfoNCE between every two modalities, averaged
over pairs, after contrastive multiview coding (Tian et al., ECCV 2020, arXiv:1906.05849).
``cocoa``: all modalities of a window are pulled together at once, and the windows of each modality
pushed apart within it (Deldari et al., COCOA, IMWUT 2022, arXiv:2208.00467). Nothing is altered or
hidden. The projectors are thrown away; the aggregator, which plays no part, stays as initialised.

Axes: B windows in the batch, M modalities, D projection width.
"""

from itertools import combinations
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import info_nce, unit_rows
from medts.losses.gathering import gather_rows
from medts.models.abilities import HasLatents, need
from medts.models.base import Encoder
from medts.nn.projector import Projector
from medts.objectives.base import Objective
from medts.objectives.settings.cross_modal import CrossModalConfig
from medts.tensors.batch import Batch, Losses


class CrossModal(Objective):
    """Contrast between modalities of the same and of other windows, with a monitor of collapse.

    An absent modality takes no part, nor does a window that has only one. Probe what it learns with
    the encoder's ``features="encoder"``.

    Departures: CMC sums over pairs and compares embeddings from a memory bank; ours takes the mean
    over pairs and compares those of the batch, through a projector for each modality. Of the two
    losses in COCOA's code ours is ``cocoa``; CroSSL's copy holds the other, a weighted sum of the
    two exponentials without a logarithm. COCOA's code sums over the windows of a batch; ours takes
    the mean, and over modalities the sums are over those present.

    Args:
        config: Form and temperature.
        encoder: Gives the latents.

    Raises:
        ConfigError: If the encoder has no latents, or of one modality only.
    """

    def __init__(self, config: CrossModalConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            HasLatents,
            problem="cross-modal contrast needs an encoder of two or more modalities",
            remedy="Use the encoder crossl with several streams, or the objective simclr",
            is_met=lambda each: len(each.modalities) > 1,
        )
        self.config, self.encoder = config, encoder
        width = able.latent_dim
        self.projectors = nn.ModuleList(
            Projector(dim=width, hidden=width, out=config.projection_dim) for _ in able.modalities
        )

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        latents = cast(HasLatents, self.encoder).encode(batch)
        is_usable = latents.is_present.sum(dim=1) > 1
        z = torch.stack([p(latents.embedding[:, m]) for m, p in enumerate(self.projectors)], dim=1)
        if self.config.form == "cmc":
            pairs = combinations(range(z.shape[1]), 2)
            terms = [
                self._contrast(z[:, i], z[:, j], latents.is_present[:, [i, j]]) for i, j in pairs
            ]
            loss = torch.stack(terms).mean()
        else:
            rows, is_present = z[is_usable], latents.is_present[is_usable]
            if self.training:
                rows, is_present = gather_rows(rows), gather_rows(is_present)
            loss = cocoa(rows, is_present, temperature=self.config.temperature)
        monitor = collapse_parts(latents.embedding[is_usable].flatten(1))
        return Losses(loss, {self.config.form: loss.detach(), **monitor})

    def _contrast(
        self,
        first: Float[Tensor, "B D"],
        second: Float[Tensor, "B D"],
        is_present: Bool[Tensor, "B 2"],
    ) -> Float[Tensor, ""]:
        is_pair = is_present.all(dim=1)
        return info_nce(
            first[is_pair],
            second[is_pair],
            temperature=self.config.temperature,
            gather=self.training,
        )


def cocoa(
    z: Float[Tensor, "B M D"], is_present: Bool[Tensor, "B M"], *, temperature: float
) -> Float[Tensor, ""]:
    """COCOA loss: mean of ``-log(p / (p + n))`` over windows.

    ``p`` sums ``exp`` of the scores between the modalities of a window, in both directions; ``n``
    sums, over its modalities, the mean of ``exp`` of the scores with other windows. Zero where no
    window has two modalities.
    """
    with torch.autocast(z.device.type, enabled=False):
        unit = unit_rows(z.flatten(0, 1)).unflatten(0, z.shape[:2])
        is_pair = is_present[:, :, None] & is_present[:, None]
        is_pair = is_pair & ~torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
        within = (unit @ unit.mT / temperature).exp()
        positive = (within * is_pair).sum(dim=(1, 2))

        of_modality = unit.transpose(0, 1)
        across = (of_modality @ of_modality.mT / temperature).exp()
        there = is_present.T
        is_other = there[:, :, None] & there[:, None]
        is_other = is_other & ~torch.eye(len(z), dtype=torch.bool, device=z.device)
        n_others = is_other.sum(dim=2).clamp(min=1)
        negative = ((across * is_other).sum(dim=2) / n_others).sum(dim=0)

        is_scored = positive > 0
        share = positive[is_scored] / (positive + negative)[is_scored]
        return -share.log().sum() / is_scored.sum().clamp(min=1)
