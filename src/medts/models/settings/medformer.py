"""Settings of Medformer; the network is `medts.models.baselines.medformer`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class MedformerConfig(EncoderSettings):
    """Size and input of a Medformer; the defaults are the authors' model of PTB-XL."""

    kind: Literal["medformer"] = "medformer"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    patch_lengths: tuple[int, ...] = Field(default=(2, 4, 8, 8, *[16] * 4, *[32] * 8), min_length=1)
    """Samples per token of each granularity, shortest first; a length may be repeated."""

    dim: int = Field(default=128, ge=2)
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
        if self.dim % self.n_heads or self.dim % 2:
            raise ValueError(f"dim {self.dim} must be even and a multiple of {self.n_heads} heads")
        if min(self.patch_lengths) < 1 or list(self.patch_lengths) != sorted(self.patch_lengths):
            raise ValueError(f"patch_lengths {self.patch_lengths} must be positive and ascending")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.medformer import Medformer

        return Medformer(self)

    @classmethod
    def tiny(cls) -> "MedformerConfig":
        """Returns sizes for the contract suite."""
        return MedformerConfig(
            patch_lengths=(10, 20), dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0
        )
