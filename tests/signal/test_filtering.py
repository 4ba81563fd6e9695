"""Filters and resampling against scipy, and against what they are meant to keep."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import signal as dsp

from medts.core.errors import MedtsError
from medts.data.sources.synthetic import synthetic_record
from medts.signal.filtering import (
    bandpass,
    convolve_valid,
    fir_bandpass,
    fir_taps,
    mirror_ends,
    resample,
)

RATE = 500.0
TIME = np.arange(5000) / RATE
TONE = np.sin(2 * np.pi * 5 * TIME).astype(np.float32)
RATES = [
    (500.0, 100.0), (100.0, 500.0), (500.0, 360.0), (360.0, 100.0), (1024.0, 1.0), (700.0, 64.0),
    (128 / 3, 20.0), (20.037, 20.0), (31.25, 44.1),
]  # fmt: skip


def gain(taps, at_hz, rate):
    """Returns the (real) frequency response of a symmetric kernel."""
    at_s = (np.arange(len(taps)) - len(taps) // 2) / rate
    return np.cos(2 * np.pi * np.multiply.outer(at_hz, at_s)) @ taps


@pytest.mark.parametrize(("low_hz", "high_hz"), [(0.5, None), (None, 40.0), (0.5, 40.0), (3, 30)])
def test_the_kernel_is_symmetric_and_has_the_gain_that_is_promised(low_hz, high_hz):
    taps = fir_taps(low_hz, high_hz, 100.0)
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)
    assert gain(taps, 0.0, 100.0) == pytest.approx(0.0 if low_hz else 1.0, abs=1e-12)
    low, high = 2 * (low_hz or 0.0), (high_hz or 60.0) / 1.25
    inside = np.linspace(low, min(high, 50.0), 500)
    assert np.abs(gain(taps, inside, 100.0) - 1).max() < 0.007
    for edge in filter(None, (low_hz, high_hz)):
        assert gain(taps, edge, 100.0) == pytest.approx(0.5, abs=0.01)
    if high_hz:
        assert np.abs(gain(taps, np.linspace(1.2 * high_hz, 50.0, 50), 100.0)).max() < 0.01


def test_drift_is_suppressed_more_and_slow_beats_are_kept_better_than_by_butterworth():
    taps = fir_taps(0.5, None, 100.0)
    at_hz = np.array([0.05, 0.15, 0.25, 0.67, 1.0])
    butterworth = 1 / (1 + (0.5 / at_hz) ** 4)
    kept = gain(taps, at_hz, 100.0)
    np.testing.assert_allclose(np.abs(kept), [0.001, 0.002, 0.046, 0.857, 1.001], atol=5e-4)
    assert (np.abs(kept[1:3]) < butterworth[1:3]).all()
    assert (kept[3:] > butterworth[3:]).all()
    above = gain(taps, np.linspace(1, 50, 2000), 100.0)
    assert np.abs(above - 1).max() < 0.004


@pytest.mark.parametrize(("rhythm", "within_mv"), [("SBRAD", 0.018), ("SR", 0.0045)])
def test_st_elevation_comes_out_truer_than_by_butterworth(rhythm, within_mv):
    errors = {"fir": 0.0, "butterworth": 0.0}
    for seed in range(6):
        record = synthetic_record(
            rhythm=rhythm, findings=("STE",), noise=False, severity=1.0, duration_s=30.0,
            sampling_rate=500.0, seed=seed, subject_id=str(seed),
        )  # fmt: skip
        signal = resample(record.streams["ecg"].signal, 500.0, 100.0)
        beats = [round(100 * each.time_s) for each in record.annotations if each.kind == "beat"]
        beats = [at for at in beats if 400 < at < 2600]

        def level(of, beats=beats):
            steps = [of[:, at + 11] - np.median(of[:, at - 9 : at - 6], axis=1) for at in beats]
            return np.median(steps, axis=0)

        assert np.abs(level(signal)).max() > 0.15
        for name, function in (("fir", fir_bandpass), ("butterworth", bandpass)):
            filtered = function(signal, 100.0, low_hz=0.5, high_hz=None)
            error = np.abs(level(filtered) - level(signal)).max()
            errors[name] = max(errors[name], error)
    assert errors["fir"] < within_mv < errors["butterworth"]


def test_an_upper_edge_at_half_the_rate_does_nothing_and_other_edges_there_are_refused():
    assert np.array_equal(fir_taps(0.5, 50.0, 100.0), fir_taps(0.5, None, 100.0))
    assert fir_taps(None, 60.0, 100.0).tolist() == [1.0]
    for low_hz, high_hz in ((50.0, None), (0.0, None), (None, -1.0)):
        with pytest.raises(MedtsError, match=r"not between 0 and 50.0 Hz"):
            fir_taps(low_hz, high_hz, 100.0)


@pytest.mark.parametrize("function", [bandpass, fir_bandpass])
def test_a_filter_keeps_its_band_and_delays_nothing(function):
    slow, fast = np.sin(2 * np.pi * 1 * TIME), np.sin(2 * np.pi * 60 * TIME)
    signal = np.stack([TONE, slow + fast]).astype(np.float32)
    kept = function(signal, RATE, low_hz=3, high_hz=30)
    middle = slice(1000, 4000)
    assert np.abs(kept[0, middle] - TONE[middle]).max() < 0.1
    assert np.abs(kept[1, middle]).max() < 0.05


def test_a_butterworth_edge_above_half_the_rate_is_refused():
    with pytest.raises(MedtsError, match="not between 0 and 250"):
        bandpass(TONE[None], RATE, low_hz=None, high_hz=300)


@pytest.mark.parametrize("n_samples", [0, 5, 401, 402, 1400, 200_000])
@pytest.mark.parametrize("n_taps", [1, 3, 401])
def test_convolution_equals_that_of_numpy_in_blocks_too(n_samples, n_taps):
    generator = np.random.default_rng(n_samples)
    signal, taps = generator.standard_normal((2, n_samples)), generator.standard_normal(n_taps)
    found = convolve_valid(signal, taps)
    if n_samples < n_taps:
        assert found.shape == (2, 0)
        return
    expected = np.stack([np.convolve(row, taps, "valid") for row in signal])
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("n_samples", [1, 3, 1000])
def test_ends_are_mirrored_as_often_as_it_takes(n_samples):
    signal = np.arange(2.0 * n_samples).reshape(2, n_samples)
    extended = mirror_ends(signal, 200)
    period = np.concatenate([signal, signal[:, ::-1]], axis=1)
    at = np.arange(-200, n_samples + 200) % (2 * n_samples)
    assert np.array_equal(extended, period[:, at])


@pytest.mark.parametrize("n_samples", [2, 7, 5000])
@pytest.mark.parametrize(("rate", "to"), RATES)
def test_resampling_equals_that_of_scipy(rate, to, n_samples):
    generator = np.random.default_rng(n_samples)
    signal = generator.standard_normal((3, n_samples)).cumsum(axis=1) / 100 + 0.5
    ratio = Fraction(to / rate).limit_denominator(1000 * max(1, int(rate / to)))
    up, down = ratio.numerator, ratio.denominator
    expected = dsp.resample_poly(signal, up, down, axis=1, padtype="line")
    np.testing.assert_allclose(resample(signal, rate, to), expected, atol=1e-12)
    in_single = resample(signal.astype(np.float32), rate, to)
    assert in_single.dtype == np.float32
    np.testing.assert_allclose(in_single, expected, atol=1e-6)


@pytest.mark.parametrize(("rate", "to"), RATES)
def test_a_single_sample_keeps_its_level(rate, to):
    made = resample(np.full((1, 1), 3.0), rate, to)
    np.testing.assert_allclose(made, 3.0, rtol=2e-3)


def test_a_long_signal_is_resampled_in_blocks_as_in_one():
    signal = np.random.default_rng(0).standard_normal((1, 400_000))
    expected = dsp.resample_poly(signal, 18, 25, axis=1, padtype="line")
    np.testing.assert_allclose(resample(signal, 500.0, 360.0), expected, atol=1e-12)


@pytest.mark.parametrize(("rate", "length"), [(100.0, 1000), (250.0, 2500), (360.0, 3600)])
def test_resampling_keeps_the_wave(rate, length):
    made = resample(TONE[None], RATE, rate)
    expected = np.sin(2 * np.pi * 5 * np.arange(length) / rate)
    assert made.shape == (1, length)
    assert np.abs(made[0, 50:-50] - expected[50:-50]).max() < 0.01


def test_resampling_makes_no_step_at_the_ends_of_an_offset_signal():
    made = resample(np.full((1, 5000), 7.0, np.float32), RATE, 100.0)
    assert np.abs(made - 7.0).max() < 1e-3


@pytest.mark.parametrize(
    ("rate", "to"), [(1024.0, 1.0), (700.0, 64.0), (128 / 3, 20.0), (20.037, 20.0), (31.25, 44.1)]
)
def test_rates_that_do_not_divide_leave_every_second_in_its_place(rate, to):
    time = np.arange(int(rate * 100)) / rate
    made = resample(np.sin(2 * np.pi * 0.11 * time)[None].astype(np.float32), rate, to)[0]
    expected = np.sin(2 * np.pi * 0.11 * np.arange(len(made)) / to)
    inner = slice(int(5 * to), int(95 * to))
    assert np.abs(made - expected)[inner].max() < 0.02


@pytest.mark.parametrize("function", [bandpass, fir_bandpass])
def test_no_channel_alters_another_by_a_bit(function):
    signal = np.random.default_rng(0).standard_normal((12, 5000)).astype(np.float32)

    def chain(rows):
        return function(resample(rows, 500.0, 360.0), 360.0, low_hz=0.5, high_hz=40.0)

    whole = chain(signal)
    for rows in (slice(0, 1), slice(3, 6), slice(5, 12)):
        assert np.array_equal(chain(signal[rows]), whole[rows])
