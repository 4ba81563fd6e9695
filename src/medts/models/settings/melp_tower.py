"""Settings of MELP's ECG tower; the network is `medts.models.melp_tower`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import OneStreamSettings


class MelpTowerConfig(OneStreamSettings):
    """Sizes and input; the defaults are those of the paper and its released code."""

    network: ClassVar[str] = "medts.models.melp_tower:MelpTower"

    kind: Literal["melp_tower"] = "melp_tower"
    """Name of the encoder in the registry."""

    n_convs: int = Field(default=4, ge=1)
    """Convolutions of stride 2; four make a token of 16 samples, 32 ms at 500 Hz."""

    conv_dim: int = Field(default=256, ge=1)
    """Channels of every convolution."""

    is_amplitude_kept: bool = False
    """Whether the norm over time behind the first convolution is left out. The paper has it; with
    it, tokens do not depend on the size of a signal."""

    conv_gradient: float = Field(default=0.1, gt=0.0, le=1.0)
    """Factor of the gradient into the convolutions."""

    dim: int = Field(default=768, ge=1)
    """Width of a token."""

    depth: int = Field(default=8, ge=1)
    """Layers of attention."""

    n_heads: int = Field(default=12, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=3072, ge=1)
    """Width inside the feed-forward part of a layer."""

    position_kernel: int = Field(default=128, ge=2)
    """Tokens that the convolution over positions reads."""

    position_groups: int = Field(default=16, ge=1)
    """Groups of channels in that convolution."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped in attention and in the sums around it."""

    is_checkpointed: bool = False
    """Whether the layers' activations are computed again in the backward pass instead of kept:
    less memory, about a third more time."""

    @model_validator(mode="after")
    def _widths_can_be_shared(self) -> "MelpTowerConfig":
        if self.dim % self.position_groups:
            raise ValueError(f"dim {self.dim} is no multiple of {self.position_groups} groups")
        return self

    @classmethod
    def tiny(cls) -> "MelpTowerConfig":
        """Returns sizes for the contract suite."""
        return MelpTowerConfig(
            n_convs=4,
            conv_dim=8,
            dim=16,
            depth=1,
            n_heads=2,
            hidden=32,
            position_kernel=4,
            position_groups=2,
            dropout=0.0,
            conv_gradient=1.0,
        )
