"""Settings of LightTS; the network is `medts.models.baselines.lightts`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class LightTSConfig(EncoderSettings):
    """Size, window and input of a LightTS."""

    kind: Literal["lightts"] = "lightts"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=1)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""

    chunk: int = Field(default=25, ge=1)
    """Samples per column of a table; the window is a multiple of it."""

    dim: int = Field(default=64, ge=1)
    """Width of a channel's embedding, and of what is kept of a column."""

    hidden: int = Field(default=16, ge=1)
    """Width of the bottleneck of an exchange block."""

    @model_validator(mode="after")
    def _window_is_made_of_chunks(self) -> "LightTSConfig":
        if self.window % self.chunk:
            raise ValueError(f"window {self.window} is not a multiple of chunk {self.chunk}")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.lightts import LightTS

        return LightTS(self)

    @classmethod
    def tiny(cls) -> "LightTSConfig":
        """Returns sizes for the contract suite."""
        return LightTSConfig(window=1000, chunk=25, dim=8, hidden=8)
