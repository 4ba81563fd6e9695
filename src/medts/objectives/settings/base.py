"""ObjectiveSettings: what every objective's settings say before a module exists.

A subclass with a ``kind`` is an objective of the package: it is listed, has its flags on the
command line and trains. No file here imports torch.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BeforeValidator, SerializeAsAny

from medts.core.registry import Registered, by_kind

if TYPE_CHECKING:
    import medts.objectives.base


LearnsFrom = Literal["labels", "signals", "pairs", "reports"]
"""What a run reads: labelled records, signals alone, signals with reports, or reports alone."""


class ObjectiveSettings(Registered):
    """Weights and choices of an objective, and what it learns from."""

    noun: ClassVar[str] = "objective"
    home: ClassVar[str] = "medts.objectives.settings"
    group: ClassVar[str] = "medts.objectives"

    learns_from: ClassVar[LearnsFrom] = "signals"
    """``labels`` needs label sets and trains a head; the others are self-supervised."""

    needs: ClassVar[frozenset[str]] = frozenset()
    """Abilities that the encoder must offer; see `EncoderSettings.offers`."""

    @abstractmethod
    def build(
        self, parts: "medts.objectives.base.TrainingParts"
    ) -> "medts.objectives.base.Objective":
        """Builds the objective around the encoder, and the head where there is one."""


AnyObjective = Annotated[
    SerializeAsAny[ObjectiveSettings], BeforeValidator(by_kind(ObjectiveSettings))
]
"""Settings of any registered objective, told apart by their ``kind``."""
