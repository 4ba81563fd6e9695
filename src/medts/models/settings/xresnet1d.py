"""Settings of xresnet1d; the network is `medts.models.baselines.xresnet1d`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.models.settings.base import OneStreamSettings


class XResNet1dConfig(OneStreamSettings):
    """Depth, width and input of an xresnet1d."""

    network: ClassVar[str] = "medts.models.baselines.xresnet1d:XResNet1d"
    sees_whole_window: ClassVar[bool] = False

    kind: Literal["xresnet1d"] = "xresnet1d"
    """Name of the encoder in the registry."""

    size: Literal["10", "18", "34", "50", "101"] = "101"
    """Layers, as the residual networks are named; 50 and 101 use bottleneck blocks."""

    width: int = Field(default=64, ge=8)
    """Channels inside a block; the benchmark keeps 64 in all four stages."""

    kernel_size: int = Field(default=5, ge=3)
    """Samples that a convolution sees; odd."""

    stem: tuple[int, int, int] = (32, 32, 64)
    """Channels of the three convolutions of the stem."""

    @classmethod
    def tiny(cls) -> "XResNet1dConfig":
        """Returns sizes for the contract suite."""
        return XResNet1dConfig(size="10", width=16, stem=(8, 8, 16))
