"""Settings of ECG-NAT; the network is `medts.models.ecg_nat`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

TOKEN_STRIDE = 4
"""Samples per token of the first scale."""

TOTAL_STRIDE = 32
"""Samples per token of the last scale; also the unit in which an objective hides the signal."""


class EcgNatConfig(EncoderSettings):
    """Size, leads and windows of an `EcgNat`; the values are ours, the abstract states none."""

    network: ClassVar[str] = "medts.models.ecg_nat:EcgNat"
    offers: ClassVar[frozenset[str]] = frozenset({"maskable"})

    total_stride: ClassVar[int] = TOTAL_STRIDE
    """Samples per token of the last stage."""

    kind: Literal["ecg_nat"] = "ecg_nat"
    """Name of the encoder in the registry."""

    size: Literal["nano", "tiny", "small", "mini"] = "tiny"
    """Row of `SIZES`: widths, depths and heads."""

    stream: str = "ecg"
    """Name of the stream that is read."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Leads the first convolution reads, by name; one that a record lacks counts as zero."""

    kernel_sizes: tuple[int, int, int, int] = (15, 15, 15, 31)
    """Neighbors of a token in each stage, odd; at 100 Hz 0.6, 1.2, 2.4 and 9.9 s."""

    dilations: tuple[int, int, int, int] = (1, 1, 1, 1)
    """Distance between neighbors in every second layer of each stage; 1 in the others."""

    attention: Literal["neighborhood", "full", "conv"] = "neighborhood"
    """How tokens mix; ``full`` (all tokens) and ``conv`` (depthwise convolution) are controls."""

    is_single_scale: bool = False
    """A control: all layers at the third scale; the others keep only their convolutions."""

    mlp_ratio: float = Field(default=3.0, gt=0.0)
    """Hidden width of the feed-forward part over its own width."""

    drop_path: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Probability of skipping the last layer in training; it rises linearly from zero."""

    @field_validator("kernel_sizes")
    @classmethod
    def _kernels_are_odd(cls, kernel_sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 1 or size % 2 == 0 for size in kernel_sizes):
            raise ValueError(f"kernel sizes must be odd, got {kernel_sizes}")
        return kernel_sizes

    @field_validator("dilations")
    @classmethod
    def _dilations_are_positive(cls, dilations: tuple[int, ...]) -> tuple[int, ...]:
        if min(dilations) < 1:
            raise ValueError(f"dilations must be at least 1, got {dilations}")
        return dilations

    @field_validator("channels")
    @classmethod
    def _channels_are_distinct(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) != len(channels):
            raise ValueError(f"a channel is named twice in {channels}")
        return channels

    @classmethod
    def tiny(cls) -> "EcgNatConfig":
        """Returns sizes for the contract suite."""
        return EcgNatConfig(size="nano", drop_path=0.0)
