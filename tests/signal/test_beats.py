"""R-peaks against beats that are known: made by the synthetic heart, or marked by cardiologists."""

import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.data.sources.synthetic import synthetic_record
from medts.formats import read
from medts.signal.beats import find_r_peaks


def match(found_s, true_s, tolerance_s):
    """Sensitivity and precision of beat times, each found beat used once."""
    free = list(found_s)
    n_hits = 0
    for at_s in true_s:
        near = [each for each in free if abs(each - at_s) <= tolerance_s]
        if near:
            free.remove(min(near, key=lambda each: abs(each - at_s)))
            n_hits += 1
    return n_hits / len(true_s), n_hits / max(1, len(found_s))


def beats_of(record):
    return np.array([each.time_s for each in record.annotations if each.kind == "beat"])


@pytest.mark.parametrize("sampling_rate", [100.0, 360.0, 500.0])
@pytest.mark.parametrize("rhythm", ["SR", "SBRAD", "STACH", "AFIB"])
def test_beats_of_a_synthetic_heart_are_found_in_place(rhythm, sampling_rate):
    scores = []
    for seed in range(3):
        record = synthetic_record(
            rhythm=rhythm, seed=seed, sampling_rate=sampling_rate, duration_s=20.0
        )
        r_s = find_r_peaks(record.streams["ecg"].signal, sampling_rate) / sampling_rate
        # A beat may be cut in two by the end of the recording.
        inner = [each[(each > 0.2) & (each < 19.8)] for each in (r_s, beats_of(record))]
        scores.append(match(*inner, tolerance_s=0.05))
    assert np.mean(scores, axis=0).min() > 0.98


def test_neither_scale_nor_offset_nor_sign_nor_dead_leads_matter():
    record = synthetic_record(rhythm="SR", sampling_rate=250.0)
    signal = record.streams["ecg"].signal.astype(np.float64)
    expected = find_r_peaks(signal, 250.0)
    assert len(expected) > 6
    np.testing.assert_array_equal(find_r_peaks(-1000 * signal + 50, 250.0), expected)
    dead = np.concatenate([signal, np.full((1, 2500), 7.0), np.full((1, 2500), np.nan)])
    np.testing.assert_array_equal(find_r_peaks(dead, 250.0), expected)


def test_a_single_lead_and_gaps_are_enough():
    record = synthetic_record(rhythm="SR", sampling_rate=250.0, duration_s=20.0)
    lead = record.streams["ecg"].pick(("II",)).signal.copy()
    lead[0, 2000:2010] = np.nan
    r_s = find_r_peaks(lead, 250.0) / 250.0
    assert min(match(r_s, beats_of(record), tolerance_s=0.06)) > 0.9


def test_where_nothing_beats_nothing_is_found():
    assert find_r_peaks(np.zeros((2, 1000)), 250.0).tolist() == []
    assert find_r_peaks(np.full((2, 1000), np.nan), 250.0).tolist() == []
    assert find_r_peaks(np.zeros((1, 0)), 250.0).tolist() == []
    with pytest.raises(MedtsError, match="too slow"):
        find_r_peaks(np.zeros((1, 100)), 25.0)


def test_small_beats_after_large_ones_are_found():
    at_s = np.arange(0.5, 30.0, 0.8)
    time_s = np.arange(0, 30, 1 / 250)
    size = np.where(np.arange(len(at_s)) % 2, 1.0, 0.5)
    signal = sum(
        a * np.exp(-0.5 * ((time_s - t) / 0.012) ** 2) for a, t in zip(size, at_s, strict=True)
    )
    r_s = find_r_peaks(signal[None], 250.0) / 250.0
    np.testing.assert_allclose(r_s, at_s, atol=0.005)


def test_record_100_of_mit_bih_is_found_as_its_annotators_marked_it(real_data):
    record = read(real_data / "mitdb" / "100.hea")
    stream = record.streams["ecg"]
    r_s = find_r_peaks(stream.signal, stream.sampling_rate) / stream.sampling_rate
    sensitivity, precision = match(r_s, beats_of(record), tolerance_s=0.15)
    assert len(beats_of(record)) == 2273
    assert sensitivity > 0.99
    assert precision > 0.99
