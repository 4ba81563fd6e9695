"""Settings of the objective classification; its module is `medts.objectives.classification`."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings

if TYPE_CHECKING:
    import medts.objectives.base


class ClassificationConfig(ObjectiveSettings):
    """How labels become a loss."""

    learns_from: ClassVar[LearnsFrom] = "labels"

    kind: Literal["classification"] = "classification"
    """Name of the objective in the registry."""

    class_balance: float = Field(default=0.0, ge=0.0, le=1.0)
    """How far rare classes are weighted up: 0 not at all, 1 to equal shares."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Share of certainty taken from the label."""

    def build(
        self, parts: "medts.objectives.base.TrainingParts"
    ) -> "medts.objectives.base.Objective":
        """Builds the objective around an encoder."""
        from medts.objectives.classification import Classification

        return Classification(self, **parts.with_labels())
