"""Settings of DLinear; the network is `medts.models.baselines.dlinear`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import FixedWindowSettings


class DLinearConfig(FixedWindowSettings):
    """Window, smoothing and input of a DLinear."""

    network: ClassVar[str] = "medts.models.baselines.dlinear:DLinear"

    kind: Literal["dlinear"] = "dlinear"
    """Name of the encoder in the registry."""

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

    @classmethod
    def tiny(cls) -> "DLinearConfig":
        """Returns sizes for the contract suite."""
        return DLinearConfig(window=1000, n_features=8)
