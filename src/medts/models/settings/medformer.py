"""Settings of Medformer; the network is `medts.models.baselines.medformer`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import OneStreamSettings


class MedformerConfig(OneStreamSettings):
    """Size and input of a Medformer; the defaults are the authors' model of PTB-XL."""

    network: ClassVar[str] = "medts.models.baselines.medformer:Medformer"

    kind: Literal["medformer"] = "medformer"
    """Name of the encoder in the registry."""

    patch_lengths: tuple[int, ...] = Field(default=(2, 4, 8, 8, *[16] * 4, *[32] * 8), min_length=1)
    """Samples per token of each granularity, shortest first; a length may be repeated."""

    dim: int = Field(default=128, ge=2, multiple_of=2)
    """Width of a token; even."""

    depth: int = Field(default=6, ge=1)
    """Layers."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "MedformerConfig":
        if min(self.patch_lengths) < 1 or list(self.patch_lengths) != sorted(self.patch_lengths):
            raise ValueError(f"patch_lengths {self.patch_lengths} must be positive and ascending")
        return self

    @classmethod
    def tiny(cls) -> "MedformerConfig":
        """Returns sizes for the contract suite."""
        return MedformerConfig(
            patch_lengths=(10, 20), dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0
        )
