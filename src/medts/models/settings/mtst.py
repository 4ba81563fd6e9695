"""Settings of MTST; the network is `medts.models.baselines.mtst`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import OneStreamSettings


class MtstConfig(OneStreamSettings):
    """Size and input of an MTST; patch lengths are those of its comparison with Medformer."""

    network: ClassVar[str] = "medts.models.baselines.mtst:Mtst"

    kind: Literal["mtst"] = "mtst"
    """Name of the encoder in the registry."""

    patch_lengths: tuple[int, ...] = Field(default=(8, 32, 96), min_length=1)
    """Samples per token of each branch, shortest first."""

    dim: int = Field(default=128, ge=1)
    """Width of a token."""

    depth: int = Field(default=6, ge=1)
    """Layers of each branch."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    reach: int = Field(default=64, ge=1)
    """Tokens up to which distances have biases of their own; all further ones share a bias."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "MtstConfig":
        lengths = list(self.patch_lengths)
        if lengths[0] < 1 or lengths != sorted(set(lengths)):
            raise ValueError(f"patch_lengths {self.patch_lengths} must be positive and ascending")
        return self

    @classmethod
    def tiny(cls) -> "MtstConfig":
        """Returns sizes for the contract suite."""
        return MtstConfig(
            patch_lengths=(10, 50), dim=8, depth=1, n_heads=2, hidden=16, dropout=0.0, reach=2
        )
