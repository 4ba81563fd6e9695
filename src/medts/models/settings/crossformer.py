"""Settings of Crossformer; the network is `medts.models.baselines.crossformer`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import OneStreamSettings


class CrossformerConfig(OneStreamSettings):
    """Size and input of a Crossformer's encoder."""

    network: ClassVar[str] = "medts.models.baselines.crossformer:Crossformer"

    kind: Literal["crossformer"] = "crossformer"
    """Name of the encoder in the registry."""

    patch: int = Field(default=12, ge=1)
    """Samples per segment in the first layer; each further layer doubles it."""

    dim: int = Field(default=128, ge=2, multiple_of=2)
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

    @classmethod
    def tiny(cls) -> "CrossformerConfig":
        """Returns sizes for the contract suite."""
        return CrossformerConfig(dim=8, depth=2, n_heads=2, hidden=16, dropout=0.0)
