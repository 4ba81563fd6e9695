from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medts.core.records import Record, Stream
from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing, window_starts, windows_of
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.signal.preprocess import Preprocessing, StreamPreprocessing

BOTH = Preprocessing(
    streams={
        "ecg": StreamPreprocessing(channels=("I", "II"), sampling_rate=100.0),
        "acc": StreamPreprocessing(
            modality="acc",
            unit="g",
            channels=("x",),
            sampling_rate=20.0,
            low_hz=None,
            scale=1.0,
            clip=100.0,
        ),
    }
)


def record(seconds=10.0, acc_start_s=None, name="r"):
    generator = np.random.default_rng(0)
    ecg = generator.standard_normal((2, int(seconds * 200))).astype(np.float32)
    streams = {"ecg": Stream(ecg, ("I", "II"), 200.0, "ecg", "mV")}
    if acc_start_s is not None:
        acc = np.arange(1, 81, dtype=np.float32)[None]
        streams["acc"] = Stream(acc, ("x",), 20.0, "acc", "g", start_s=acc_start_s)
    return Record(name, streams)


def test_the_grid_covers_the_record_and_ends_with_it():
    windowing = Windowing(window_s=2.5, stride_s=1.25)
    starts = window_starts(10.0, windowing)
    assert starts[0] == 0.0
    assert starts[-1] == pytest.approx(7.5)
    assert np.diff(starts).max() <= 1.25 + 1e-9
    assert window_starts(10.1, windowing)[-1] == pytest.approx(7.6)
    assert window_starts(1.0, windowing) == [0.0]


def test_a_stride_that_skips_samples_is_refused():
    with pytest.raises(ValidationError, match="would never be seen"):
        Windowing(window_s=1.0, stride_s=2.0)


def test_streams_stay_aligned_in_seconds():
    windows = windows_of(record(acc_start_s=2.0), BOTH, Windowing(window_s=2.0, stride_s=2.0))
    first, second = windows[0].streams["acc"], windows[1].streams["acc"]
    assert not first.is_recorded.any()
    assert second.is_recorded.all()
    middle = np.median(np.arange(1, 81))
    assert np.allclose(second.signal[0], np.arange(1, 41) - middle, atol=1e-3)


def test_a_stream_that_starts_late_or_is_absent_is_marked_not_zero_filled():
    windowing = Windowing(window_s=2.0, stride_s=2.0)
    with_acc = windows_of(record(acc_start_s=2.0), BOTH, windowing)
    without = windows_of(record(name="other"), BOTH, windowing)
    batch = collate([with_acc[0], with_acc[1], without[0]], BOTH)
    assert batch.streams["ecg"].is_present.tolist() == [True, True, True]
    assert batch.streams["acc"].is_present.tolist() == [False, True, False]
    assert batch.streams["acc"].is_valid.any(dim=1).tolist() == [False, True, False]


def test_a_short_record_is_padded_and_marked():
    long, short = record(10.0), record(1.0, name="short")
    windowing = Windowing(window_s=4.0, stride_s=4.0)
    batch = collate([windows_of(long, BOTH, windowing)[0], windows_of(short, BOTH, windowing)[0]],
                    BOTH)  # fmt: skip
    ecg = batch.streams["ecg"]
    assert ecg.signal.shape == (2, 2, 400)
    assert ecg.is_valid.sum(dim=1).tolist() == [400, 100]
    assert not ecg.signal[1, :, 100:].any()


def test_training_windows_move_and_stay_inside(synthetic_store):
    config = Preprocessing()
    records = PreparedRecords(synthetic_store, range(4), config)
    windowing = Windowing(window_s=2.0, stride_s=2.0, crops_per_record=3)
    dataset = WindowDataset(records, windowing, is_training=True)
    assert len(dataset) == 12
    torch.manual_seed(0)
    first, second = dataset[0].streams["ecg"], dataset[0].streams["ecg"]
    assert first.is_recorded.all()
    assert not np.array_equal(first.signal, second.signal)
    torch.manual_seed(0)
    assert np.array_equal(first.signal, dataset[0].streams["ecg"].signal)


def test_a_small_cache_changes_nothing_but_speed(synthetic_store):
    config, windowing = Preprocessing(), Windowing(window_s=2.0, stride_s=1.0)
    kept = WindowDataset(PreparedRecords(synthetic_store, [3, 1], config), windowing)
    bare = WindowDataset(PreparedRecords(synthetic_store, [3, 1], config, cache_gib=0), windowing)
    assert len(kept) == len(bare) == 8
    for index in range(len(kept)):
        for _ in range(2):
            one, two = kept[index], bare[index]
            assert one.record_id == two.record_id
            assert np.array_equal(one.streams["ecg"].signal, two.streams["ecg"].signal)


def test_reports_are_cleaned_for_the_model_and_left_alone_without_settings():
    written = replace(record(), report="SINUSRHYTHMUS. Edit: NORM 100,")
    plain = Preprocessing()
    cleaned = plain.but(reports=ReportSettings())
    texts = {each.text for each in windows_of(written, plain, Windowing())}
    assert texts == {"SINUSRHYTHMUS. Edit: NORM 100,"}
    assert {each.text for each in windows_of(written, cleaned, Windowing())} == {"sinus rhythm."}
    assert Preprocessing.model_validate(cleaned.model_dump()) == cleaned
