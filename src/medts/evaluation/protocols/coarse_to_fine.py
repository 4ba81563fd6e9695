"""Coarse-to-fine few-shot transfer."""

from dataclasses import replace

from pydantic import Field

from medts.core.errors import ConfigError
from medts.evaluation.protocols.base import Bundle, Found, Protocol, Task
from medts.evaluation.protocols.few_shot import FewShotConfig


class CoarseToFineConfig(FewShotConfig):
    """Settings of the protocol `coarse_to_fine`, besides those of `few_shot`."""

    min_train: int = Field(default=10, ge=1)
    """Training examples from which on a fine class takes part."""

    min_test: int = Field(default=10, ge=1)
    """Test examples from which on a fine class takes part."""


class CoarseToFine(Protocol):
    """Coarse-to-fine few-shot transfer: an encoder trained on coarse classes, k examples of finer.

    MedualTime trains on four grades of abnormality and probes five classes; superclasses and their
    subclasses are another pair. The encoder stays as it was trained on the coarse label set; what
    is sampled, trained and chosen for the fine one is the protocol `few_shot`, word for word.
    Classes too rare to be sampled or to be measured are left out first, and named.
    """

    name = "coarse_to_fine"
    Config = CoarseToFineConfig

    def measure(
        self, bundle: Bundle, task: Task, config: CoarseToFineConfig, *, seed: int
    ) -> Found:
        """Few-shot probing on a finer label set than the bundle was trained on.

        Raises:
            ConfigError: If the label set is the one the model was trained on, or too few classes
                are left.
        """
        from medts.evaluation import few_shot
        from medts.evaluation.task import restrict

        taught = bundle.labels.label_set
        if taught is not None and taught.name == task.label_set.name:
            raise ConfigError(
                f"the model was trained on {taught.name} itself",
                field="label_set",
                remedy="Give a finer label set, or use the protocol `few_shot`",
            )
        finer, left_out = restrict(task, min_train=config.min_train, min_test=config.min_test)
        found = few_shot.run(bundle, finer, config, seed=seed)
        origin = "without labels" if taught is None else f"with {taught.name}"
        notes = [f"the encoder was trained {origin}"]
        if left_out:
            notes.append(f"classes with too few examples were left out: {', '.join(left_out)}")
        return replace(found, notes=(*found.notes, *notes), task=finer)
