"""Baselines of CroSSL: other objectives on its encoders, other ways with missing sensors.

Every recipe changes one thing of its base in `medts.recipes.crossl`, so that encoders, windows,
budget and splits are the same. Cross-modal contrast trains no aggregator; its embedding is the
latents side by side.
"""

from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.deep_conv_lstm import DeepConvLSTMConfig
from medts.models.settings.heads import HeadConfig
from medts.objectives.settings.base import ObjectiveSettings
from medts.objectives.settings.cross_modal import CrossModalConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.objectives.settings.vicreg import VicregConfig
from medts.recipes.crossl import (
    crossl_eegmat,
    crossl_eegmat_pretraining,
    crossl_ptb_xl,
    crossl_ptb_xl_pretraining,
    crossl_wisdm,
    crossl_wisdm_pretraining,
    inputs_of,
)
from medts.training.recipe import Recipe


def _instead(base: Recipe, suffix: str, objective: ObjectiveSettings) -> Recipe:
    encoder = base.encoder
    if isinstance(objective, CrossModalConfig):
        encoder = CrosslConfig(streams=inputs_of(base.preprocessing), features="encoder")
    return base.but(name=f"{base.name}_{suffix}", encoder=encoder, objective=objective)


def _on_latents(base: Recipe) -> Recipe:
    encoder = CrosslConfig(streams=inputs_of(base.preprocessing), features="encoder")
    return base.but(name=f"{base.name}_latents", encoder=encoder)


def _with_modality_dropout(base: Recipe, hide_ratio: float = 0.5) -> Recipe:
    encoder = CrosslConfig(streams=inputs_of(base.preprocessing), modality_dropout=hide_ratio)
    return base.but(name=f"{base.name}_modality_dropout", encoder=encoder)


def _deep_conv_lstm(base: Recipe, name: str, stride: int) -> Recipe:
    encoder = DeepConvLSTMConfig(streams=inputs_of(base.preprocessing), stride=stride)
    return base.but(name=name, encoder=encoder, head=HeadConfig(hidden=0, dropout=0.5))


def crossl_wisdm_simclr() -> Recipe:
    """SimCLR on the watch's sensors: altered views of all streams, fused."""
    return _instead(crossl_wisdm_pretraining(), "simclr", SimClrConfig())


def crossl_wisdm_vicreg() -> Recipe:
    """VICReg on the watch's sensors: altered views of all streams, fused."""
    return _instead(crossl_wisdm_pretraining(), "vicreg", VicregConfig())


def crossl_wisdm_cmc() -> Recipe:
    """CMC on the watch's sensors: the two of a window find each other."""
    return _instead(crossl_wisdm_pretraining(), "cmc", CrossModalConfig())


def crossl_wisdm_cocoa() -> Recipe:
    """COCOA on the watch's sensors."""
    return _instead(crossl_wisdm_pretraining(), "cocoa", CrossModalConfig(form="cocoa"))


def crossl_eegmat_simclr() -> Recipe:
    """SimCLR on scalp regions and ECG: altered views of all streams, fused."""
    return _instead(crossl_eegmat_pretraining(), "simclr", SimClrConfig())


def crossl_eegmat_vicreg() -> Recipe:
    """VICReg on scalp regions and ECG: altered views of all streams, fused."""
    return _instead(crossl_eegmat_pretraining(), "vicreg", VicregConfig())


def crossl_eegmat_cmc() -> Recipe:
    """CMC on scalp regions and ECG: each pair of a window finds each other."""
    return _instead(crossl_eegmat_pretraining(), "cmc", CrossModalConfig())


def crossl_eegmat_cocoa() -> Recipe:
    """COCOA on scalp regions and ECG."""
    return _instead(crossl_eegmat_pretraining(), "cocoa", CrossModalConfig(form="cocoa"))


def crossl_ptb_xl_simclr() -> Recipe:
    """SimCLR on lead groups: altered views of all streams, fused."""
    return _instead(crossl_ptb_xl_pretraining(), "simclr", SimClrConfig())


def crossl_ptb_xl_vicreg() -> Recipe:
    """VICReg on lead groups: altered views of all streams, fused."""
    return _instead(crossl_ptb_xl_pretraining(), "vicreg", VicregConfig())


def crossl_ptb_xl_cmc() -> Recipe:
    """CMC on lead groups: each pair of a window finds each other."""
    return _instead(crossl_ptb_xl_pretraining(), "cmc", CrossModalConfig())


def crossl_ptb_xl_cocoa() -> Recipe:
    """COCOA on lead groups."""
    return _instead(crossl_ptb_xl_pretraining(), "cocoa", CrossModalConfig(form="cocoa"))


def crossl_wisdm_latents() -> Recipe:
    """Reads the latents of the watch's sensors side by side, as cross-modal contrast left them."""
    return _on_latents(crossl_wisdm())


def crossl_eegmat_latents() -> Recipe:
    """Reads the latents of scalp regions and ECG side by side."""
    return _on_latents(crossl_eegmat())


def crossl_ptb_xl_latents() -> Recipe:
    """Reads the latents of lead groups side by side."""
    return _on_latents(crossl_ptb_xl())


def crossl_wisdm_modality_dropout() -> Recipe:
    """Supervised on the watch, each sensor hidden half of the time in training."""
    return _with_modality_dropout(crossl_wisdm())


def crossl_eegmat_modality_dropout() -> Recipe:
    """Supervised on scalp regions and ECG, each hidden half of the time in training."""
    return _with_modality_dropout(crossl_eegmat())


def crossl_ptb_xl_modality_dropout() -> Recipe:
    """Supervised on lead groups, each hidden half of the time in training."""
    return _with_modality_dropout(crossl_ptb_xl())


def deep_conv_lstm_wisdm() -> Recipe:
    """DeepConvLSTM on the watch's sensors."""
    return _deep_conv_lstm(crossl_wisdm(), "deep_conv_lstm_wisdm", 1)


def deep_conv_lstm_eegmat() -> Recipe:
    """DeepConvLSTM on scalp regions and ECG; a token is four samples."""
    return _deep_conv_lstm(crossl_eegmat(), "deep_conv_lstm_eegmat", 4)


def deep_conv_lstm_ptb_xl() -> Recipe:
    """DeepConvLSTM on lead groups; a token is four samples."""
    return _deep_conv_lstm(crossl_ptb_xl(), "deep_conv_lstm_ptb_xl", 4)
