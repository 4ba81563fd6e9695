"""Settings of the objective simclr; its module is `medts.objectives.simclr`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import ObjectiveSettings


class SimClrConfig(ObjectiveSettings):
    """Views, projection and temperature."""

    module: ClassVar[str] = "medts.objectives.simclr:SimClr"

    kind: Literal["simclr"] = "simclr"
    """Name of the objective in the registry."""

    views: ViewsConfig = ViewsConfig()
    """How the two views of a window differ from it."""

    projection_dim: int = Field(default=128, ge=1)
    """Width of the space in which views are compared; 128 as published."""

    temperature: float = Field(default=0.1, gt=0.0)
    """Divides the cosine similarities; 0.1 to 0.5 in the paper's tables."""
