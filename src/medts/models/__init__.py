"""What is kept after training: encoders and heads. A new encoder adds one line to each list."""

from medts.models.base import Encoder
from medts.models.baselines.xresnet1d import XResNet1d, XResNet1dConfig
from medts.models.ecg_nat import EcgNat, EcgNatConfig

EncoderConfig = XResNet1dConfig
"""Config of any encoder, told apart by its ``kind``."""

ENCODERS: dict[str, type[Encoder]] = {
    "xresnet1d": XResNet1d,
}
"""Encoders by the ``kind`` of their config."""


def build_encoder(config: EncoderConfig) -> Encoder:
    """Builds the encoder that a config describes."""
    return ENCODERS[config.kind](config)  # pyright: ignore[reportCallIssue] - each takes its own
