"""SimCLR: NT-Xent between two augmented views of a window.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (ICML 2020,
arXiv:2002.05709), with views made for biosignals. The projector is thrown away.

Axes: B windows in the batch, D embedding width.
"""

from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import nt_xent
from medts.models.base import Encoder
from medts.nn.projector import Projector
from medts.nn.views import has_signal, make_view
from medts.objectives.base import Objective
from medts.objectives.settings.simclr import SimClrConfig
from medts.tensors.batch import Batch, Losses


class SimClr(Objective):
    """NT-Xent between the projections of two views, with a monitor of collapse.

    Windows without a signal take no part. A batch of one window has no negatives and scores 0.

    Departures: the paper's projector ends with the width of a ResNet-50; ours is as wide as the
    embedding before its last layer. Large batches and LARS are left to the recipe.

    Args:
        config: Views and temperature.
        encoder: Gives the pooled embedding.
    """

    def __init__(self, config: SimClrConfig, *, encoder: Encoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        self.projector = Projector(dim=encoder.dim, hidden=encoder.dim, out=config.projection_dim)

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        is_usable = has_signal(batch)
        first, second = (
            self.encoder(make_view(batch, self.config.views)).pooled[is_usable] for _ in range(2)
        )
        loss = nt_xent(
            self.projector(first),
            self.projector(second),
            temperature=self.config.temperature,
            gather=self.training,
        )
        return Losses(loss, {"nt_xent": loss.detach(), **collapse_parts(first)})
