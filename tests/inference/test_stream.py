"""Streaming: the offline numbers whatever the pieces, and plain words for what has changed."""

import json
from dataclasses import replace

import numpy as np
import pytest

import medts
from medts.cli.main import main
from medts.core.errors import BundleError, ConfigError, MedtsError
from medts.data.windowing import Windowing, cut_window
from medts.formats import FORMATS
from medts.inference.bundle import Bundle
from medts.inference.manifest import Labels
from medts.inference.stream import StreamPredictor
from medts.inference.torch_backend import predictor_of
from medts.signal.preprocess import preprocess


@pytest.fixture(scope="module")
def model(tiny_run):
    return medts.load(tiny_run)


@pytest.fixture
def ecg(synthetic_store):
    return synthetic_store.record(4).streams["ecg"]


def follow(model, stream, **changes):
    asked = {
        "channels": stream.channels,
        "sampling_rate": stream.sampling_rate,
        "unit": stream.unit,
        "stride_s": 0.7,
    }
    return StreamPredictor(model, **{**asked, **changes})


def push_all(live, signal, size):
    starts = range(0, signal.shape[1], size)
    return [window for at in starts for window in live.push(signal[:, at : at + size])]


def offline(model, stream, window):
    """Predicts a record that holds exactly the window."""
    first, last = (round(each * stream.sampling_rate) for each in (window.start_s, window.end_s))
    piece = replace(stream, signal=stream.signal[:, first:last])
    return model.predict(medts.Record("piece", {"ecg": piece}))


@pytest.mark.parametrize("size", [1, 7, 125, 10_000])
def test_every_prediction_is_the_offline_one_of_its_window_whatever_the_pieces(model, ecg, size):
    windows = push_all(follow(model, ecg), ecg.signal, size)
    assert [round(window.start_s, 3) for window in windows] == [0.0, 0.7, 1.4, 2.1]
    for window in windows:
        expected = offline(model, ecg, window)
        assert window.end_s - window.start_s == pytest.approx(2.5)
        assert window.prediction.probability == expected.probability
        assert window.prediction.stated == expected.stated
        assert window.recorded_ratio == 1.0
        assert window.latency_s > 0


@pytest.mark.parametrize("rate", [100.0, 257.0, 500.0])
def test_rates_that_do_not_divide_evenly_still_make_one_window_each(model, ecg, rate):
    odd = replace(ecg, sampling_rate=rate)
    windows = push_all(follow(model, odd), odd.signal, 33)
    step = 0.7 * rate
    n_window = int(2.5 * rate)
    assert len(windows) == 1 + int((odd.n_samples - n_window) / step + 0.5 / step)
    for k, window in enumerate(windows):
        assert window.start_s * rate == pytest.approx(round(k * step))
        assert window.prediction.probability == offline(model, odd, window).probability


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stride_one_sample_longer_than_the_window_loses_none(model, ecg, size):
    # At 257 Hz windows of 2.5 s have 642 samples, and strides of 2.5 s have 642 or 643.
    odd = replace(ecg, sampling_rate=257.0, signal=np.tile(ecg.signal, (1, 3)))
    live = follow(model, odd, stride_s=2.5)
    windows = push_all(live, odd.signal, size)
    assert live.n_samples == odd.n_samples
    assert [round(257 * window.start_s) for window in windows[:4]] == [0, 642, 1285, 1928]
    for window in windows:
        assert window.prediction.probability == offline(model, odd, window).probability


def test_a_prediction_comes_with_the_last_sample_of_its_window(model, ecg):
    live = follow(model, ecg)
    assert live.delay_s == 0.7
    n_window = round(2.5 * ecg.sampling_rate)
    assert live.push(ecg.signal[:, : n_window - 1]) == []
    assert len(live.push(ecg.signal[:, n_window - 1 : n_window])) == 1
    assert live.n_samples == n_window


def test_it_differs_from_a_window_of_the_filtered_whole_near_its_ends_alone(model, synthetic_store):
    # What the page on streaming says of edges, on signals.
    record = synthetic_store.record(4)
    ecg, config = record.streams["ecg"], model.bundle.preprocessing
    live = follow(model, ecg)
    rate = ecg.sampling_rate
    first, last = round(1.4 * rate), round(3.9 * rate)
    alone = preprocess(live.record_of(ecg.signal[:, first:last], 1.4), config)["ecg"].signal
    whole = cut_window(preprocess(record, config), config, start_s=1.4, window_s=2.5)["ecg"].signal
    difference = np.abs(alone - whole).mean(axis=0)
    assert difference.max() > 0
    assert difference[100:150].mean() < 0.5 * np.delete(difference, np.s_[50:200]).mean()


def test_memory_does_not_grow_with_what_has_arrived(model, ecg):
    live = follow(model, ecg, stride_s=2.5)
    before = live._kept.nbytes
    for _ in range(6):
        live.push(np.tile(ecg.signal, (1, 4)))
        live.push(ecg.signal[:, :3])
    assert live._kept.nbytes == before == 12 * 2 * round(2.5 * ecg.sampling_rate) * 4


def test_missing_leads_are_named_and_others_may_come_along(model, ecg):
    three = ecg.pick(("II", "V2", "I"))
    both = replace(
        three,
        signal=np.concatenate([three.signal, three.signal[:1]]),
        channels=(*three.channels, "vx"),
        resolution=None,
    )
    window = push_all(follow(model, both), both.signal, 100)[0]
    assert len(window.prediction.missing_channels) == 9
    assert window.prediction.probability == offline(model, three, window).probability
    with pytest.raises(ConfigError, match="none of vx is read by the model"):
        follow(model, ecg, channels=("vx",))


def test_units_and_spellings_are_those_of_any_stream(model, ecg):
    in_microvolt = ecg.to_unit("uV")
    names = [f"lead {name.lower()}" for name in ecg.channels]
    live = follow(model, in_microvolt, channels=names, unit="uV")
    found = live.push(in_microvolt.signal)[0].prediction.probability
    expected = follow(model, ecg).push(ecg.signal)[0].prediction.probability
    assert found == pytest.approx(expected, abs=1e-5)
    with pytest.raises(MedtsError, match="measures"):
        follow(model, ecg, unit="g")


def test_lost_samples_are_as_never_recorded(model, ecg):
    holed = ecg.signal.copy()
    holed[:, 300:360] = np.nan
    with_nan = push_all(follow(model, ecg), holed, 50)
    live = follow(model, ecg)
    rate = ecg.sampling_rate
    with_gap = live.push(ecg.signal[:, :300])
    with_gap += live.push(ecg.signal[:, 360:], start_s=360 / rate)
    assert len(with_gap) == len(with_nan) == 4
    for one, other in zip(with_gap, with_nan, strict=True):
        assert one.prediction.probability == other.prediction.probability
        assert one.recorded_ratio == other.recorded_ratio
    assert with_gap[0].recorded_ratio == pytest.approx(1 - 60 / (2.5 * rate))
    assert with_gap[-1].recorded_ratio == 1.0


def test_a_gap_of_a_window_starts_anew_however_long(model, ecg):
    live = follow(model, ecg)
    assert len(live.push(ecg.signal)) == 4
    windows = live.push(ecg.signal, start_s=1e6)
    assert [round(window.start_s - 1e6, 3) for window in windows] == [0.0, 0.7, 1.4, 2.1]
    fresh = follow(model, ecg).push(ecg.signal)
    assert [w.prediction.probability for w in windows] == [w.prediction.probability for w in fresh]


def test_a_stream_that_begins_late_begins_with_its_first_sample(model, ecg):
    windows = follow(model, ecg).push(ecg.signal, start_s=1.2)
    assert [round(window.start_s, 3) for window in windows] == [1.2, 1.9, 2.6, 3.3]
    assert all(window.recorded_ratio == 1.0 for window in windows)


def test_jitter_is_no_gap_and_going_back_is_refused(model, ecg):
    live, rate = follow(model, ecg), ecg.sampling_rate
    live.push(ecg.signal[:, :100])
    assert live.push(ecg.signal[:, 100:110], start_s=100.4 / rate) == []
    assert live.n_samples == 110
    with pytest.raises(MedtsError, match="before the end of the last ones"):
        live.push(ecg.signal[:, 110:120], start_s=90 / rate)
    assert live.n_samples == 110


def test_windows_without_enough_signal_say_so_instead_of_guessing(model, ecg):
    silent = np.full_like(ecg.signal, np.nan)
    flat = np.full_like(ecg.signal, 0.3)
    mostly = silent.copy()
    mostly[:, ::3] = ecg.signal[:, ::3]
    by_turns = mostly.copy()  # at any time some lead is there, each of them a third of the time
    for shift in (1, 2):
        by_turns[shift::3] = np.nan
        by_turns[shift::3, shift::3] = ecg.signal[shift::3, shift::3]
    for signal, ratio in ((silent, 0.0), (flat, 1.0), (mostly, 1 / 3), (by_turns, 1.0)):
        window = follow(model, ecg).push(signal)[0]
        assert window.prediction is None
        assert window.recorded_ratio == pytest.approx(ratio, abs=1e-2)
    one_lead_off = ecg.signal.copy()
    one_lead_off[2] = np.nan
    window = follow(model, ecg).push(one_lead_off)[0]
    assert window.recorded_ratio == 1.0
    plain = follow(model, ecg).push(ecg.signal)[0]
    newly_missing = set(window.prediction.missing_channels) - set(plain.prediction.missing_channels)
    assert newly_missing == {ecg.channels[2]}


def test_a_stream_keeps_its_form(model, ecg):
    live = follow(model, ecg)
    with pytest.raises(MedtsError, match=r"sampling_rate: was 250.0, is now 500.0"):
        live.push(replace(ecg, sampling_rate=500.0))
    with pytest.raises(MedtsError, match="channels: was"):
        live.push(ecg.pick(("I", "II")))
    with pytest.raises(MedtsError, match="was 12 rows, is now 2 rows"):
        live.push(ecg.signal[:2])
    assert live.n_samples == 0
    turned = live.push(ecg.to_unit("uV").pick(ecg.channels[::-1]))
    plain = follow(model, ecg).push(ecg.signal)
    for one, other in zip(turned, plain, strict=True):
        assert one.prediction.probability == pytest.approx(other.prediction.probability, abs=1e-5)


@pytest.mark.parametrize("stride_s", [0.0, 3.0])
def test_a_stride_that_makes_no_sense_is_refused(model, ecg, stride_s):
    with pytest.raises(ConfigError, match="stride_s"):
        follow(model, ecg, stride_s=stride_s)


def test_models_that_cannot_be_streamed_are_refused(model, ecg):
    bundle, spec = model.bundle, model.bundle.preprocessing.streams["ecg"]

    def variant(streams=None, head=bundle.config.head, labels=bundle.labels):
        return Bundle(
            bundle.config.but(head=head),
            preprocessing=bundle.preprocessing.but(streams=streams or {"ecg": spec}),
            labels=labels,
            provenance=bundle.provenance,
        )

    two = predictor_of(variant({"ecg": spec, "ppg": spec}))
    with pytest.raises(ConfigError, match="reads ecg, ppg; streaming takes one"):
        follow(two, ecg)
    headless = predictor_of(variant(head=None, labels=Labels()))
    with pytest.raises(BundleError, match="encoder without a head"):
        follow(headless, ecg)


def test_the_stride_is_the_models_own_unless_another_is_asked_for(model, ecg):
    assert follow(model, ecg, stride_s=None).stride_s == model.bundle.config.windowing.stride_s
    assert model.bundle.config.windowing == Windowing(window_s=2.5, stride_s=1.25)


def test_the_command_line_replays_a_file(tiny_run, model, synthetic_store, tmp_path, capsys):
    record = synthetic_store.record(4)
    FORMATS["wfdb"].write(record, tmp_path / "ecg.hea")
    asked = ["stream", str(tiny_run), str(tmp_path / "ecg.hea")]
    assert main([*asked, "--chunk-s", "0.3", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stream = medts.read(tmp_path / "ecg.hea").streams["ecg"]
    windows = follow(model, stream, stride_s=None).push(stream.signal)
    assert [line["start_s"] for line in lines] == [window.start_s for window in windows]
    assert [round(line["start_s"], 2) for line in lines] == [0.0, 1.25, 2.5]
    assert [line["prediction"] for line in lines] == [
        {**window.prediction.as_json(), "record_id": line["prediction"]["record_id"]}
        for window, line in zip(windows, lines, strict=True)
    ]
    assert main([*asked, "--stride-s", "2.5"]) == 0
    printed = capsys.readouterr().out
    assert "a prediction every 2.5 s" in printed
    assert "2 predictions; a prediction took" in printed
    assert main([*asked, "--chunk-s", "0"]) == 2
    assert "chunk_s" in capsys.readouterr().err


def test_the_command_line_says_what_is_too_short(tiny_run, synthetic_store, tmp_path, capsys):
    record = synthetic_store.record(4)
    ecg = record.streams["ecg"]
    short = replace(record, streams={"ecg": replace(ecg, signal=ecg.signal[:, :200])})
    FORMATS["wfdb"].write(short, tmp_path / "short.hea")
    assert main(["stream", str(tiny_run), str(tmp_path / "short.hea")]) == 2
    assert "shorter than one window" in capsys.readouterr().err
