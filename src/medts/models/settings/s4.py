"""Settings of S4; the network is `medts.models.baselines.s4`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import OneStreamSettings


class S4Config(OneStreamSettings):
    """Size and input of an S4; the defaults are those of the benchmark's released code."""

    network: ClassVar[str] = "medts.models.baselines.s4:S4"
    onnx_obstacle: ClassVar[str] = "aten.exp of complex numbers"

    kind: Literal["s4"] = "s4"
    """Name of the encoder in the registry."""

    dim: int = Field(default=512, ge=1)
    """Features per token."""

    depth: int = Field(default=4, ge=1)
    """Layers."""

    state: int = Field(default=8, ge=2)
    """Real numbers in the state of a feature; even, each pair is one oscillator."""

    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of values dropped inside a layer, and of whole features dropped after it."""

    stride: int = Field(default=1, ge=1)
    """Samples per token, embedded by a convolution over ``2 · stride - 1`` of them."""

    is_bidirectional: bool = True
    """Whether a token sees what comes after it, too."""

    initialisation: Literal["lin", "inv"] = "lin"
    """Frequencies at the start: evenly spaced (S4D-Lin), or dense at low ones (S4D-Inv)."""

    step_min: float = Field(default=0.001, gt=0)
    """Shortest time step of a feature at the start, per sample; its oscillators are slowest."""

    step_max: float = Field(default=0.1, gt=0)
    """Longest time step of a feature at the start, per sample; its oscillators are fastest."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "S4Config":
        if self.state % 2:
            raise ValueError(f"state {self.state} is odd; oscillators take two numbers each")
        if self.step_min > self.step_max:
            raise ValueError(f"step_min {self.step_min} is above step_max {self.step_max}")
        return self

    @classmethod
    def tiny(cls) -> "S4Config":
        """Returns sizes for the contract suite."""
        return S4Config(dim=16, depth=2, stride=2, dropout=0.0)
