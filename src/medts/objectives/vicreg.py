"""VICReg: variance-invariance-covariance regularisation of two augmented views.

Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised
Learning" (ICLR 2022, arXiv:2105.04906). No negative pairs: collapse is prevented by a floor under
the deviation of every dimension and by decorrelating dimensions. The projector (the paper's
expander) is thrown away.

Axes: B windows in the batch, D embedding width.
"""

import torch
import torch.nn.functional as F

from medts.core.errors import MedtsError
from medts.losses.collapse import collapse_parts
from medts.losses.contrastive import redundancy, spread_hinge
from medts.losses.gathering import gather_rows
from medts.models.base import Encoder
from medts.nn.projector import Projector
from medts.nn.views import has_signal, make_view
from medts.objectives.base import Objective
from medts.objectives.settings.vicreg import VicregConfig
from medts.tensors.batch import Batch, Losses


class Vicreg(Objective):
    """Invariance, variance and covariance of two views, with a monitor of collapse.

    Windows without a signal take no part in the terms.

    Departures: the paper sums the variance term over the two views; we take the mean, as its
    authors' code does. The projector is narrower than theirs.

    Args:
        config: Views and weights.
        encoder: Gives the pooled embedding.

    Raises:
        MedtsError: When a batch to train on has fewer than two windows, which have no spread.
    """

    def __init__(self, config: VicregConfig, *, encoder: Encoder) -> None:
        super().__init__()
        self.config, self.encoder = config, encoder
        width = config.projection_dim
        self.projector = Projector(
            dim=encoder.dim, hidden=width, out=width, n_layers=3, normalise=True
        )

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        if self.training and len(batch) < 2:
            raise MedtsError(
                "VICReg compares windows with each other and this batch has one",
                field="training.batch_size",
                remedy="Use batches of at least 2, better of 64 and more",
            )
        is_usable = has_signal(batch)
        embeddings = [self.encoder(make_view(batch, self.config.views)).pooled for _ in range(2)]
        first, second = (self.projector(each)[is_usable].float() for each in embeddings)
        # Variance and covariance are of the whole batch, over all processes.
        if self.training:
            first, second = gather_rows(first), gather_rows(second)

        invariance = F.mse_loss(first, second) if len(first) else first.sum() * 0.0
        terms = {
            "invariance": self.config.invariance * invariance,
            "variance": self.config.variance * (spread_hinge(first) + spread_hinge(second)) / 2,
            "covariance": self.config.covariance * (redundancy(first) + redundancy(second)),
        }
        parts = {name: term.detach() for name, term in terms.items()}
        total = torch.stack(list(terms.values())).sum()
        return Losses(total, {**parts, **collapse_parts(embeddings[0][is_usable])})
