"""Settings of Crossformer; the network is `medts.models.baselines.crossformer`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class CrossformerConfig(EncoderSettings):
    """Size and input of a Crossformer's encoder."""

    kind: Literal["crossformer"] = "crossformer"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    patch: int = Field(default=12, ge=1)
    """Samples per segment in the first layer; each further layer doubles it."""

    dim: int = Field(default=128, ge=2)
    """Width of a token; even."""

    depth: int = Field(default=3, ge=1)
    """Layers."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward parts."""

    n_routers: int = Field(default=10, ge=1)
    """Tokens through which the channels at one place exchange."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward parts and sums."""

    @model_validator(mode="after")
    def _width_can_be_shared(self) -> "CrossformerConfig":
        if self.dim % self.n_heads or self.dim % 2:
            raise ValueError(f"dim {self.dim} must be even and a multiple of {self.n_heads} heads")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.crossformer import Crossformer

        return Crossformer(self)

    @classmethod
    def tiny(cls) -> "CrossformerConfig":
        """Returns sizes for the contract suite."""
        return CrossformerConfig(dim=8, depth=2, n_heads=2, hidden=16, dropout=0.0)
