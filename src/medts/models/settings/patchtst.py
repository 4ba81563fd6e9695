"""Settings of PatchTST; the network is `medts.models.baselines.patchtst`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import FixedWindowSettings


class PatchTSTConfig(FixedWindowSettings):
    """Size, window and input of a PatchTST; the defaults are the paper's supervised model."""

    network: ClassVar[str] = "medts.models.baselines.patchtst:PatchTST"

    kind: Literal["patchtst"] = "patchtst"
    """Name of the encoder in the registry."""

    patch: int = Field(default=16, ge=1)
    """Samples per token."""

    stride: int = Field(default=8, ge=1)
    """Samples from one token to the next."""

    dim: int = Field(default=128, ge=1)
    """Width of a token."""

    depth: int = Field(default=3, ge=1)
    """Layers."""

    n_heads: int = Field(default=16, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of values dropped in embedding, feed-forward part and sums."""

    is_normalised: bool = False
    """Whether each channel of a window is brought to mean 0 and spread 1, as in the paper."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "PatchTSTConfig":
        if self.window <= self.patch:
            raise ValueError(f"window {self.window} must be longer than patch {self.patch}")
        return self

    @classmethod
    def tiny(cls) -> "PatchTSTConfig":
        """Returns sizes for the contract suite."""
        return PatchTSTConfig(window=1000, dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0)
