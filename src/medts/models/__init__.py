"""What is kept after training: encoders and heads. A new encoder adds one line to each list."""

from typing import Annotated

from pydantic import Field

from medts.models.base import Encoder
from medts.models.baselines.crossformer import Crossformer, CrossformerConfig
from medts.models.baselines.deep_conv_lstm import DeepConvLSTM, DeepConvLSTMConfig
from medts.models.baselines.dlinear import DLinear, DLinearConfig
from medts.models.baselines.gpt4ts import Gpt4ts, Gpt4tsConfig
from medts.models.baselines.itransformer import ITransformer, ITransformerConfig
from medts.models.baselines.lightts import LightTS, LightTSConfig
from medts.models.baselines.medformer import Medformer, MedformerConfig
from medts.models.baselines.mtst import Mtst, MtstConfig
from medts.models.baselines.patchtst import PatchTST, PatchTSTConfig
from medts.models.baselines.s4 import S4, S4Config
from medts.models.baselines.text_linear import TextLinear, TextLinearConfig
from medts.models.baselines.timesnet import TimesNet, TimesNetConfig
from medts.models.baselines.transformer import Transformer, TransformerConfig
from medts.models.baselines.xresnet1d import XResNet1d, XResNet1dConfig
from medts.models.crossl import Crossl, CrosslConfig
from medts.models.ecg_nat import EcgNat, EcgNatConfig
from medts.models.medualtime import MedualTime, MedualTimeConfig
from medts.models.melp import Melp, MelpConfig
from medts.models.melp_tower import MelpTower, MelpTowerConfig
from medts.models.sparseformer import Sparseformer, SparseformerConfig

EncoderConfig = Annotated[
    CrossformerConfig
    | CrosslConfig
    | DeepConvLSTMConfig
    | DLinearConfig
    | EcgNatConfig
    | Gpt4tsConfig
    | ITransformerConfig
    | LightTSConfig
    | MedformerConfig
    | MedualTimeConfig
    | MelpConfig
    | MelpTowerConfig
    | MtstConfig
    | PatchTSTConfig
    | S4Config
    | SparseformerConfig
    | TextLinearConfig
    | TimesNetConfig
    | TransformerConfig
    | XResNet1dConfig,
    Field(discriminator="kind"),
]
"""Config of any encoder, told apart by its ``kind``."""

ENCODERS: dict[str, type[Encoder]] = {
    "crossformer": Crossformer,
    "crossl": Crossl,
    "deep_conv_lstm": DeepConvLSTM,
    "dlinear": DLinear,
    "ecg_nat": EcgNat,
    "gpt4ts": Gpt4ts,
    "itransformer": ITransformer,
    "lightts": LightTS,
    "medformer": Medformer,
    "medualtime": MedualTime,
    "melp": Melp,
    "melp_tower": MelpTower,
    "mtst": Mtst,
    "patchtst": PatchTST,
    "s4": S4,
    "sparseformer": Sparseformer,
    "text_linear": TextLinear,
    "timesnet": TimesNet,
    "transformer": Transformer,
    "xresnet1d": XResNet1d,
}
"""Encoders by the ``kind`` of their config."""


def build_encoder(config: EncoderConfig) -> Encoder:
    """Builds the encoder that a config describes."""
    return ENCODERS[config.kind](config)  # pyright: ignore[reportCallIssue] - each takes its own
