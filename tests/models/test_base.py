"""Selecting what an encoder reads: by name, zero where nothing was recorded, or refused."""

from dataclasses import replace

import pytest
import torch
from recorded import only

from medts.core.errors import ConfigError, MedtsError
from medts.models.base import select_stream
from medts.models.settings.base import StreamInput
from medts.models.settings.transformer import TransformerConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.tensors.batch import StreamBatch
from medts.testing.batches import make_batch


def make_stream(channels=("I", "II", "V1"), n_samples=10, **masks):
    rows, n = len(channels), 2
    signal = torch.arange(1.0, rows + 1)[None, :, None].repeat(n, 1, n_samples)
    stream = StreamBatch(
        signal=signal,
        is_recorded=torch.ones(signal.shape, dtype=torch.bool),
        channels=channels,
        sampling_rate=100.0,
        modality="ecg",
    )
    return only(stream, **masks)


def test_channels_come_in_the_wanted_order_and_absent_ones_are_zero_and_marked():
    read = select_stream("ecg", make_stream(), StreamInput(channels=("V1", "aVR", "I")))
    assert read.signal[0, :, 0].tolist() == [3.0, 0.0, 1.0]
    assert read.is_channel_present.tolist() == [[True, False, True]] * 2
    assert read.is_valid.all()
    assert (read.channels, read.sampling_rate) == (("V1", "aVR", "I"), 100.0)


def test_what_is_read_as_it_stands_is_not_copied_into_another_order():
    stream = make_stream()
    assert torch.equal(
        select_stream("ecg", stream, StreamInput(channels=stream.channels)).signal, stream.signal
    )


def test_presence_padding_and_gaps_are_respected_window_by_window():
    is_channel_present = torch.tensor([[True, False, True], [True, True, True]])
    is_valid = torch.ones(2, 10, dtype=torch.bool)
    is_valid[0, 4:6] = False
    is_present = torch.tensor([True, False])
    stream = make_stream(samples=is_valid)
    stream = only(stream, channels=is_channel_present, windows=is_present)
    read = select_stream("ecg", stream, StreamInput(channels=stream.channels))
    assert read.is_channel_present.tolist() == [[True, False, True], [False] * 3]
    assert read.is_valid[0].tolist() == is_valid[0].tolist()
    assert not read.is_valid[1].any()
    assert (read.signal[0, 1] == 0).all()
    assert (read.signal[0, :, 4:6] == 0).all()
    assert (read.signal[1] == 0).all()


def test_a_window_without_any_wanted_channel_has_no_valid_sample():
    stream = only(make_stream(), channels=torch.tensor([[False, True, True]] * 2))
    assert not select_stream("ecg", stream, StreamInput(channels=("I",))).is_valid.any()


def test_a_stream_of_other_channels_or_rate_is_refused_with_a_remedy():
    with pytest.raises(ConfigError, match=r"none of Cz among I, II, V1.*Rename"):
        select_stream("ecg", make_stream(), StreamInput(channels=("Cz",)))
    wanted = StreamInput(channels=("I",), sampling_rate=250)
    with pytest.raises(ConfigError, match=r"at 100 Hz, not 250 Hz.*Resample"):
        select_stream("ecg", make_stream(), wanted)


def test_padding_beyond_the_longest_window_is_left_out_and_samples_are_refused():
    wanted, is_valid = StreamInput(channels=("I",)), torch.arange(10).expand(2, 10) < 8
    read = select_stream("ecg", make_stream(samples=is_valid), wanted, longest=8)
    assert read.signal.shape == (2, 1, 8)
    with pytest.raises(MedtsError, match=r"10 samples of 'ecg' is longer than the 8"):
        select_stream("ecg", make_stream(), wanted, longest=8)


@pytest.mark.parametrize("settings", [TransformerConfig.tiny(), XResNet1dConfig.tiny()])
def test_a_batch_without_the_stream_is_refused(settings):
    batch = make_batch(settings)
    other = replace(batch, streams={"eeg": batch.streams["ecg"]})
    with pytest.raises(ConfigError, match=r"no stream 'ecg' in the batch. Present: eeg"):
        settings.build()(other)
