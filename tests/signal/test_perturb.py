import numpy as np
import pytest
from scipy.signal import periodogram

from medts.core.errors import MedtsError, UnknownNameError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Annotation, Record, Stream
from medts.signal.perturb import (
    ELECTRODES,
    add_noise,
    change_streams,
    drop_channels,
    drop_streams,
    invert,
    record_at,
    scale_gain,
    shorten,
    swap_electrodes,
)

RATE = 500.0


def leads_of(potential):
    """The twelve leads of nine electrode potentials, as a textbook forms them."""
    v = dict(zip(ELECTRODES, potential, strict=True))
    limb = {"I": v["LA"] - v["RA"], "II": v["LL"] - v["RA"], "III": v["LL"] - v["LA"]}
    augmented = {
        "aVR": v["RA"] - (v["LA"] + v["LL"]) / 2,
        "aVL": v["LA"] - (v["RA"] + v["LL"]) / 2,
        "aVF": v["LL"] - (v["RA"] + v["LA"]) / 2,
    }
    centre = (v["RA"] + v["LA"] + v["LL"]) / 3
    chest = {f"V{i}": v[f"V{i}"] - centre for i in range(1, 7)}
    return np.stack([(limb | augmented | chest)[name] for name in STANDARD_12_LEADS])


@pytest.fixture
def potential():
    return np.random.default_rng(0).standard_normal((9, 1000)).cumsum(axis=1) * 0.02


@pytest.fixture
def stream(potential):
    return Stream(leads_of(potential), STANDARD_12_LEADS, RATE, "ecg", "mV")


@pytest.mark.parametrize(
    ("first", "second"),
    [("RA", "LA"), ("RA", "LL"), ("LA", "LL"), ("V1", "V2"), ("V3", "V6"), ("RA", "V1")],
)
def test_exchanged_electrodes_give_the_leads_of_exchanged_potentials(
    stream, potential, first, second
):
    exchanged = potential.copy()
    i, j = ELECTRODES.index(first), ELECTRODES.index(second)
    exchanged[[i, j]] = potential[[j, i]]
    found = swap_electrodes(stream, first, second)
    np.testing.assert_allclose(found.signal, leads_of(exchanged), atol=1e-9)


def test_exchanged_arms_turn_lead_i_over_and_exchange_the_others_exactly(stream):
    rng = np.random.default_rng(1)
    # Leads that do not fit together, as rounding leaves them: still moved, never averaged.
    stream = Stream(rng.standard_normal((12, 50)), STANDARD_12_LEADS, RATE, "ecg", "mV")
    lead = dict(zip(STANDARD_12_LEADS, stream.signal, strict=True))
    found = swap_electrodes(stream, "RA", "LA")
    expected = lead | {
        "I": -lead["I"], "II": lead["III"], "III": lead["II"],
        "aVR": lead["aVL"], "aVL": lead["aVR"],
    }  # fmt: skip
    for name, row in zip(found.channels, found.signal, strict=True):
        np.testing.assert_array_equal(row, expected[name])


def test_an_exchange_made_twice_changes_nothing(stream):
    twice = swap_electrodes(swap_electrodes(stream, "RA", "LL"), "RA", "LL")
    np.testing.assert_array_equal(twice.signal, stream.signal)


def test_an_exchange_does_not_depend_on_the_order_of_leads(stream):
    shuffled = stream.pick(tuple(reversed(STANDARD_12_LEADS)))
    found = swap_electrodes(shuffled, "LA", "LL").pick(STANDARD_12_LEADS)
    np.testing.assert_array_equal(found.signal, swap_electrodes(stream, "LA", "LL").signal)


def test_a_few_leads_are_enough_where_they_determine_the_others(stream, potential):
    few = stream.pick(("I", "II", "V1"))
    exchanged = potential[[1, 0, *range(2, 9)]]
    expected = leads_of(exchanged)[[0, 1, 6]]
    np.testing.assert_allclose(swap_electrodes(few, "RA", "LA").signal, expected, atol=1e-9)


def test_an_exchange_that_the_leads_do_not_determine_is_refused(stream):
    with pytest.raises(MedtsError, match="II with RA and LA exchanged is not determined by II, V1"):
        swap_electrodes(stream.pick(("II", "V1")), "RA", "LA")
    with pytest.raises(UnknownNameError, match="electrode"):
        swap_electrodes(stream, "RA", "RL")
    other = Stream(stream.signal[:2], ("MLII", "V1"), RATE, "ecg", "mV")
    with pytest.raises(MedtsError, match="which electrodes MLII"):
        swap_electrodes(other, "RA", "LA")


@pytest.mark.parametrize("kind", ["white", "wander", "mains", "muscle"])
@pytest.mark.parametrize("snr_db", [10.0, -3.0])
def test_noise_has_exactly_the_power_asked_for_on_every_channel(stream, kind, snr_db):
    stream = drop_channels(stream, ["V6"])
    noise = add_noise(stream, kind, snr_db, np.random.default_rng(0)).signal - stream.signal
    ratio = stream.signal[:11].var(axis=1) / noise[:11].var(axis=1)
    np.testing.assert_allclose(10 * np.log10(ratio), snr_db, atol=1e-6)
    assert np.isnan(noise[11]).all()


@pytest.mark.parametrize(
    ("kind", "low_hz", "high_hz"), [("wander", 0, 1), ("mains", 49, 51), ("muscle", 19, 151)]
)
def test_noise_lies_in_its_band(kind, low_hz, high_hz):
    time_s = np.arange(5000) / RATE
    stream = Stream(np.sin(2 * np.pi * 5 * time_s)[None], ("I",), RATE, "ecg", "mV")
    noise = add_noise(stream, kind, 0.0, np.random.default_rng(0)).signal - stream.signal
    frequency, power = periodogram(noise[0], RATE, window="hann")
    is_inside = (frequency >= low_hz) & (frequency <= high_hz)
    assert power[is_inside].sum() > 0.99 * power.sum()


def test_a_flat_channel_stays_flat_and_the_seed_repeats_the_noise(stream):
    stream.signal[3] = 0.5
    found = add_noise(stream, "white", 0.0, np.random.default_rng(5))
    assert (found.signal[3] == 0.5).all()
    again = add_noise(stream, "white", 0.0, np.random.default_rng(5))
    np.testing.assert_array_equal(found.signal, again.signal)


def test_noise_beyond_half_the_rate_is_refused():
    slow = Stream(np.ones((1, 50)), ("I",), 100.0, "ecg", "mV")
    with pytest.raises(MedtsError, match="mains noise from 50 Hz cannot be seen at 100"):
        add_noise(slow, "mains", 0.0, np.random.default_rng(0))


def test_a_slower_recorder_keeps_slow_waves_and_loses_fast_ones():
    time_s = np.arange(5000) / RATE
    slow, fast = np.sin(2 * np.pi * 5 * time_s), np.sin(2 * np.pi * 90 * time_s)
    stream = Stream(np.stack([slow, fast]), ("I", "II"), RATE, "ecg", "mV")
    found = record_at(stream, 100.0)
    assert found.sampling_rate == 100.0
    assert found.duration_s == stream.duration_s
    np.testing.assert_allclose(found.signal[0, 20:-20], slow[::5][20:-20], atol=0.01)
    assert np.abs(found.signal[1, 20:-20]).max() < 0.05


def test_a_slower_recorder_leaves_gaps_where_they_were(stream):
    stream.signal[2, 100:200] = np.nan
    found = record_at(stream, 100.0)
    assert np.isnan(found.signal[2, 21:39]).all()
    assert np.isfinite(found.signal[2, :20]).all()
    assert np.isfinite(np.delete(found.signal, 2, axis=0)).all()


def test_gain_and_polarity(stream):
    np.testing.assert_array_equal(scale_gain(stream, 2.0).signal, 2 * stream.signal)
    np.testing.assert_array_equal(invert(stream).signal, -stream.signal)
    found = invert(stream, ["V2"]).signal
    np.testing.assert_array_equal(found[7], -stream.signal[7])
    np.testing.assert_array_equal(np.delete(found, 7, 0), np.delete(stream.signal, 7, 0))


def test_dropped_channels_are_gone_and_the_others_untouched(stream):
    found = drop_channels(stream, ["I", "V3"])
    assert np.isnan(found.signal[[0, 8]]).all()
    np.testing.assert_array_equal(
        np.delete(found.signal, [0, 8], 0), np.delete(stream.signal, [0, 8], 0)
    )
    assert np.isfinite(stream.signal).all()


def test_a_shorter_record_keeps_the_same_seconds_of_every_stream(stream):
    late = Stream(np.arange(100.0)[None], ("PLETH",), 100.0, "ppg", "a.u.", start_s=0.5)
    marks = (Annotation(0.1, "N", "beat"), Annotation(0.9, "V", "beat"))
    record = Record("r", {"ecg": stream, "ppg": late}, annotations=marks)
    found = shorten(record, 1.0, start_s=0.4)
    np.testing.assert_array_equal(found.streams["ecg"].signal, stream.signal[:, 200:700])
    assert found.streams["ppg"].start_s == pytest.approx(0.1)
    np.testing.assert_array_equal(found.streams["ppg"].signal[0], np.arange(90.0))
    assert [(each.label, round(each.time_s, 6)) for each in found.annotations] == [("V", 0.5)]
    with pytest.raises(MedtsError, match="has nothing from 5"):
        shorten(record, 1.0, start_s=5.0)


def test_streams_are_dropped_and_changed_by_name_or_modality(stream):
    other = Stream(np.ones((1, 10)), ("PLETH",), 100.0, "ppg", "a.u.")
    record = Record("r", {"ecg": stream, "ppg": other})
    assert list(drop_streams(record, ["ppg", "eeg"]).streams) == ["ecg"]
    with pytest.raises(MedtsError, match="no stream left"):
        drop_streams(record, ["ppg", "ecg"])
    found = change_streams(record, lambda each: scale_gain(each, 3.0), modality="ppg")
    assert (found.streams["ppg"].signal == 3).all()
    assert found.streams["ecg"] is stream
