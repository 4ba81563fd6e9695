"""Encoders that break a promise, one each: the contracts find every one of them, and only them."""

from typing import ClassVar, Literal

import pytest
import torch
from torch import nn

from medts.models.base import Encoder, OneStreamEncoder
from medts.models.settings.base import EncoderSettings
from medts.tensors.batch import Batch, Encoded
from medts.testing import ENCODER_CONTRACTS, check_encoder


@pytest.fixture(autouse=True)
def _registry_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr(EncoderSettings, "_members", dict(EncoderSettings._members))


class Sound(OneStreamEncoder):
    """Tokens of four samples and their mean, over what `select` returns."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.config, self.dim = config, 16
        self.embed = nn.Linear(len(config.channels) * 4, 16)
        self.out = nn.Linear(16, 16)

    def forward(self, batch: Batch) -> Encoded:
        read = self.select(batch)
        return self.encode(read.signal, read.is_valid)

    def encode(self, signal, is_valid):
        missing = -signal.shape[2] % 4
        signal = nn.functional.pad(signal, (0, missing))
        is_valid = nn.functional.pad(is_valid, (0, missing)).unflatten(1, (-1, 4)).any(dim=2)
        patches = signal.unflatten(2, (-1, 4)).transpose(1, 2).flatten(2)
        tokens = self.out(nn.functional.gelu(self.embed(patches))) * is_valid[..., None]
        count = is_valid.sum(dim=1, keepdim=True).clamp(min=1)
        return Encoded(tokens, is_valid, tokens.sum(dim=1) / count)


class ReadsAbsentChannels(Sound):
    """Takes absent channels as they come; only present ones are freed of gaps."""

    def forward(self, batch: Batch) -> Encoded:
        read, stream = self.select(batch), batch.streams["ecg"]
        rows = [stream.channels.index(name) for name in self.config.channels]
        signal = torch.where(
            read.is_channel_present[..., None], read.signal, stream.signal[:, rows]
        )
        return self.encode(signal * read.is_valid[:, None], read.is_valid)


class DependsOnOrder(Sound):
    """Takes rows by number."""

    def forward(self, batch: Batch) -> Encoded:
        stream = batch.streams["ecg"]
        signal = stream.signal.masked_fill(~stream.is_recorded, 0.0)
        missing = len(self.config.channels) - signal.shape[1]
        return self.encode(nn.functional.pad(signal, (0, 0, 0, missing)), stream.is_valid)


class DependsOnBatchMates(Sound):
    """Compares each window with the mean of its batch."""

    def encode(self, signal, is_valid):
        found = super().encode(signal, is_valid)
        pooled = found.pooled - 0.1 * found.pooled.mean(dim=0)
        return Encoded(found.tokens, found.is_valid, pooled)


class CutsLongWindows(Sound):
    """Reads five seconds and no word about the rest."""

    def encode(self, signal, is_valid):
        return super().encode(signal[..., :500], is_valid[:, :500])


class ReadsGaps(Sound):
    """Knows of padding at the end only."""

    def forward(self, batch: Batch) -> Encoded:
        stream, read = batch.streams["ecg"], self.select(batch)
        place = torch.arange(1, read.is_valid.shape[1] + 1, device=read.is_valid.device)
        is_before = place <= (read.is_valid * place).amax(dim=1, keepdim=True)
        rows = [stream.channels.index(n) if n in stream.channels else -1 for n in read.channels]
        signal = stream.signal[:, rows] * read.is_channel_present[..., None] * is_before[:, None]
        return self.encode(signal, read.is_valid)


class ReadsGapsOfOneChannel(Sound):
    """Knows of absent channels, and of gaps that all channels share."""

    def forward(self, batch: Batch) -> Encoded:
        stream, read = batch.streams["ecg"], self.select(batch)
        rows = [stream.channels.index(n) if n in stream.channels else -1 for n in read.channels]
        is_real = read.is_channel_present[..., None] & read.is_valid[:, None]
        return self.encode(stream.signal[:, rows] * is_real, read.is_valid)


class CreatesOnTheCpu(Sound):
    """Makes a tensor without saying where."""

    def encode(self, signal, is_valid):
        found = super().encode(signal, is_valid)
        return Encoded(found.tokens, found.is_valid, found.pooled * torch.ones(1, self.dim))


class ForgetsSomething(Sound):
    """Holds numbers that are neither parameters nor buffers."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.scale = [torch.rand(()).item()]

    def encode(self, signal, is_valid):
        found = super().encode(signal, is_valid)
        return Encoded(found.tokens, found.is_valid, found.pooled * self.scale[0])


class HasAnIdlePart(Sound):
    """Never uses one of its layers."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.idle = nn.Linear(2, 2)


def settings_of(network: type[Encoder]) -> EncoderSettings:
    name = network.__name__.lower()

    class Settings(EncoderSettings):
        """Settings of an encoder of the tests."""

        sees_whole_window: ClassVar[bool] = False

        kind: Literal["made_up"] = "made_up"
        """Name."""

        stream: str = "ecg"
        """Stream."""

        channels: tuple[str, ...] = ("I", "II", "V1", "V5")
        """Channels."""

        def build(self) -> Encoder:
            return network(self)

    Settings.__qualname__ = f"Settings_{name}"
    EncoderSettings._members["made_up"] = Settings
    return Settings()


BROKEN = {
    ReadsAbsentChannels: {"absent_channels_carry_nothing"},
    DependsOnOrder: {"channels_are_read_by_name", "other_channels_are_read_or_refused"},
    DependsOnBatchMates: {"windows_are_independent"},
    CutsLongWindows: {"lengths_may_vary"},
    ReadsGaps: {"gaps_carry_nothing"},
    ReadsGapsOfOneChannel: {"gaps_carry_nothing"},
    CreatesOnTheCpu: {"creates_tensors_where_the_batch_is"},
    ForgetsSomething: {"saving_and_loading_gives_the_same"},
    HasAnIdlePart: {"gradients_reach_everything"},
}


def test_a_sound_encoder_keeps_every_promise():
    check_encoder(settings_of(Sound), exports=False)


@pytest.mark.parametrize("network", BROKEN, ids=lambda each: each.__name__)
def test_a_broken_promise_is_found(network):
    settings, broken = settings_of(network), set()
    for name, contract in ENCODER_CONTRACTS.items():
        if name == "exports_to_onnx":
            continue
        try:
            contract(settings)
        except (AssertionError, ValueError):
            broken.add(name)
    assert broken == BROKEN[network]
    with pytest.raises(AssertionError, match=next(iter(broken))):
        check_encoder(settings, exports=False)
