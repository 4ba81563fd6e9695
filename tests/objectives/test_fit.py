"""Which objective can train which encoder: said by settings, held by networks of any package."""

import subprocess
import sys
from typing import ClassVar, Literal

import pytest
import torch
from torch import nn

from medts.core.errors import ConfigError
from medts.core.montage import STANDARD_12_LEADS
from medts.models.abilities import ABILITIES, Maskable, Scale
from medts.models.base import Encoder, OneStreamEncoder
from medts.models.settings.base import EncoderSettings
from medts.models.settings.crossl import CrosslConfig
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.medualtime import MedualTimeConfig
from medts.models.settings.melp import MelpConfig
from medts.models.settings.report_encoder import ReportEncoderConfig
from medts.nn.neighborhood import is_before
from medts.nn.settings import TextConfig
from medts.objectives.settings.base import ObjectiveSettings, check_fit
from medts.objectives.settings.cross_modal import CrossModalConfig
from medts.objectives.settings.dual_contrast import DualContrastConfig
from medts.objectives.settings.masked_reconstruction import MaskedReconstructionConfig
from medts.objectives.settings.report_alignment import ReportAlignmentConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.tensors.batch import Batch, Encoded
from medts.testing import check_encoder, check_objective

TINY_GPT2 = TextConfig(name="random-tiny-gpt2", max_tokens=32)


def test_settings_name_abilities_that_exist():
    for settings in EncoderSettings.registry().values():
        assert settings.offers <= ABILITIES.keys()
    for settings in ObjectiveSettings.registry().values():
        assert settings.needs <= ABILITIES.keys()


def test_what_settings_offer_their_networks_have():
    for settings in EncoderSettings.registry().values():
        encoder = settings.tiny().build()
        for ability in settings.tiny().abilities():
            assert isinstance(encoder, ABILITIES[ability])


def test_no_settings_import_torch():
    code = (
        "import sys\n"
        "from medts.models.settings.base import EncoderSettings\n"
        "from medts.objectives.settings.base import ObjectiveSettings\n"
        "EncoderSettings.registry(), ObjectiveSettings.registry()\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("encoder", "objective", "message"),
    [
        (CrosslConfig(), MaskedReconstructionConfig(), "maskable.*'crossl' is not.*ecg_nat"),
        (MelpConfig(text=None, decoder_layers=0), ReportAlignmentConfig(),
         "with these settings is not.*melp"),
        (MedualTimeConfig(passes="text"), DualContrastConfig(), "with these settings is not"),
        (CrosslConfig(), CrossModalConfig(), "two or more modalities"),
        (ReportEncoderConfig(), SimClrConfig(), "learns from signals"),
        (MelpConfig(text=TINY_GPT2), ReportAlignmentConfig(token=0), "contradict"),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_work_is_refused_with_a_remedy(encoder, objective, message):
    with pytest.raises(ValueError, match=message) as caught:
        check_fit(encoder, objective)
    assert isinstance(caught.value, ConfigError)
    assert caught.value.remedy


def test_pairs_that_work_are_accepted():
    check_fit(EcgNatConfig(), MaskedReconstructionConfig())
    check_fit(MelpConfig(), ReportAlignmentConfig())
    check_fit(MedualTimeConfig(), DualContrastConfig())


def test_a_unit_that_splits_tokens_is_refused():
    with pytest.raises(ConfigError, match=r"40 samples.*no multiple of the 32"):
        check_objective(MaskedReconstructionConfig(unit=40), EcgNatConfig.tiny())


class PatchEncoder(OneStreamEncoder):
    """Masked patches of eight samples at one rate: an encoder of somebody else."""

    token_strides, token_dims, shortest = (8,), (16,), 8

    def __init__(self, config) -> None:
        super().__init__(config)
        self.config, self.dim = config, 16
        self.patches = nn.Conv1d(len(config.channels), 16, 8, stride=8)
        self.mix = nn.Conv1d(16, 16, 3, padding=1)

    def tokenize(self, signal, is_valid):
        tokens = self.patches(signal).transpose(1, 2)
        place = torch.arange(1, signal.shape[2] + 1, device=signal.device)
        return tokens, (is_valid * place).amax(dim=1) // 8

    def encode(self, tokens, n_valid=None):
        is_valid = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        if n_valid is not None:
            is_valid = is_before(n_valid, tokens.shape[1])
        hidden = tokens.masked_fill(~is_valid[..., None], 0.0).transpose(1, 2)
        mixed = nn.functional.gelu(self.mix(hidden)).transpose(1, 2) * is_valid[..., None]
        pooled = mixed.sum(dim=1) / is_valid.sum(dim=1, keepdim=True).clamp(min=1)
        return Encoded(mixed, is_valid, pooled, {"scales": [Scale(mixed, is_valid)]})

    def forward(self, batch: Batch) -> Encoded:
        read = self.select(batch)
        return self.encode(*self.tokenize(read.signal, read.is_valid))


def test_an_encoder_of_another_package_can_be_masked(monkeypatch):
    monkeypatch.setattr(EncoderSettings, "_members", dict(EncoderSettings._members))

    class PatchSettings(EncoderSettings):
        """Settings of somebody else's encoder."""

        offers: ClassVar[frozenset[str]] = frozenset({"maskable"})
        sees_whole_window: ClassVar[bool] = False

        kind: Literal["foreign_patches"] = "foreign_patches"
        """Name."""

        stream: str = "ecg"
        """Stream."""

        channels: tuple[str, ...] = STANDARD_12_LEADS
        """Channels."""

        def build(self) -> Encoder:
            return PatchEncoder(self)

    assert isinstance(PatchSettings().build(), Maskable)
    check_encoder(PatchSettings, exports=False)
    objective = MaskedReconstructionConfig(decoder_dim=32, decoder_depth=1)
    check_objective(objective, PatchSettings())
