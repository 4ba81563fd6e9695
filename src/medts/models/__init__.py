"""What is kept after training: encoders and heads. A new encoder adds one line to each list."""

from typing import Annotated

from pydantic import Field

from medts.models.base import Encoder
from medts.models.baselines.dlinear import DLinear, DLinearConfig
from medts.models.baselines.patchtst import PatchTST, PatchTSTConfig
from medts.models.baselines.s4 import S4, S4Config
from medts.models.baselines.transformer import Transformer, TransformerConfig
from medts.models.baselines.xresnet1d import XResNet1d, XResNet1dConfig
from medts.models.ecg_nat import EcgNat, EcgNatConfig

EncoderConfig = Annotated[
    DLinearConfig | EcgNatConfig | PatchTSTConfig | S4Config | TransformerConfig | XResNet1dConfig,
    Field(discriminator="kind"),
]
"""Config of any encoder, told apart by its ``kind``."""

ENCODERS: dict[str, type[Encoder]] = {
    "dlinear": DLinear,
    "ecg_nat": EcgNat,
    "patchtst": PatchTST,
    "s4": S4,
    "transformer": Transformer,
    "xresnet1d": XResNet1d,
}
"""Encoders by the ``kind`` of their config."""


def build_encoder(config: EncoderConfig) -> Encoder:
    """Builds the encoder that a config describes."""
    return ENCODERS[config.kind](config)  # pyright: ignore[reportCallIssue] - each takes its own
