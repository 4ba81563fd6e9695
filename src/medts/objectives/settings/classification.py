"""Settings of the objective classification; its module is `medts.objectives.classification`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class ClassificationConfig(ObjectiveSettings):
    """How labels become a loss."""

    module: ClassVar[str] = "medts.objectives.classification:Classification"
    learns_from: ClassVar[LearnsFrom] = "labels"

    kind: Literal["classification"] = "classification"
    """Name of the objective in the registry."""

    class_balance: float = Field(default=0.0, ge=0.0, le=1.0)
    """How far rare classes are weighted up: 0 not at all, 1 to equal shares."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Share of certainty taken from the label."""
