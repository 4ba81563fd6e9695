"""ObjectiveSettings: the config of an objective, before a module exists.

A subclass with a ``kind`` is an objective of the package: it is listed, has its flags on the
command line and trains. No file here imports torch.
"""

import pkgutil
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SerializeAsAny

from medts.core.errors import ConfigError
from medts.core.labels import LabelKind
from medts.core.registry import Registered, by_kind
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.objectives.base


LearnsFrom = Literal["labels", "signals", "pairs", "reports"]
"""What a run reads: labelled records, signals alone, signals with reports, or reports alone."""


class ObjectiveSettings(Registered):
    """Weights and choices of an objective, and what it learns from."""

    noun: ClassVar[str] = "objective"
    home: ClassVar[str] = "medts.objectives.settings"
    group: ClassVar[str] = "medts.objectives"

    module: ClassVar[str] = ""
    """``module:Class`` of the objective, as text: it needs torch, which settings do without."""

    learns_from: ClassVar[LearnsFrom] = "signals"
    """``labels`` needs label sets and trains a head; the others are self-supervised."""

    label_kinds: ClassVar[frozenset[LabelKind]] = frozenset({"single", "multi"})
    """Kinds of label sets that it learns, where it learns from labels."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Abilities that the encoder must offer; see `EncoderSettings.offers`."""

    def check_encoder(self, encoder: EncoderSettings) -> None:
        """Refuses an encoder that has the abilities but whose sizes do not fit.

        Raises:
            ConfigError: If they do not.
        """
        del encoder

    def build(
        self, parts: "medts.objectives.base.TrainingParts"
    ) -> "medts.objectives.base.Objective":
        """Builds the objective around the encoder, and the head where there is one."""
        return pkgutil.resolve_name(self.module)(self, **parts.arguments())


AnyObjective = Annotated[
    SerializeAsAny[ObjectiveSettings], BeforeValidator(by_kind(ObjectiveSettings))
]
"""Settings of any registered objective, by their ``kind`` (a tagged union)."""


def check_fit(encoder: EncoderSettings, objective: ObjectiveSettings) -> None:
    """Makes sure that an objective can train an encoder, before anything is built or written.

    Raises:
        ConfigError: If the encoder lacks what the objective needs; the remedy lists others.
    """
    if lacking := sorted(objective.needs - encoder.abilities()):
        able = [
            kind
            for kind, each in EncoderSettings.registry().items()
            if objective.needs <= each.offers
        ]
        has_it_otherwise = objective.needs <= encoder.offers
        why = "with these settings " if has_it_otherwise else ""
        raise ConfigError(
            f"objective {objective.kind!r} needs an encoder that is {', '.join(lacking)}, which "
            f"{encoder.kind!r} {why}is not",
            field="encoder" if has_it_otherwise else "encoder.kind",
            remedy=f"Encoders that are: {', '.join(able) or 'none'}",
        )
    if objective.learns_from == "signals" and not encoder.reads_signal:
        raise ConfigError(
            f"objective {objective.kind!r} learns from signals, which {encoder.kind!r} does not "
            "read",
            field="encoder.kind",
            remedy="Take an encoder of signals, or an objective that learns from reports",
        )
    objective.check_encoder(encoder)
