import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from medts.core.errors import MedtsError
from medts.core.montage import LEAD_GROUPS, MONTAGES, SCALP_REGIONS, STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.signal import preprocess as module
from medts.signal.preprocess import (
    PREPROCESSING_VERSION,
    Preprocessing,
    StreamPreprocessing,
    extend_stream,
    fill_gaps,
    filter_and_scale,
    prepare_stream,
    preprocess,
    regroup,
    split_stream,
    window_with_halo,
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


def test_gaps_are_bridged_by_lines():
    values = np.array([np.nan, 1.0, np.nan, 3.0, np.nan], np.float32)
    assert fill_gaps(values).tolist() == [1.0, 1.0, 2.0, 3.0, 3.0]


def test_contradictions_in_the_config_name_the_values():
    with pytest.raises(ValidationError, match="must be spelt"):
        StreamPreprocessing(channels=("AVR",))
    with pytest.raises(ValidationError, match=r"low_hz 40.0 is not below high_hz 30.0"):
        StreamPreprocessing(low_hz=40.0, high_hz=30.0)
    with pytest.raises(ValidationError, match=r"low_hz 5.0 is not below half the sampling_rate 10"):
        StreamPreprocessing(low_hz=5.0, sampling_rate=10.0)


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


FILTERS = ("fir", "butterworth")


def noisy(n_samples, n_channels=2):
    signal = np.random.default_rng(n_samples).standard_normal((n_channels, n_samples))
    signal = signal.cumsum(axis=1).astype(np.float32) / 10
    return Stream(signal, STANDARD_12_LEADS[:n_channels], RATE, "ecg", "mV")


@pytest.mark.parametrize(
    "changes", [{}, {"high_hz": 40.0}, {"low_hz": None}, {"filter": FILTERS[1]}]
)
@pytest.mark.parametrize("n_samples", [3, 600, 5000])
def test_a_window_filtered_with_its_halo_equals_the_window_of_the_filtered_record(
    n_samples, changes
):
    stream = noisy(n_samples)
    stream.signal[0, n_samples // 2 :][:100] = np.nan
    spec = StreamPreprocessing(channels=("I", "II", "V1"), **changes)
    whole = prepare_stream(stream, spec, name="ecg")
    n_whole = whole.signal.shape[1]
    padded = np.pad(whole.signal, ((0, 0), (300, 300)))
    extended = extend_stream(stream, spec, name="ecg")
    assert extended.signal.shape[1] == n_whole + 2 * spec.n_halo
    for first in (-300, -7, 0, n_whole // 3, n_whole - 250, n_whole):
        signal, is_recorded = window_with_halo(extended, spec, first=first, n_samples=250)
        assert signal.shape == (3, 250 + 2 * spec.n_halo)
        window = filter_and_scale(signal, spec, is_recorded=is_recorded)
        np.testing.assert_allclose(window, padded[:, first + 300 :][:, :250], atol=1e-5)
        assert not window[~is_recorded].any()


def test_the_filter_is_a_plain_convolution_in_single_precision():
    stream, spec = noisy(5000), StreamPreprocessing(channels=("I", "II"), high_hz=40.0, clip=5.0)
    extended = extend_stream(stream, spec, name="ecg")
    taps = torch.from_numpy(spec.taps.astype(np.float32))[None, None]
    graph = torch.nn.functional.conv1d(torch.from_numpy(extended.signal)[:, None], taps)
    expected = (graph[:, 0] / spec.scale).clamp(-spec.clip, spec.clip)
    found = filter_and_scale(extended.signal, spec)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(found).max() == pytest.approx(5.0)


def mostly(is_there, reach):
    """Keeps what is there with half of all within reach or more, mirrored at the ends."""
    mirrored = np.pad(is_there, reach, mode="symmetric")
    shares = [mirrored[t : t + 2 * reach + 1].mean() for t in range(len(is_there))]
    return is_there & (np.array(shares) >= 0.5)


@pytest.mark.parametrize("kind", FILTERS)
def test_a_second_between_long_gaps_is_not_recorded_and_the_edge_of_one_gap_is(kind):
    stream = noisy(10_000)
    stream.signal[0, 4000:6000] = stream.signal[0, 6500:8500] = np.nan
    spec = StreamPreprocessing(channels=("I", "II"), filter=kind)
    found = prepare_stream(stream, spec, name="ecg")
    expected = np.ones((2, 2000), dtype=bool)
    expected[0, 800:1700] = False
    assert np.array_equal(found.is_recorded, expected)
    assert not found.signal[~expected].any()
    bare = spec.but(low_hz=None, sampling_rate=RATE)
    found = prepare_stream(stream, bare, name="ecg")
    assert np.array_equal(found.is_recorded, np.isfinite(stream.signal))


@given(
    gaps=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 599), st.integers(1, 400)), max_size=5
    ),
    kind=st.sampled_from(FILTERS),
)
def test_what_was_not_recorded_is_exactly_zero_whatever_bridges_it(gaps, kind):
    stream = noisy(600)
    for row, first, length in gaps:
        stream.signal[row, first : first + length] = np.nan
    spec = StreamPreprocessing(channels=("I", "II", "V1"), filter=kind)

    def other_bridge(values):
        return np.nan_to_num(values, nan=float(np.nanmax(values, initial=-7.0)))

    found = prepare_stream(stream, spec, name="ecg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "fill_gaps", other_bridge)
        other = prepare_stream(stream, spec, name="ecg")
    is_finite = np.isfinite(stream.signal)
    for made in (found, other):
        is_recorded = np.zeros((3, 120), dtype=bool)
        for row in (0, 1):  # ten periods of the new rate, then one of the lower edge
            is_recorded[row] = mostly(mostly(is_finite[row], 50)[::5], 200)
        if is_finite.sum(axis=1).min() > 1:  # two values tell a channel from a flat one
            assert made.is_channel_present.tolist() == is_recorded.any(axis=1).tolist()
        is_recorded &= made.is_channel_present[:, None]
        whole = np.broadcast_to(made.is_channel_present[:, None], (3, 120))
        marked = whole if made.is_recorded is None else made.is_recorded
        assert np.array_equal(marked, is_recorded)
        assert not made.signal[~is_recorded].any()
        assert np.isfinite(made.signal).all()


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("level", [np.nan, 0.0, 3.5])
def test_a_channel_without_information_equals_one_that_is_not_there(level, kind):
    stream = noisy(5000, n_channels=3)
    stream.signal[1] = level
    spec = StreamPreprocessing(channels=("I", "II", "III"), filter=kind)
    found = prepare_stream(stream, spec, name="ecg")
    absent = prepare_stream(stream.pick(("I", "III")), spec, name="ecg")
    assert np.array_equal(found.signal, absent.signal)
    assert found.is_channel_present.tolist() == absent.is_channel_present.tolist()
    assert found.is_recorded is None or np.array_equal(
        found.is_recorded, np.repeat([[True], [False], [True]], 1000, axis=1)
    )


def test_a_gap_does_not_move_the_level_of_what_was_recorded():
    stream = noisy(5000)
    stream.signal[0, 3000:] = np.nan
    spec = StreamPreprocessing(channels=("I",), sampling_rate=RATE, low_hz=None, scale=1.0)
    found = prepare_stream(stream, spec, name="ecg").signal[0]
    recorded = stream.signal[0, :3000]
    np.testing.assert_allclose(found[:3000], recorded - np.median(recorded), atol=1e-5)


@pytest.mark.parametrize("kind", FILTERS)
def test_a_recording_that_is_too_slow_for_the_pass_band_is_refused(kind):
    slow = Stream(np.ones((1, 60), np.float32), ("I",), 1.0, "ecg", "mV")
    with pytest.raises(MedtsError, match=r"filter edge 0\.5 Hz is not between 0 and 0\.5 Hz"):
        prepare_stream(slow, StreamPreprocessing(channels=("I",), filter=kind), name="ecg")


@pytest.mark.parametrize("kind", FILTERS)
def test_the_offset_of_an_electrode_leaves_no_trace(kind):
    stream, spec = noisy(5000), StreamPreprocessing(channels=("I", "II"), filter=kind)
    shifted = Stream(stream.signal + 300, stream.channels, RATE, "ecg", "mV")
    one, other = (prepare_stream(each, spec, name="ecg").signal for each in (stream, shifted))
    np.testing.assert_allclose(one, other, atol=1e-3)  # 300 mV are stored to 0.03 µV


def test_settings_say_all_and_their_version_and_another_one_is_refused():
    settings = Preprocessing(streams={"limb": StreamPreprocessing(source="ecg", filter=FILTERS[1])})
    written = settings.model_dump_json()
    assert Preprocessing.model_validate_json(written) == settings
    content = json.loads(written)
    assert content["version"] == PREPROCESSING_VERSION
    assert {"keeps_level", "filter", "source"} <= content["streams"]["limb"].keys()
    with pytest.raises(ValidationError, match=r"version 1 is computed.*train the model again"):
        Preprocessing.model_validate({**content, "version": 1})


def test_preprocessing_and_r_peaks_load_neither_torch_nor_scipy():
    program = """
import sys
import numpy as np
from medts.core.records import Record, Stream
from medts.signal import beats, features, perturb, preprocess
tone = np.sin(np.arange(5000) / 20)[None].astype(np.float32)
record = Record("r", {"ecg": Stream(tone, ("I",), 500.0, "ecg", "mV")})
preprocess.preprocess(record, preprocess.Preprocessing())
beats.find_r_peaks(tone, 500.0)
print(sorted({"torch", "scipy"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]", done.stderr
