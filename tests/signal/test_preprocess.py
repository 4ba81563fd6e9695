import numpy as np
import pytest
from pydantic import ValidationError

from medts.core.errors import MedtsError
from medts.core.records import Record, Stream
from medts.signal.filtering import bandpass, resample
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, fill_gaps, preprocess

RATE = 500.0
TIME = np.arange(5000) / RATE
TONE = np.sin(2 * np.pi * 5 * TIME).astype(np.float32)


def record(signal, channels, unit="mV", modality="ecg"):
    return Record("r", {modality: Stream(signal, channels, RATE, modality, unit)})


def config(channels=("I", "II"), **changes):
    return Preprocessing(streams={"ecg": StreamPreprocessing(channels=channels, **changes)})


def prepared(signal, present, **changes):
    return preprocess(record(signal, present), config(**changes))["ecg"]


def test_the_order_of_leads_in_the_file_changes_nothing():
    signal = np.stack([TONE, 2 * TONE])
    first = prepared(signal, ("I", "II"))
    second = prepared(signal[::-1].copy(), ("II", "I"))
    assert np.array_equal(first.signal, second.signal)


def test_the_unit_in_the_file_changes_nothing():
    signal = np.stack([TONE, TONE])
    in_mv = preprocess(record(signal, ("I", "II")), config())["ecg"]
    in_uv = preprocess(record(signal * 1000, ("I", "II"), unit="uV"), config())["ecg"]
    assert np.allclose(in_mv.signal, in_uv.signal, atol=1e-5)


def test_a_missing_a_flat_and_an_unrecorded_lead_are_zero_and_marked_absent():
    signal = np.stack([TONE, np.full_like(TONE, 0.3), np.full_like(TONE, np.nan)])
    leads = ("I", "II", "III", "V1")
    made = prepared(signal, ("I", "II", "III"), channels=leads)
    assert made.is_channel_present.tolist() == [True, False, False, False]
    assert not made.signal[1:].any()
    assert np.isfinite(made.signal).all()


def test_a_gap_is_zero_and_spreads_nothing_but_the_filters_ring():
    signal = np.stack([TONE, TONE])
    signal[0, 1000:1500] = np.nan
    made = prepared(signal, ("I", "II"))
    whole = prepared(np.stack([TONE, TONE]), ("I", "II"))
    assert np.abs(made.signal[0, 215:285]).max() < 0.05
    assert np.allclose(made.signal[0, 500:], whole.signal[0, 500:], atol=0.1)
    assert np.array_equal(made.signal[1], whole.signal[1])


def test_an_offset_and_a_slow_drift_are_removed_and_the_wave_is_kept():
    drift = 3.0 + np.sin(2 * np.pi * 0.05 * TIME).astype(np.float32)
    made = prepared(np.stack([TONE + drift, TONE]), ("I", "II"), scale=1.0)
    middle = slice(200, 800)
    assert np.abs(made.signal[0, middle] - made.signal[1, middle]).max() < 0.1
    assert made.signal[1, middle].max() == pytest.approx(1.0, abs=0.05)


def test_a_record_without_the_stream_or_without_a_usable_lead_is_refused():
    with pytest.raises(MedtsError, match="has no stream ecg"):
        preprocess(record(TONE[None], ("Cz",), unit="uV", modality="eeg"), config())
    with pytest.raises(MedtsError, match="no usable channel"):
        prepared(np.zeros((1, 5000), np.float32), ("I",))


def test_the_filter_keeps_its_band_and_delays_nothing():
    slow, fast = np.sin(2 * np.pi * 1 * TIME), np.sin(2 * np.pi * 60 * TIME)
    kept = bandpass(np.stack([TONE, slow + fast]).astype(np.float32), RATE, low_hz=3, high_hz=30)
    middle = slice(1000, 4000)
    assert np.abs(kept[0, middle] - TONE[middle]).max() < 0.1
    assert np.abs(kept[1, middle]).max() < 0.05


def test_a_filter_edge_above_half_the_rate_is_refused():
    with pytest.raises(MedtsError, match="not between 0 and 250"):
        bandpass(TONE[None], RATE, low_hz=None, high_hz=300)


@pytest.mark.parametrize(("rate", "length"), [(100.0, 1000), (250.0, 2500), (360.0, 3600)])
def test_resampling_keeps_the_wave(rate, length):
    made = resample(TONE[None], RATE, rate)
    expected = np.sin(2 * np.pi * 5 * np.arange(length) / rate)
    assert made.shape == (1, length)
    assert np.abs(made[0, 50:-50] - expected[50:-50]).max() < 0.01


def test_resampling_makes_no_step_at_the_ends_of_an_offset_signal():
    made = resample(np.full((1, 5000), 7.0, np.float32), RATE, 100.0)
    assert np.abs(made - 7.0).max() < 1e-3


def test_gaps_are_bridged_by_lines():
    values = np.array([np.nan, 1.0, np.nan, 3.0, np.nan], np.float32)
    assert fill_gaps(values).tolist() == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_contradictions_in_the_config_name_the_values():
    with pytest.raises(ValidationError, match="must be spelt"):
        StreamPreprocessing(channels=("AVR",))
    with pytest.raises(ValidationError, match=r"low_hz 40.0 is not below high_hz 30.0"):
        StreamPreprocessing(low_hz=40.0, high_hz=30.0)
