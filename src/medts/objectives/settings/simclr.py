"""Settings of the objective simclr; its module is `medts.objectives.simclr`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import ObjectiveSettings

if TYPE_CHECKING:
    import medts.objectives.base


class SimClrConfig(ObjectiveSettings):
    """Views, projection and temperature."""

    kind: Literal["simclr"] = "simclr"
    """Name of the objective in the registry."""

    views: ViewsConfig = ViewsConfig()
    """How the two views of a window differ from it."""

    projection_dim: int = Field(default=128, ge=1)
    """Width of the space in which views are compared; 128 as published."""

    temperature: float = Field(default=0.1, gt=0.0)
    """Divides the cosine similarities; 0.1 to 0.5 in the paper's tables."""

    def build(
        self, parts: "medts.objectives.base.TrainingParts"
    ) -> "medts.objectives.base.Objective":
        """Builds the objective around an encoder."""
        from medts.objectives.simclr import SimClr

        return SimClr(self, encoder=parts.encoder)
