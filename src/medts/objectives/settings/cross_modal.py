"""Settings of the objective cross modal; its module is `medts.objectives.cross_modal`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.core.errors import ConfigError
from medts.models.settings.base import EncoderSettings
from medts.objectives.settings.base import ObjectiveSettings


class CrossModalConfig(ObjectiveSettings):
    """Form, projection and temperature."""

    module: ClassVar[str] = "medts.objectives.cross_modal:CrossModal"
    needs: ClassVar[frozenset[str]] = frozenset({"has_latents"})

    kind: Literal["cross_modal"] = "cross_modal"
    """Name of the objective in the registry."""

    form: Literal["cmc", "cocoa"] = "cmc"
    """``cmc``: each pair of modalities by itself. ``cocoa``: all modalities of a window at once."""

    projection_dim: int = Field(default=64, ge=1)
    """Width of the space in which modalities are compared."""

    temperature: float = Field(default=0.2, gt=0.0)
    """Divides the cosine similarities."""

    def check_encoder(self, encoder: EncoderSettings) -> None:
        """Refuses an encoder of one modality.

        Raises:
            ConfigError: If it has only one.
        """
        if len(encoder.inputs()) < 2:
            raise ConfigError(
                "cross-modal contrast needs an encoder of two or more modalities",
                field="encoder.streams",
                remedy="Give it several streams, or take the objective simclr",
            )
