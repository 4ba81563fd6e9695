"""Settings of TimesNet; the network is `medts.models.baselines.timesnet`."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class TimesNetConfig(EncoderSettings):
    """Size, window and input of a TimesNet."""

    onnx_obstacle: ClassVar[str] = "aten._unique2, by which windows are folded at their own periods"

    kind: Literal["timesnet"] = "timesnet"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=4)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""

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

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.timesnet import TimesNet

        return TimesNet(self)

    @classmethod
    def tiny(cls) -> "TimesNetConfig":
        """Returns sizes for the contract suite."""
        return TimesNetConfig(
            window=1000, dim=32, depth=2, hidden=16, n_periods=2, n_kernels=2, dropout=0.0
        )
