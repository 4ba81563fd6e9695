"""Settings of the objective cmsc; its module is `medts.objectives.cmsc`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.objectives.settings.base import ObjectiveSettings


class CmscConfig(ObjectiveSettings):
    """Positives, projection and temperature."""

    module: ClassVar[str] = "medts.objectives.cmsc:Cmsc"

    kind: Literal["cmsc"] = "cmsc"
    """Name of the objective in the registry."""

    positives: Literal["subject", "record", "window"] = "subject"
    """What two halves must share to be positives; the paper uses the patient."""

    projection_dim: int = Field(default=128, ge=1)
    """Width of the space in which halves are compared."""

    temperature: float = Field(default=0.1, gt=0.0)
    """Divides the cosine similarities; 0.1 in the authors' code."""
