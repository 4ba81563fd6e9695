import numpy as np
import pytest
from pydantic import ValidationError

from medts.core.errors import MedtsError
from medts.core.montage import LEAD_GROUPS, MONTAGES, SCALP_REGIONS, STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.signal.filtering import bandpass, resample
from medts.signal.preprocess import (
    Preprocessing,
    StreamPreprocessing,
    fill_gaps,
    prepare_stream,
    preprocess,
    regroup,
    split_stream,
)

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
    assert not made.signal[0, 200:300].any()
    assert made.is_recorded is not None
    assert made.is_recorded.all(axis=0).tolist() == [not 200 <= t < 300 for t in range(1000)]
    assert whole.is_recorded is None
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


def twelve_leads():
    signal = np.random.default_rng(0).standard_normal((12, 5000)).astype(np.float32)
    return record(signal, STANDARD_12_LEADS)


def test_lead_groups_are_picked_from_one_stored_stream_and_change_no_value():
    groups = Preprocessing(streams=split_stream("ecg", LEAD_GROUPS, StreamPreprocessing()))
    made = preprocess(twelve_leads(), groups)
    whole = preprocess(twelve_leads(), Preprocessing())["ecg"]
    assert list(made) == ["limb", "augmented", "v1-v3", "v4-v6"]
    together = np.concatenate([stream.signal for stream in made.values()])
    assert np.array_equal(together, whole.signal)


def test_groups_cover_their_montage_once():
    assert tuple(lead for group in LEAD_GROUPS.values() for lead in group) == STANDARD_12_LEADS
    electrodes = [each for group in SCALP_REGIONS.values() for each in group]
    assert sorted(electrodes) == sorted(MONTAGES["eeg-10-20"].channels)


def test_a_group_none_of_whose_channels_was_recorded_is_absent():
    groups = Preprocessing(streams=split_stream("ecg", LEAD_GROUPS, StreamPreprocessing()))
    made = preprocess(record(np.stack([TONE, TONE]), ("I", "V6")), groups)
    present = {name: stream.is_channel_present.tolist() for name, stream in made.items()}
    assert present == {
        "limb": [True, False, False],
        "augmented": [False] * 3,
        "v1-v3": [False] * 3,
        "v4-v6": [False, False, True],
    }


def test_a_regrouped_record_is_left_as_it_is_so_that_a_group_can_be_taken_away():
    groups = Preprocessing(streams=split_stream("ecg", LEAD_GROUPS, StreamPreprocessing()))
    regrouped = regroup(twelve_leads(), groups)
    assert regroup(regrouped, groups).streams.keys() == regrouped.streams.keys()
    only_limb = Record("r", {"limb": regrouped.streams["limb"]})
    assert list(preprocess(only_limb, groups)) == ["limb"]
    with pytest.raises(MedtsError, match=r"has no stream ecg.*It has eeg"):
        preprocess(record(TONE[None], ("Cz",), unit="uV", modality="eeg"), groups)


def test_older_settings_are_read_and_written_as_they_were():
    old = (
        '{"streams":{"ecg":{"modality":"ecg","channels":["I"],"unit":"mV","sampling_rate":100.0,'
        '"low_hz":0.5,"high_hz":null,"scale":0.25,"clip":20.0}}}'
    )
    assert Preprocessing.model_validate_json(old).model_dump_json() == old
    new = Preprocessing(
        streams={"limb": StreamPreprocessing(source="ecg", low_hz=None, keeps_level=True)}
    )
    assert Preprocessing.model_validate_json(new.model_dump_json()) == new


def test_the_level_of_an_acceleration_is_kept_where_asked_for():
    signal = np.full((1, 5000), 1.0, np.float32)
    signal[0, ::100] = 1.1
    resting = record(signal, ("x",), unit="g", modality="acc")
    spec = StreamPreprocessing(
        modality="acc", unit="g", channels=("x",), low_hz=None, scale=1.0, sampling_rate=RATE
    )
    without = preprocess(resting, Preprocessing(streams={"acc": spec}))["acc"]
    kept = preprocess(resting, Preprocessing(streams={"acc": spec.but(keeps_level=True)}))["acc"]
    assert np.allclose(kept.signal - without.signal, 1.0, atol=1e-6)
    with pytest.raises(ValidationError, match="removes the level"):
        StreamPreprocessing(keeps_level=True)


def test_streams_of_which_no_two_overlap_in_time_are_refused():
    config = Preprocessing(
        streams={
            "ecg": StreamPreprocessing(channels=("I",)),
            "acc": StreamPreprocessing(modality="acc", unit="g", channels=("x",)),
        }
    )

    def together(start_s):
        acc = Stream(TONE[None], ("x",), RATE, "acc", "g", start_s=start_s)
        return Record("r", {"ecg": Stream(TONE[None], ("I",), RATE, "ecg", "mV"), "acc": acc})

    assert set(preprocess(together(9.0), config)) == {"ecg", "acc"}
    with pytest.raises(MedtsError, match="ecg, acc of record 'r' do not overlap in time"):
        preprocess(together(10.0), config)


@pytest.mark.parametrize(
    ("rate", "to"), [(1024.0, 1.0), (700.0, 64.0), (128 / 3, 20.0), (20.037, 20.0), (31.25, 44.1)]
)
def test_rates_that_do_not_divide_leave_every_second_in_its_place(rate, to):
    time = np.arange(int(rate * 100)) / rate
    made = resample(np.sin(2 * np.pi * 0.11 * time)[None].astype(np.float32), rate, to)[0]
    expected = np.sin(2 * np.pi * 0.11 * np.arange(len(made)) / to)
    inner = slice(int(5 * to), int(95 * to))
    assert np.abs(made - expected)[inner].max() < 0.02


def test_a_constant_level_is_information_where_the_level_is_kept():
    steady = Stream(np.full((1, 100), 92.0), ("hr",), 10.0, "other", "a.u.")
    spec = StreamPreprocessing(
        modality="other", channels=("hr",), unit="a.u.", sampling_rate=10.0,
        low_hz=None, high_hz=None, scale=100.0,
    )  # fmt: skip
    kept = prepare_stream(steady, spec.but(keeps_level=True), name="hr")
    assert kept.is_channel_present.all()
    np.testing.assert_allclose(kept.signal, 0.92)
    assert not prepare_stream(steady, spec, name="hr").is_channel_present.any()
