import json
import subprocess
import sys
from functools import partial
from time import sleep

import numpy as np
import pytest

import medts
from medts.core.errors import ReadError, StoreError
from medts.core.labels import LabelSet
from medts.core.records import Annotation, Record, Statement, Stream
from medts.data.ingest import ingest
from medts.data.shards import GAP, dequantise, quantise
from medts.data.sources.base import Entry, Source, SourceCard
from medts.data.sources.reading import refuse
from medts.data.store import Store

LEADS = ("I", "II")


def make_record(number, *, n_samples=400):
    values = np.random.default_rng(number).integers(-3000, 3000, (2, n_samples))
    ecg = Stream(
        (values / 1000).astype(np.float32), LEADS, 500.0, "ecg", "mV", resolution=np.full(2, 1e-3)
    )
    acc = Stream(
        np.random.default_rng(number).standard_normal((3, 40)).astype(np.float32),
        ("x", "y", "z"), 50.0, "acc", "g", start_s=0.5,
    )  # fmt: skip
    return Record(
        record_id=str(number),
        subject_id=f"s{number // 2}",
        streams={"ecg": ecg, "acc": acc} if number % 2 else {"ecg": ecg},
        report="sinus rhythm, größer" if number else None,
        statements=(Statement("SR", "scp-ecg", 100.0),),
        annotations=(Annotation(0.25, "N", "beat"),),
        facts={"age": 50 + number, "sex": "female"},
    )


class Tiny(Source, is_listed=False):
    name = "tiny"
    card = SourceCard(title="t", licence="l", citation="c", obtain="o")

    def __init__(self, n=10, broken=(), fail_at=None, folds=None):
        self.n, self.broken, self.fail_at, self.folds = n, broken, fail_at, folds

    @property
    def label_sets(self):
        return (LabelSet(name="tiny/set", classes=("A", "B"), kind="multi"),)

    def entries(self, path):
        for number in range(self.n):
            load = partial(make_record, number)
            if number in self.broken:
                load = partial(refuse, ReadError("cut short", path=f"{number}.dat"))
            if number == self.fail_at:
                load = partial(kill, number)
            fold = self.folds[number] if self.folds else str(1 + number // 2)
            labels = {"set": None if number == 3 else (("A",) if number % 2 else ("A", "B"))}
            yield Entry(str(number), f"s{number // 2}", fold, load, labels)


def kill(number):
    raise KeyboardInterrupt(number)


@pytest.fixture
def store(tmp_path):
    ingest(Tiny(), "-", tmp_path / "store")
    return Store(tmp_path / "store")


def test_a_record_comes_back_as_it_went_in(store):
    for row in range(len(store)):
        original, kept = make_record(row), store.record(row)
        assert kept.record_id == f"tiny/{row}"
        assert kept.subject_id == f"tiny/s{row // 2}"
        assert kept.streams.keys() == original.streams.keys()
        assert kept.report == original.report
        assert kept.statements == original.statements
        assert kept.annotations == original.annotations
        assert kept.facts == original.facts
        ecg = kept.streams["ecg"]
        assert np.allclose(ecg.signal, original.streams["ecg"].signal, atol=1e-7)
        assert (ecg.channels, ecg.sampling_rate, ecg.unit) == (LEADS, 500.0, "mV")
        if "acc" in kept.streams:
            assert kept.streams["acc"].start_s == 0.5
            step = np.ptp(original.streams["acc"].signal, axis=1).max() / 65534
            error = np.abs(kept.streams["acc"].signal - original.streams["acc"].signal)
            assert error.max() <= 0.51 * step + 1e-6


def test_whole_microvolts_are_stored_without_loss():
    stream = make_record(1).streams["ecg"]
    quantised = quantise(stream)
    assert np.array_equal(quantised.values, np.rint(stream.signal * 1000).astype(np.int16))


def test_a_gap_stays_a_gap():
    stream = make_record(0).streams["ecg"]
    stream.signal[0, 10:20] = np.nan
    quantised = quantise(stream)
    assert (quantised.values[0, 10:20] == GAP).all()
    out = np.empty(stream.signal.shape, np.float32)
    entry = {"step": quantised.step, "zero": quantised.zero, "has_gaps": quantised.has_gaps}
    dequantise(quantised.values, entry, out)
    assert np.array_equal(np.isnan(out), np.isnan(stream.signal))


def test_a_resolution_that_does_not_fit_sixteen_bits_falls_back_on_the_range():
    signal = np.array([[0.0, 100.0, 250.0]], np.float32)
    stream = Stream(signal, ("I",), 500.0, "ecg", "mV", resolution=np.array([1e-3]))
    quantised = quantise(stream)
    out = np.empty(signal.shape, np.float32)
    dequantise(quantised.values, {**vars(quantised), "has_gaps": False}, out)
    assert np.abs(out - signal).max() <= 250 / 65534


@pytest.mark.parametrize("resolution", [None, np.full(2, 1e-3)])
@pytest.mark.parametrize(
    ("where", "value"),
    [(100, -999999), (slice(0, 40), 9e37), ([3, 70, 71], [1e9, -1e9, 32767]), (0, np.inf)],
)
def test_samples_off_the_scale_do_not_flatten_their_lead(tmp_path, resolution, where, value):
    signal = np.rint(1000 * np.sin(np.arange(400) / 9.0)[None].repeat(2, 0)) / 1000
    damaged = signal.astype(np.float32)
    damaged[1, where] = value
    stream = Stream(damaged, LEADS, 250.0, "ecg", "mV", resolution=resolution)
    quantised = quantise(stream)
    out = np.empty(signal.shape, np.float32)
    dequantise(quantised.values, {**vars(quantised), "has_gaps": True}, out)
    is_off = np.zeros(400, dtype=bool)
    is_off[where] = True
    assert np.isnan(out[1, is_off]).all()
    np.testing.assert_allclose(out[0], signal[0], atol=2e-5)
    np.testing.assert_allclose(out[1, ~is_off], signal[1, ~is_off], atol=2e-5)

    class One(Tiny, is_listed=False):
        def entries(self, path):
            yield Entry("0", "s0", "1", lambda: Record("0", {"ecg": stream}), {"set": ("A",)})

    ingest(One(), "-", tmp_path / "store")
    said = Store(tmp_path / "store").record(0).facts.get("spikes_left_out")
    assert said == (None if value is np.inf else f"{is_off.sum()} of II")


def test_a_pacing_spike_and_rare_pulses_are_kept():
    paced = 0.1 * np.sin(np.arange(5000) / 9.0)[None].astype(np.float32)
    paced[0, ::500] = 30.0
    pulses = np.zeros((1, 5000), np.float32)
    pulses[0, ::500] = 1.0
    for signal, modality, unit in (
        (paced, "ecg", "mV"),
        (pulses, "eeg", "µV"),
        (pulses, "other", "a.u."),
    ):
        quantised = quantise(Stream(signal, ("I",), 500.0, modality, unit))
        assert quantised.n_spikes == (0,)
        assert not quantised.has_gaps


def test_windows_are_read_by_row_and_start(store):
    starts = [0, 17, 100]
    batch = store.read_batch([4, 0, 7], "ecg", starts, 50)
    for b, (row, start) in enumerate(zip([4, 0, 7], starts, strict=True)):
        exact = store.read(row, "ecg")[:, start : start + 50]
        assert np.abs(batch[b] - exact).max() <= np.spacing(np.abs(exact)).max()
    with pytest.raises(StoreError, match="past the end"):
        store.read_batch([0], "ecg", [390], 50)
    with pytest.raises(StoreError, match="no stream 'eeg'"):
        store.read(0, "eeg")


def test_labels_follow_the_records_and_unlabelled_ones_are_none(store):
    labels = store.labels("tiny/set")
    assert labels[2] == ("A", "B")
    assert labels[3] is None
    assert labels[5] == ("A",)


def test_rows_are_chosen_by_fold_and_an_unknown_fold_is_named(store):
    assert store.select(["1", "3"]).tolist() == [0, 1, 4, 5]
    with pytest.raises(StoreError, match="no record in fold '9'"):
        store.select(["9"])


def test_unreadable_records_are_counted_and_listed(tmp_path):
    report = ingest(Tiny(broken=(2, 5)), "-", tmp_path / "store")
    assert (report.n_listed, report.n_stored) == (10, 8)
    assert [each.record_id for each in report.quarantined] == ["2", "5"]
    listed = (tmp_path / "store" / "tiny" / "quarantine.csv").read_text()
    assert "2,2.dat: cut short" in listed
    assert len(Store(tmp_path / "store")) == 8


def test_a_killed_ingest_leaves_no_corpus_and_the_rerun_repeats_nothing(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        ingest(Tiny(fail_at=7), "-", path, shard_bytes=3000)
    with pytest.raises(StoreError, match="cut short; run the same command again"):
        Store(path)
    sealed = {shard: shard.stat().st_mtime_ns for shard in path.glob("*.partial/shards/*")}
    parts = len(list(path.glob("*.partial/parts/*")))
    assert parts >= 2
    read = []
    ingest(Tiny(), "-", path, shard_bytes=3000, progress=lambda items, total: watch(items, read))
    assert 0 < len(read) < 10
    for shard, time in sorted(sealed.items())[:parts]:
        moved = path / "tiny" / "shards" / shard.name
        assert moved.stat().st_mtime_ns == time
    whole = tmp_path / "whole"
    ingest(Tiny(), "-", whole)
    again, straight = Store(path), Store(whole)
    assert again.digest() == straight.digest()
    for row in range(10):
        assert np.array_equal(again.read(row, "ecg"), straight.read(row, "ecg"))


def watch(items, read):
    for item in items:
        read.append(item)
        yield item


def test_a_corpus_is_seen_only_under_its_name(tmp_path):
    ingest(Tiny(), "-", tmp_path / "store")
    (tmp_path / "store" / "tiny").rename(tmp_path / "store" / "tiny.partial")
    for path in (tmp_path / "store", tmp_path / "store" / "tiny.partial"):
        with pytest.raises(StoreError, match="holds no finished corpus"):
            Store(path)


def test_a_second_ingest_is_refused_while_the_first_runs_and_leaves_nothing(tmp_path):
    refused = []

    def interfere(items, total):
        for number, item in enumerate(items):
            if number == 5:
                with pytest.raises(
                    StoreError, match="is being ingested into this store by process"
                ):
                    ingest(Tiny(), "-", tmp_path / "store")
                refused.append(number)
            yield item

    ingest(Tiny(), "-", tmp_path / "store", progress=interfere)
    assert refused == [5]
    assert [each.name for each in (tmp_path / "store").iterdir()] == ["tiny"]
    ingest(Tiny(), "-", tmp_path / "clean")
    assert Store(tmp_path / "store").digest() == Store(tmp_path / "clean").digest()


def test_without_locks_every_process_has_a_folder_of_its_own(tmp_path, monkeypatch):
    import medts.core.locks as module

    monkeypatch.setattr(module, "_lock", lambda handle: False)

    def interfere(items, total):
        for number, item in enumerate(items):
            if number == 5:
                with monkeypatch.context() as other:
                    other.setattr("os.getpid", lambda: 1)
                    ingest(Tiny(), "-", tmp_path / "store")
            yield item

    late = ingest(Tiny(), "-", tmp_path / "store", progress=interfere)
    assert late.was_complete
    assert [each.name for each in (tmp_path / "store").iterdir()] == ["tiny"]
    assert len(Store(tmp_path / "store")) == 10


KILLED = """
import sys, time
from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
def slow(items, total):
    print("ready", flush=True)
    for item in items:
        time.sleep(0.01)
        yield item
ingest(Synthetic(n_subjects=8, duration_s=5.0), "-", sys.argv[1], progress=slow, shard_bytes=50_000)
"""


def test_two_processes_killed_at_any_moment_leave_what_the_next_run_completes(tmp_path):
    from medts.data.sources.synthetic import Synthetic

    def start(folder):
        return subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    for wait_s in (0.02, 0.1, 0.2):
        both = [start(tmp_path / "store") for _ in range(2)]
        for each in both:
            each.stdout.readline()  # "ready", or nothing where it was refused
        sleep(wait_s)
        for each in both:
            each.kill()
            each.communicate()
    source = Synthetic(n_subjects=8, duration_s=5.0)
    ingest(source, "-", tmp_path / "store")
    ingest(source, "-", tmp_path / "clean")
    again, clean = Store(tmp_path / "store"), Store(tmp_path / "clean")
    assert again.digest() == clean.digest()
    for row in range(len(clean)):
        np.testing.assert_array_equal(again.read(row, "ecg"), clean.read(row, "ecg"))


def test_a_full_disk_is_one_clear_error_and_the_rerun_completes(tmp_path, monkeypatch):
    import errno

    import medts.data.ingest as module

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        with pytest.raises(StoreError, match=r"the disk is full.*run the same command again"):
            ingest(Tiny(), "-", tmp_path / "store")
    ingest(Tiny(), "-", tmp_path / "store")
    assert len(Store(tmp_path / "store")) == 10


def test_ingesting_again_changes_nothing_and_other_records_are_refused(tmp_path):
    ingest(Tiny(), "-", tmp_path / "store")
    again = ingest(Tiny(), "-", tmp_path / "store")
    assert again.was_complete
    assert again.n_stored == 10
    with pytest.raises(StoreError, match="already in the store and lists other records"):
        ingest(Tiny(n=12), "-", tmp_path / "store")


def test_a_subject_in_two_folds_is_refused(tmp_path):
    with pytest.raises(StoreError, match="subject s0 has records in folds 1 and 2"):
        ingest(Tiny(folds=["1", "2"] + ["1"] * 8), "-", tmp_path / "store")


def test_several_processes_store_the_same(tmp_path):
    ingest(Tiny(n=80), "-", tmp_path / "one")
    ingest(Tiny(n=80), "-", tmp_path / "two", n_workers=2)
    assert Store(tmp_path / "one").digest() == Store(tmp_path / "two").digest()


def test_the_digest_knows_signals_and_labels_but_no_order(store):
    rows = np.array([1, 2, 3])
    assert store.digest(rows) == store.digest(rows[::-1])
    assert store.digest(rows) != store.digest(rows[:2])
    assert store.digest(rows) != store.digest(rows, "tiny/set")


def test_one_store_may_hold_several_corpora(tmp_path, synthetic_store):
    ingest(Tiny(), "-", tmp_path / "store")
    both = Store(tmp_path / "store", synthetic_store.paths[0])
    assert len(both) == 10 + len(synthetic_store)
    last = len(both) - 1
    assert both.record(last).record_id == synthetic_store.record_ids[-1]
    assert both.labels("tiny/set")[last] is None
    assert np.array_equal(
        both.read(last, "ecg"), synthetic_store.read(len(synthetic_store) - 1, "ecg")
    )
    with pytest.raises(StoreError, match="in two of the stores"):
        Store(tmp_path / "store", tmp_path / "store")


def test_an_empty_folder_and_another_layout_are_explained(tmp_path, store):
    with pytest.raises(StoreError, match="no such store"):
        Store(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="holds no finished corpus"):
        Store(tmp_path)
    path = store.paths[0] / "tiny" / "corpus.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 9}))
    with pytest.raises(StoreError, match="layout version 9"):
        Store(store.paths[0])


def test_the_index_holds_the_signal_quality_of_every_record(synthetic_store):
    channels = set(synthetic_store.record(0).streams["ecg"].channels)
    quality = dict(synthetic_store.column("quality")[0])
    assert set(quality) == channels
    assert np.mean(synthetic_store.column("is_usable")) > 0.9
    for row in range(3):
        found = medts.judge(synthetic_store.record(row))
        assert synthetic_store.column("is_usable")[row] == found.is_usable
        assert synthetic_store.column("quality_warnings")[row] == list(found.warnings())
