"""Settings of TimesNet; the network is `medts.models.baselines.timesnet`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import FixedWindowSettings


class TimesNetConfig(FixedWindowSettings):
    """Size, window and input of a TimesNet."""

    network: ClassVar[str] = "medts.models.baselines.timesnet:TimesNet"
    onnx_obstacle: ClassVar[str] = "aten._unique2, by which windows are folded at their own periods"

    kind: Literal["timesnet"] = "timesnet"
    """Name of the encoder in the registry."""

    dim: int = Field(default=64, ge=2, multiple_of=2)
    """Width of a token; even."""

    depth: int = Field(default=2, ge=1)
    """Blocks."""

    hidden: int = Field(default=64, ge=1)
    """Width between the two convolutions of a block."""

    n_periods: int = Field(default=3, ge=1)
    """Periods at which each block folds."""

    n_kernels: int = Field(default=6, ge=1)
    """Square kernels side by side in a convolution: 1, 3, 5 … wide."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of embedding values dropped in training."""

    @classmethod
    def tiny(cls) -> "TimesNetConfig":
        """Returns sizes for the contract suite."""
        return TimesNetConfig(
            window=1000, dim=32, depth=2, hidden=16, n_periods=2, n_kernels=2, dropout=0.0
        )
