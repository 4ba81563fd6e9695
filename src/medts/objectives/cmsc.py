"""CMSC (CLOCS): InfoNCE between the halves of a window, and the windows of a subject.

Contrastive multi-segment coding, from CLOCS (Kiyasseh, Zhu and Clifton, ICML 2021,
arXiv:2005.13249): what a heart does changes little from one second to the next, so adjacent
pieces of one recording are views of each other and no augmentation has to be invented. The
projector is thrown away.

Axes: B windows in the batch, D embedding width.
"""

from dataclasses import replace

from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import group_ids, info_nce
from medts.models.base import Encoder
from medts.nn.projector import Projector
from medts.nn.views import halves, has_signal
from medts.objectives.base import Objective
from medts.objectives.settings.cmsc import CmscConfig
from medts.tensors.batch import Batch, Losses


class Cmsc(Objective):
    """InfoNCE from first halves to second halves and back, with a monitor of collapse.

    Halves are only compared across, never first with first. Windows without a signal take no
    part.

    Departures: the paper compares embeddings as they are; ours go through a projector, as the
    other self-supervised objectives here do. The paper adds a loss for positives off the diagonal
    to one for the diagonal; we take the mean over all positives of an anchor.

    Args:
        config: Positives and temperature.
        encoder: Gives the pooled embedding, of windows half as long as the batch's.
    """

    def __init__(self, config: CmscConfig, *, encoder: Encoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        self.projector = Projector(dim=encoder.dim, hidden=encoder.dim, out=config.projection_dim)

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        is_usable = has_signal(batch)
        first, second = (self.encoder(half).pooled[is_usable] for half in split_windows(batch))
        group = None
        if self.config.positives != "window":
            by_subject = self.config.positives == "subject"
            names = batch.subject_ids if by_subject else batch.record_ids
            group = group_ids(names).to(first.device)[is_usable]
        loss = info_nce(
            self.projector(first),
            self.projector(second),
            group,
            temperature=self.config.temperature,
            gather=self.training,
        )
        return Losses(loss, {"info_nce": loss.detach(), **collapse_parts(first)})


def split_windows(batch: Batch) -> tuple[Batch, Batch]:
    """Splits every window in the middle, in all of its streams."""
    pairs = {name: halves(stream) for name, stream in batch.streams.items()}
    first = {name: pair[0] for name, pair in pairs.items()}
    second = {name: pair[1] for name, pair in pairs.items()}
    return replace(batch, streams=first), replace(batch, streams=second)
