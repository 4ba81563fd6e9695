"""Settings of the objective regression; its module is `medts.objectives.regression`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.core.labels import LabelKind
from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class RegressionConfig(ObjectiveSettings):
    """How numbers become a loss: Huber loss (Huber, Annals of Mathematical Statistics, 1964)."""

    module: ClassVar[str] = "medts.objectives.regression:Regression"
    learns_from: ClassVar[LearnsFrom] = "labels"
    label_kinds: ClassVar[frozenset[LabelKind]] = frozenset({"number"})

    kind: Literal["regression"] = "regression"
    """Name of the objective in the registry."""

    delta: float = Field(default=1.0, gt=0.0)
    """Error, in standard deviations of the training targets, from which the loss is linear."""
