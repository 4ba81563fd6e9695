"""Settings of LightTS; the network is `medts.models.baselines.lightts`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import FixedWindowSettings


class LightTSConfig(FixedWindowSettings):
    """Size, window and input of a LightTS."""

    network: ClassVar[str] = "medts.models.baselines.lightts:LightTS"

    kind: Literal["lightts"] = "lightts"
    """Name of the encoder in the registry."""

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

    @classmethod
    def tiny(cls) -> "LightTSConfig":
        """Returns sizes for the contract suite."""
        return LightTSConfig(window=1000, chunk=25, dim=8, hidden=8)
