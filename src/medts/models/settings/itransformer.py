"""Settings of iTransformer; the network is `medts.models.baselines.itransformer`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import FixedWindowSettings


class ITransformerConfig(FixedWindowSettings):
    """Size, window and input of an iTransformer."""

    network: ClassVar[str] = "medts.models.baselines.itransformer:ITransformer"

    kind: Literal["itransformer"] = "itransformer"
    """Name of the encoder in the registry."""

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

    @classmethod
    def tiny(cls) -> "ITransformerConfig":
        """Returns sizes for the contract suite."""
        return ITransformerConfig(window=1000, dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0)
