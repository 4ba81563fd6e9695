"""Settings of iTransformer; the network is `medts.models.baselines.itransformer`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class ITransformerConfig(EncoderSettings):
    """Size, window and input of an iTransformer."""

    kind: Literal["itransformer"] = "itransformer"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=1)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""

    dim: int = Field(default=128, ge=1)
    """Width of a token."""

    depth: int = Field(default=6, ge=1)
    """Layers; 6 in the comparison of the Medformer paper."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    @model_validator(mode="after")
    def _width_can_be_shared(self) -> "ITransformerConfig":
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of {self.n_heads} heads")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.itransformer import ITransformer

        return ITransformer(self)

    @classmethod
    def tiny(cls) -> "ITransformerConfig":
        """Returns sizes for the contract suite."""
        return ITransformerConfig(window=1000, dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0)
