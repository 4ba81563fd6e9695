"""Settings of the objective vicreg; its module is `medts.objectives.vicreg`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import ObjectiveSettings


class VicregConfig(ObjectiveSettings):
    """Views, projection and the weights of the three terms."""

    module: ClassVar[str] = "medts.objectives.vicreg:Vicreg"

    kind: Literal["vicreg"] = "vicreg"
    """Name of the objective in the registry."""

    views: ViewsConfig = ViewsConfig()
    """How the two views of a window differ from it."""

    projection_dim: int = Field(default=512, ge=2)
    """Width of all three layers of the projector; 8192 in the paper, for images."""

    invariance: float = Field(default=25.0, ge=0.0)
    """Weight of the distance between the two views."""

    variance: float = Field(default=25.0, ge=0.0)
    """Weight of the hinge that keeps every dimension spread over the batch."""

    covariance: float = Field(default=1.0, ge=0.0)
    """Weight of the term that decorrelates dimensions."""
