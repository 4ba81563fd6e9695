"""Label matching (MedSpaformer): joint training on the label sets of many datasets.

The training of MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, arXiv:2503.15578): the
embedding of a signal moves towards the words of its class and away from those of the other classes
of the same label set. Every batch belongs to one label set, which it names; which dataset a batch
comes from is left to `medts.data.mixture`.

Encoder and head are both kept.

Axes: B windows in the batch, K classes.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.models.base import Encoder
from medts.models.matching_head import MatchingHead
from medts.nn.views import make_view
from medts.objectives.base import Supervised
from medts.objectives.classification import balancing_weight, cross_entropy
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.tensors.batch import Batch, Losses, Prediction


class LabelMatching(Supervised):
    """Cross-entropy over the classes of the batch's label set.

    Departures: the paper trains on ``single`` sets; for ``multi`` ones it is one binary
    cross-entropy per class. Datasets of a joint training are sampled by the square root of their
    size, where the paper is silent.

    Args:
        config: Weighting and smoothing.
        encoder: Gives the pooled embedding.
        head: Compares it with the words for the classes.
        label_set: What is learnt.
        prevalence: Share of its training records in which each class holds.
        further: Label sets that are learnt besides, with their prevalences.
    """

    head: MatchingHead

    def __init__(
        self,
        config: LabelMatchingConfig,
        *,
        encoder: Encoder,
        head: MatchingHead,
        label_set: LabelSet,
        prevalence: Float[Tensor, "K"],
        further: Sequence[tuple[LabelSet, Tensor]] = (),
    ) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.head = encoder, head
        learnt = [(label_set, prevalence), *further]
        self.label_sets = {each.name: each for each, _ in learnt}
        self._weights: dict[str, Tensor] = {}
        if config.class_balance > 0:
            self._weights = {
                each.name: balancing_weight(shares, kind=each.class_kind) ** config.class_balance
                for each, shares in learnt
            }

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch.

        Raises:
            ConfigError: If its label set is not among those that are learnt.
        """
        if self.training and self.config.views is not None:
            batch = make_view(batch, self.config.views)
        return super().forward(batch)

    def predict(self, batch: Batch) -> Prediction:
        """Returns how well each window matches each class of the batch's label set."""
        label_set = self._resolve(batch)
        encoded = self.head.encode(self.encoder, batch, label_set)
        return Prediction(self.head.logits(encoded, label_set), label_set)

    def _resolve(self, batch: Batch) -> LabelSet:
        """Returns what is learnt under the name of the batch's label set."""
        given = next(iter(self.label_sets.values())) if batch.label_set is None else batch.label_set
        learnt = self.label_sets.get(given.name)
        if learnt is None or learnt.classes != given.classes:
            raise ConfigError(
                f"batch of label set {given.name!r}, whose classes are not learnt",
                field="label_set",
                remedy=f"Learnt: {', '.join(self.label_sets)}",
            )
        return learnt

    def score(self, prediction: Prediction, batch: Batch) -> Losses:
        """Computes the loss over labelled windows."""
        weight = self._weights.get(prediction.label_set.name)
        weight = None if weight is None else weight.to(prediction.logits)
        loss = cross_entropy(prediction, batch, weight, smoothing=self.config.label_smoothing)
        return Losses(total=loss, parts={"cross_entropy": loss.detach()})
