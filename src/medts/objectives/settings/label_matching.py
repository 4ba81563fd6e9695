"""Settings of the objective label matching; its module is `medts.objectives.label_matching`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class LabelMatchingConfig(ObjectiveSettings):
    """How several datasets are mixed, and how labels become a loss."""

    module: ClassVar[str] = "medts.objectives.label_matching:LabelMatching"
    learns_from: ClassVar[LearnsFrom] = "labels"

    kind: Literal["label_matching"] = "label_matching"
    """Name of the objective in the registry."""

    dataset_balance: float = Field(default=0.5, ge=0.0, le=1.0)
    """How evenly datasets are sampled: 0 by their number of windows, 1 all equally often, one half
    by its square root."""

    class_balance: float = Field(default=0.0, ge=0.0, le=1.0)
    """How far rare classes of a label set are weighted up: 0 not at all, 1 to equal shares."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Share of certainty taken from the label."""

    views: ViewsConfig | None = None
    """How windows are altered in training; none leaves them as they are."""
