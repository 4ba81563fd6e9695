"""Several streams from file to batch: absent ones, late ones, gaps, and windows without any."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.data.ingest import ingest
from medts.data.sources.memory import Memory
from medts.data.store import Store
from medts.data.windowing import Example, Windowing, cut_window, windows_of
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, preprocess

ACC = StreamPreprocessing(
    modality="acc", unit="g", channels=("x", "y"), sampling_rate=25.0, low_hz=None, scale=1.0
)
CONFIG = Preprocessing(
    streams={
        "ecg": StreamPreprocessing(channels=("I",)),
        "acc": ACC,
        "eda": StreamPreprocessing(
            modality="eda", unit="µS", channels=("wrist",), sampling_rate=4.0, low_hz=None
        ),
    }
)
WINDOWING = Windowing(window_s=2.0, stride_s=2.0)


def stream(modality, seconds, start_s=0.0, *, gap=None, level=None):
    channels, rate, unit = {
        "ecg": (("I",), 250.0, "mV"),
        "acc": (("x", "y"), 32.0, "m/s²"),
        "eda": (("wrist",), 4.0, "µS"),
    }[modality]
    rng = np.random.default_rng(len(modality))
    signal = rng.standard_normal((len(channels), int(seconds * rate))).astype(np.float32)
    if gap is not None:
        signal[:, int(gap[0] * rate) : int(gap[1] * rate)] = np.nan
    if level is not None:
        signal[:] = level
    return Stream(signal, channels, rate, modality, unit, start_s=start_s)


def record(name="r", **streams):
    return Record(
        name, {key: stream(key, *args, **extra) for key, (args, extra) in streams.items()}
    )


RECORDS = [
    record("all", ecg=((8,), {}), acc=((8,), {}), eda=((8,), {})),
    record("no acc", ecg=((8,), {}), eda=((8,), {})),
    record("late", ecg=((8,), {}), acc=((3, 5.0), {})),
    record("flat", ecg=((8,), {}), eda=((8,), {"level": 3.0})),
    record("hole", acc=((8,), {"gap": (2, 6)})),
    record("starts late", acc=((4, 4.0), {})),
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams")
    labels = LabelSet(name="memory/a", classes=("a",), kind="multi")
    n = len(RECORDS)
    ingest(Memory(RECORDS, [("a",)] * n, ["train"] * n, labels), "-", path)
    return Store(path)


def batches(store, rows, *, windowing=WINDOWING, batch_size=64, **options):
    dataset = WindowDataset(PreparedRecords(store, rows, CONFIG), windowing, **options)
    loader = DataLoader(dataset, batch_size, collate_fn=lambda each: collate(each, CONFIG))
    return list(loader)


def present(batch):
    return {name: each.is_present.tolist() for name, each in batch.streams.items()}


def test_what_a_record_lacks_is_absent_from_file_to_batch_and_never_a_silent_zero(store):
    (batch,) = batches(store, [0, 1, 3], windowing=Windowing(window_s=8.0, stride_s=8.0))
    assert present(batch) == {
        "ecg": [True, True, True],
        "acc": [True, False, False],
        "eda": [True, True, False],
    }
    for each in batch.streams.values():
        absent = ~each.is_present
        assert not each.signal[absent].any()
        assert not each.is_valid[absent].any()
        assert not each.is_channel_present[absent].any()


def test_a_batch_names_every_stream_even_if_nobody_has_it(store):
    for (batch,) in ([each] for each in batches(store, [1, 3], batch_size=1)):
        assert list(batch.streams) == ["ecg", "acc", "eda"]
        assert batch.streams["acc"].signal.shape == (1, 2, 50)
        assert present(batch)["acc"] == [False]


def test_a_late_stream_is_present_in_the_windows_it_reaches_and_valid_where_it_does(store):
    (batch,) = batches(store, [2])
    acc = batch.streams["acc"]
    assert acc.is_present.tolist() == [False, False, True, True]
    assert acc.is_valid.sum(dim=1).tolist() == [0, 0, 25, 50]
    assert not acc.is_valid[2, :25].any()


def test_a_gap_is_no_valid_sample_and_windows_of_nothing_else_are_left_out(store):
    (batch,) = batches(store, [4])
    assert len(batch) == 2
    (shifted,) = batches(store, [4], windowing=Windowing(window_s=3.0, stride_s=2.0))
    acc = shifted.streams["acc"]
    assert acc.is_valid.sum(dim=1).tolist() == [50, 25, 50]
    assert not acc.signal.masked_select(~acc.is_valid[:, None]).any()


def test_a_gap_of_one_channel_is_one_in_the_batch_and_in_the_store(tmp_path):
    holed = record("half", acc=((8,), {}))
    acc = holed.streams["acc"]
    acc.signal[1, int(2 * acc.sampling_rate) : int(6 * acc.sampling_rate)] = np.nan
    labels = LabelSet(name="memory/a", classes=("a",), kind="multi")
    ingest(Memory([holed], [("a",)], ["train"], labels), "-", tmp_path / "store")
    config = Preprocessing(streams={"acc": ACC})
    windowing = Windowing(window_s=3.0, stride_s=2.0)
    stored = Store(tmp_path / "store").record(0)
    batch, again = (
        collate(windows_of(each, config, windowing), config) for each in (holed, stored)
    )
    found = batch.streams["acc"]
    assert torch.equal(found.is_recorded, again.streams["acc"].is_recorded)
    assert found.is_recorded[:, 0].all()
    assert found.is_recorded[:, 1].sum(dim=1).tolist() == [50, 0, 25, 50]
    assert found.is_valid.all()
    assert found.is_channel_present[:, 1].tolist() == [True, False, True, True]
    assert not found.signal[~found.is_recorded].any()
    assert torch.equal(batch.take(2, 4).streams["acc"].is_recorded, found.is_recorded[2:])


def test_time_before_the_first_stream_is_not_shown(store):
    (batch,) = batches(store, [5])
    assert len(batch) == 2
    assert batch.streams["acc"].is_valid.all()


def test_training_never_draws_a_window_of_nothing(store):
    torch.manual_seed(0)
    for crops in (40, None):
        windowing = WINDOWING.but(crops_per_record=crops)
        for batch in batches(store, [4, 5], windowing=windowing, is_training=True):
            assert batch.streams["acc"].is_present.all()


def test_a_record_in_hand_gives_the_windows_that_its_store_gives(store):
    for row in range(len(RECORDS)):
        (stored,) = batches(store, [row])
        in_hand = collate(windows_of(store.record(row), CONFIG, WINDOWING), CONFIG)
        for name in CONFIG.streams:
            assert torch.equal(stored.streams[name].signal, in_hand.streams[name].signal)
            assert torch.equal(stored.streams[name].is_recorded, in_hand.streams[name].is_recorded)


def test_a_window_without_any_stream_is_refused_and_named():
    hole = preprocess(RECORDS[4], CONFIG)
    empty = cut_window(hole, CONFIG, start_s=3.0, window_s=2.0)
    with pytest.raises(MedtsError, match="window of record 'hole' has none of the streams ecg"):
        collate([Example(empty, "hole", "s")], CONFIG)


def test_a_record_without_a_present_modality_is_refused(store):
    flat = record("f", eda=((8,), {"level": 1.0}), acc=((8,), {"level": np.nan}))
    with pytest.raises(MedtsError, match="no usable channel: each is missing, flat or NaN"):
        windows_of(flat, CONFIG, WINDOWING)
    only_eda = Preprocessing(streams={"eda": CONFIG.streams["eda"]})
    with pytest.raises(MedtsError, match="has none of the streams eda"):
        WindowDataset(PreparedRecords(store, [4], only_eda), WINDOWING)


def test_an_event_is_at_the_same_second_in_streams_of_rates_that_do_not_divide():
    def bump(rate):
        time = np.arange(int(20 * rate)) / rate
        return np.exp(-0.5 * ((time - 13.0) / 0.3) ** 2)[None].astype(np.float32)

    streams = {
        "a": Stream(bump(31.25), ("x",), 31.25, "acc", "g"),
        "b": Stream(bump(700.0)[:, 1400:], ("x",), 700.0, "acc", "g", start_s=2.0),
        "c": Stream(bump(128 / 3), ("x",), 128 / 3, "acc", "g"),
    }
    spec = ACC.but(channels=("x",))
    rates = {"a": 20.0, "b": 32.0, "c": 25.0}
    config = Preprocessing(streams={n: spec.but(sampling_rate=r) for n, r in rates.items()})
    windows = windows_of(Record("r", streams), config, Windowing(window_s=4.0, stride_s=4.0))
    for name, rate in rates.items():
        at = [int(each.streams[name].signal[0].argmax()) for each in windows]
        assert abs(at[3] / rate - 1.0) <= 0.5 / rate + 1e-9


def test_windows_that_hold_no_sample_of_a_slow_stream_still_have_its_shape():
    slow = Preprocessing(streams={"acc": ACC, "eda": CONFIG.streams["eda"].but(sampling_rate=1.0)})
    made = collate(windows_of(RECORDS[5], slow, Windowing(window_s=0.4, stride_s=0.4)), slow)
    assert made.streams["eda"].signal.shape[2] == 1
    assert not made.streams["eda"].is_present.any()
