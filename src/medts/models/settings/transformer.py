"""Settings of a plain Transformer; the network is `medts.models.baselines.transformer`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class TransformerConfig(EncoderSettings):
    """Size and input of a plain Transformer; the defaults are the paper's base model."""

    kind: Literal["transformer"] = "transformer"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    patch: int = Field(default=10, ge=1)
    """Samples per token."""

    dim: int = Field(default=512, ge=2)
    """Width of a token; even."""

    depth: int = Field(default=6, ge=1)
    """Layers."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=2048, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    @model_validator(mode="after")
    def _width_can_be_shared(self) -> "TransformerConfig":
        if self.dim % self.n_heads or self.dim % 2:
            raise ValueError(f"dim {self.dim} must be even and a multiple of {self.n_heads} heads")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.transformer import Transformer

        return Transformer(self)

    @classmethod
    def tiny(cls) -> "TransformerConfig":
        """Returns sizes for the contract suite."""
        return TransformerConfig(dim=16, depth=1, n_heads=2, hidden=32, dropout=0.0)
