"""Settings of a plain Transformer; the network is `medts.models.baselines.transformer`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import OneStreamSettings


class TransformerConfig(OneStreamSettings):
    """Size and input of a plain Transformer; the defaults are the paper's base model."""

    network: ClassVar[str] = "medts.models.baselines.transformer:Transformer"

    kind: Literal["transformer"] = "transformer"
    """Name of the encoder in the registry."""

    patch: int = Field(default=10, ge=1)
    """Samples per token."""

    dim: int = Field(default=512, ge=2, multiple_of=2)
    """Width of a token; even."""

    depth: int = Field(default=6, ge=1)
    """Layers."""

    n_heads: int = Field(default=8, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=2048, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention, feed-forward part and sums."""

    @classmethod
    def tiny(cls) -> "TransformerConfig":
        """Returns sizes for the contract suite."""
        return TransformerConfig(dim=16, depth=1, n_heads=2, hidden=32, dropout=0.0)
