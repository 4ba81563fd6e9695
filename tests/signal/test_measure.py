"""Measurements against a synthetic heart whose waves are known, and against what they promise."""

from dataclasses import replace

import numpy as np
import pytest

import medts
from medts.core.errors import MedtsError
from medts.core.records import Record, Stream
from medts.data.sources.synthetic import synthetic_record
from medts.signal.delineation import delineate
from medts.signal.measure import UNITS, measurements_of
from medts.signal.median_beat import average_beats, find_median_beat


def heart(rate_bpm=60.0, *, p=True, duration_s=10.0, sampling_rate=500.0, jitter=0.0):
    """Twelve leads of Gaussian waves with known bounds: PR 160 ms, QRS 90 ms, QT 380 ms."""
    rng = np.random.default_rng(1)
    time_s = np.arange(round(duration_s * sampling_rate)) / sampling_rate
    rr = 60 / rate_bpm * (1 + jitter * rng.normal(size=round(4 * duration_s)))
    r_s = 0.5 + np.cumsum(rr) - rr[0]

    def wave(centre, width, height):
        return sum(height * np.exp(-(((time_s - r - centre) / width) ** 2) / 2) for r in r_s)

    beat = (0.12 * wave(-0.15, 0.02, 1.0) if p else 0) + 1.2 * wave(0.0, 0.012, 1.0)
    beat = beat - 0.25 * wave(0.026, 0.01, 1.0) + 0.3 * wave(0.25, 0.04, 1.0)
    i, ii = 0.6 * beat, 1.0 * beat
    limbs = [i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2]
    chest = [-0.4 * beat, 0.1 * beat, 0.6 * beat, 1.1 * beat, 1.0 * beat, 0.8 * beat]
    signal = np.stack([*limbs, *chest]) + rng.normal(0, 0.004, (12, len(time_s)))
    names = ("I", "II", "III", "aVR", "aVL", "aVF", *(f"V{n}" for n in range(1, 7)))
    stream = Stream(signal.astype(np.float32), names, sampling_rate, "ecg", "mV")
    return Record("r", {"ecg": stream}), r_s[r_s < duration_s - 0.02]


@pytest.mark.parametrize("sampling_rate", [250.0, 500.0, 1000.0])
def test_intervals_of_known_waves(sampling_rate):
    record, r_s = heart(sampling_rate=sampling_rate)
    found = medts.measure(record)
    np.testing.assert_allclose(found.r_s, r_s, atol=0.012)
    assert found.rate_bpm == pytest.approx(60.0, abs=0.5)
    assert found.pr_ms == pytest.approx(160, abs=20)
    assert found.qrs_ms == pytest.approx(90, abs=20)
    assert found.qt_ms == pytest.approx(380, abs=30)
    assert found.qtc_bazett_ms == pytest.approx(found.qt_ms, rel=0.02)
    assert found.axis_deg == pytest.approx(53.4, abs=3)
    assert found.t_mv["II"] == pytest.approx(0.3, abs=0.05)
    assert found.t_mv["V1"] == pytest.approx(-0.12, abs=0.03)
    assert abs(found.st_mv["II"]) < 0.06


def test_corrected_intervals_follow_their_formulas():
    found = medts.measure(heart(90.0)[0])
    rr_s = found.rr_ms / 1000
    assert found.qtc_bazett_ms == pytest.approx(found.qt_ms / np.sqrt(rr_s))
    assert found.qtc_fridericia_ms == pytest.approx(found.qt_ms / np.cbrt(rr_s))


def test_variability_is_that_of_the_beats():
    record, r_s = heart(70.0, duration_s=60.0, jitter=0.03)
    found = medts.measure(record)
    rr_ms = 1000 * np.diff(r_s)
    assert found.sdnn_ms == pytest.approx(rr_ms.std(ddof=1), rel=0.08)
    assert found.rmssd_ms == pytest.approx(np.sqrt((np.diff(rr_ms) ** 2).mean()), rel=0.08)


def test_an_ectopic_beat_is_left_out_of_shape_and_variability():
    record, r_s = heart(60.0, duration_s=20.0)
    stream = record.streams["ecg"]
    time_s = np.arange(stream.n_samples) / stream.sampling_rate
    early = -2.0 * np.exp(-(((time_s - r_s[8] - 0.55) / 0.04) ** 2) / 2)
    signal = (stream.signal + early).astype(np.float32)
    found = medts.measure(Record("r", {"ecg": replace(stream, signal=signal)}))
    plain = medts.measure(record)
    assert len(found.r_s) == len(plain.r_s) + 1
    assert found.sdnn_ms < 15
    assert found.qrs_ms == pytest.approx(plain.qrs_ms, abs=8)
    assert (found.r_similarity < 0.9).sum() == 1


def test_no_p_wave_is_made_up():
    found = medts.measure(heart(p=False)[0])
    assert np.isnan(found.pr_ms)
    assert np.isnan(found.p_ms)
    assert np.isfinite(found.qrs_ms)


def test_fibrillation_has_a_rate_but_no_pr():
    record = synthetic_record(rhythm="AFIB", seed=1, sampling_rate=500.0, duration_s=20.0)
    found = medts.measure(record)
    assert np.isfinite(found.rate_bpm)
    assert np.isnan(found.pr_ms)


def test_noise_is_not_measured():
    noise = np.random.default_rng(0).normal(0, 0.3, (12, 5000)).astype(np.float32)
    stream = replace(heart()[0].streams["ecg"], signal=noise)
    found = medts.measure(Record("r", {"ecg": stream}))
    assert not found.quality.is_usable
    assert list(found.values()) == []
    assert all(np.isnan(getattr(found, name)) for name in UNITS if name not in ("st_mv", "t_mv"))


def test_a_lead_that_cannot_be_relied_on_is_not_measured_and_the_others_are():
    record, _ = heart()
    stream = record.streams["ecg"]
    signal = stream.signal.copy()
    signal[stream.channels.index("V2")] = 0.0
    found = medts.measure(Record("r", {"ecg": replace(stream, signal=signal)}))
    assert "V2" not in found.st_mv
    assert len(found.st_mv) == 11
    assert np.isfinite(found.qt_ms)


def test_an_inverted_lead_gives_the_rate_alone():
    stream = heart()[0].streams["ecg"].pick(("II",))
    found = medts.measure(Record("r", {"ecg": replace(stream, signal=-stream.signal)}))
    assert found.rate_bpm == pytest.approx(60, abs=0.5)
    assert found.st_mv == {}


def test_values_are_named_with_their_units_and_channels():
    values = list(medts.measure(heart()[0]).values())
    units = {each.name: each.unit for each in values}
    assert units == UNITS
    assert {each.channel for each in values if each.name == "st_mv"} >= {"I", "V6"}


def test_what_holds_no_ecg_is_refused_or_left_empty():
    eeg = Stream(np.zeros((1, 1000)), ("Cz",), 100.0, "eeg", "µV")
    record = Record("r", {"eeg": eeg})
    with pytest.raises(MedtsError, match="no ECG in volts"):
        medts.measure(record)
    assert measurements_of(record, medts.judge(record)) == ()


def test_many_beats_are_compared_and_no_more_are_averaged_than_needed():
    record, r_s = heart(75.0, duration_s=400.0, sampling_rate=250.0, jitter=0.0)
    signal = record.streams["ecg"].pick(("II", "V5")).signal
    beat = find_median_beat(signal, 250.0)
    assert len(beat.beats) == 200
    assert np.isfinite(beat.similarity[1:-2]).all()
    assert len(beat.r_peaks) in (len(r_s), len(r_s) - 1, len(r_s) + 1)
    again = average_beats(signal, 250.0, beat.r_peaks)
    np.testing.assert_allclose(again.signal, beat.signal, atol=0.01)
    assert delineate(again).qrs_onset == pytest.approx(delineate(beat).qrs_onset, abs=1)


def test_fewer_than_two_whole_beats_are_no_median():
    record, _ = heart()
    assert find_median_beat(record.streams["ecg"].signal[:, :600], 500.0) is None
