"""Settings of DLinear; the network is `medts.models.baselines.dlinear`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class DLinearConfig(EncoderSettings):
    """Window, smoothing and input of a DLinear."""

    kind: Literal["dlinear"] = "dlinear"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=2)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""

    kernel_size: int = Field(default=25, ge=3)
    """Samples of the moving average, odd; 25 in the paper."""

    n_features: int | None = Field(default=None, ge=1)
    """Weighted sums per channel; as many as the window has samples if none."""

    is_shared: bool = False
    """Whether all channels share their weights, as in the paper, or each has its own."""

    @model_validator(mode="after")
    def _kernel_has_a_centre(self) -> "DLinearConfig":
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {self.kernel_size} must be odd")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.dlinear import DLinear

        return DLinear(self)

    @classmethod
    def tiny(cls) -> "DLinearConfig":
        """Returns sizes for the contract suite."""
        return DLinearConfig(window=1000, n_features=8)
