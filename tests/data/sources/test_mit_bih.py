"""MIT-BIH: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb

import medts.formats
from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.ontology import class_concepts
from medts.data.sources.mit_bih import (
    AAMI_OF,
    DS1,
    DS2,
    PACED,
    VALIDATION,
    MitBih,
    MitBihBeats,
    read_recording,
)
from medts.data.store import Store
from medts.formats.wfdb_annotations import BEATS

real_data = pytest.mark.skipif("MEDTS_DATA" not in os.environ, reason="MEDTS_DATA is not set")

BEATS_AT = ((50, "N"), (400, "V"), (3500, "A"), (4000, "F"), (8950, "N"))
RHYTHMS_AT = ((18, "(N"), (4320, "(AFIB"))


def write_recording(
    folder, name, *, beats=BEATS_AT, rhythms=RHYTHMS_AT, leads=("MLII", "V1"), n_samples=9000
):
    """Writes 25 s in 200 units per mV, format 212, with an `.atr`; returns the signal in mV."""
    rng = np.random.default_rng(int(name))
    units = rng.integers(-1000, 1000, (n_samples, 2))
    wfdb.wrsamp(
        name,
        fs=360,
        units=["mV"] * 2,
        sig_name=list(leads),
        d_signal=units,
        fmt=["212"] * 2,
        adc_gain=[200.0] * 2,
        baseline=[0] * 2,
        comments=["69 M 1085 1629 x1"],
        write_dir=str(folder),
    )
    marks = sorted([*((at, s, "") for at, s in beats), *((at, "+", note) for at, note in rhythms)])
    wfdb.wrann(
        name,
        "atr",
        sample=np.array([at for at, _, _ in marks]),
        symbol=[symbol for _, symbol, _ in marks],
        aux_note=[note for _, _, note in marks],
        write_dir=str(folder),
    )
    return units.T / 200.0


def refusal(entry):
    with pytest.raises(ReadError) as caught:
        pickle.loads(pickle.dumps(entry)).load()
    return str(caught.value)


def test_windows_follow_each_other_and_the_last_one_is_shorter(tmp_path):
    expected = write_recording(tmp_path, "100")
    entries = list(MitBih().entries(tmp_path))
    records = [pickle.loads(pickle.dumps(entry)).load() for entry in entries]

    assert [entry.record_id for entry in entries] == ["100/0000", "100/0001", "100/0002"]
    assert [record.streams["ecg"].n_samples for record in records] == [3600, 3600, 1800]
    signal = np.concatenate([record.streams["ecg"].signal for record in records], axis=1)
    np.testing.assert_allclose(signal, expected, atol=1e-6)
    assert records[1].facts == {"age": 69, "sex": "male", "recording": "100", "start_s": 10.0}
    assert (records[1].record_id, records[1].subject_id) == ("100/0001", "100")


def test_a_rhythm_labels_the_windows_it_fills_and_the_first_one_begins_at_the_start(tmp_path):
    write_recording(tmp_path, "100")
    labels = [entry.labels for entry in MitBih().entries(tmp_path)]
    assert labels == [{"rhythm": ("N",)}, {"rhythm": None}, {"rhythm": ("AFIB",)}]


def test_a_rhythm_that_changes_on_the_border_fills_both_windows(tmp_path):
    write_recording(tmp_path, "100", rhythms=((0, "(N"), (3600, "(AFIB"), (7200, "(VT")))
    labels = [entry.labels["rhythm"] for entry in MitBih().entries(tmp_path)]
    assert labels == [("N",), ("AFIB",), ("VT",)]


def test_annotations_count_from_the_start_of_their_window_and_rhythms_end_with_it(tmp_path):
    write_recording(tmp_path, "100")
    _, entry, _ = MitBih().entries(tmp_path)
    found = [
        (a.kind, a.label, round(a.time_s * 360), round(a.duration_s * 360))
        for a in entry.load().annotations
    ]
    assert found == [
        ("rhythm", "N", 0, 720),
        ("rhythm", "AFIB", 720, 2880),
        ("beat", "F", 400, 0),
    ]


def test_a_beat_is_300_samples_with_its_peak_at_100_and_nan_outside_the_recording(tmp_path):
    whole = write_recording(tmp_path, "100")
    entries = list(MitBihBeats().entries(tmp_path))
    assert [entry.labels["aami"] for entry in entries] == [("N",), ("V",), ("S",), ("F",), ("N",)]
    padded = np.pad(whole, ((0, 0), (300, 300)), constant_values=np.nan)
    for entry, (peak, symbol) in zip(entries, BEATS_AT, strict=True):
        record = pickle.loads(pickle.dumps(entry)).load()
        expected = padded[:, 300 + peak - 100 : 300 + peak + 200]
        np.testing.assert_allclose(record.streams["ecg"].signal, expected, atol=1e-6)
        at_peak = [a.label for a in record.annotations if a.time_s == pytest.approx(100 / 360)]
        assert at_peak == [symbol]
    assert np.isnan(entries[0].load().streams["ecg"].signal[:, :50]).all()


def test_a_store_keeps_windows_and_beats_without_loss(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    whole = write_recording(corpus, "100")
    ingest(MitBih(), corpus, tmp_path / "store")
    report = ingest(MitBihBeats(), corpus, tmp_path / "store")
    assert (report.n_stored, report.n_subjects) == (5, 1)
    store = Store(tmp_path / "store")
    assert set(store.label_sets) == {"mit-bih/rhythm", "mit-bih-beats/aami"}
    rows = np.flatnonzero(store.corpus_of_row == "mit-bih")
    signal = np.concatenate([store.read(int(row), "ecg") for row in rows], axis=1)
    np.testing.assert_allclose(signal, whole, atol=1e-6)
    assert store.stream_entry(int(rows[0]), "ecg")["step"] == pytest.approx([0.005, 0.005])
    first_beat = store.read(int(np.flatnonzero(store.corpus_of_row == "mit-bih-beats")[0]), "ecg")
    assert np.isnan(first_beat[:, :50]).all()
    np.testing.assert_allclose(first_beat[:, 50:], whole[:, :250], atol=1e-6)


def test_lead_mlii_is_found_as_ii_wherever_it_stands(tmp_path):
    expected = write_recording(tmp_path, "114", leads=("V5", "MLII"))
    entry = next(MitBih().entries(tmp_path))
    stream = entry.load().streams["ecg"]
    assert stream.channels == ("V5", "II")
    np.testing.assert_allclose(stream.pick(("II",)).signal, expected[1:, :3600], atol=1e-6)


@pytest.mark.parametrize(
    ("symbols", "aami"), [("NLRBejn", "N"), ("AaJS", "S"), ("VEr", "V"), ("F", "F"), ("/fQ?", "Q")]
)
def test_symbols_become_the_classes_of_the_aami(symbols, aami):
    assert all(AAMI_OF[symbol] == aami for symbol in symbols)
    assert sum(known == aami for known in AAMI_OF.values()) == len(symbols)


def test_every_beat_symbol_has_a_class():
    assert set(AAMI_OF) == set(BEATS)


def test_the_halves_and_their_parts_cover_the_corpus_once():
    assert (len(DS1), len(DS2), len(PACED)) == (22, 22, 4)
    assert len({*DS1, *DS2, *PACED}) == 48
    assert set(VALIDATION) < set(DS1)


def test_both_recordings_of_one_man_are_in_one_fold_and_only_that_of_ds2_is_labelled(tmp_path):
    for name in ("101", "201", "202", "203"):
        write_recording(tmp_path, name)
    for source, part in ((MitBih(), "rhythm"), (MitBihBeats(), "aami")):
        found = {}
        for entry in source.entries(tmp_path):
            is_labelled = entry.labels[part] is not None
            key = (entry.record_id.split("/")[0], entry.subject_id, entry.fold)
            found[key] = found.get(key, False) or is_labelled
        assert found == {
            ("101", "101", "validation"): True,
            ("201", "201", "test"): False,
            ("202", "201", "test"): True,
            ("203", "203", "train"): True,
        }


def test_paced_recordings_train_without_classes_of_beats_but_with_rhythms(tmp_path):
    write_recording(tmp_path, "102", beats=((400, "/"), (800, "N")), rhythms=((5, "(P"),))
    beats = list(MitBihBeats().entries(tmp_path))
    assert [(entry.fold, entry.labels["aami"]) for entry in beats] == [("train", None)] * 2
    assert {entry.labels["rhythm"] for entry in MitBih().entries(tmp_path)} == {("P",)}


def test_an_unreadable_recording_is_one_entry_that_says_why(tmp_path):
    for name in ("100", "103", "105", "111", "999"):
        write_recording(tmp_path, name)
    (tmp_path / "100.dat").write_bytes(b"short")
    (tmp_path / "103.atr").unlink()
    write_recording(tmp_path, "105", rhythms=((0, "(NN"),))
    (tmp_path / "RECORDS").write_text("100\n103\n105\n111\n113\n")
    entries = list(MitBihBeats().entries(tmp_path))
    refused = {e.record_id: refusal(e) for e in entries if "/" not in e.record_id}
    assert refused.keys() == {"100", "103", "105", "113", "999"}
    assert "100.dat" in refused["100"]
    assert "103.atr" in refused["103"]
    assert "no rhythm" in refused["103"]
    assert "unknown rhythm 'NN'" in refused["105"]
    assert "113.hea" in refused["113"]
    assert "no recording of the MIT-BIH" in refused["999"]
    assert sum(entry.record_id.startswith("111/") for entry in entries) == len(BEATS_AT)


def test_a_recording_at_another_rate_is_refused(tmp_path):
    write_recording(tmp_path, "100")
    header = tmp_path / "100.hea"
    header.write_text(header.read_text().replace(" 2 360 ", " 2 250 "))
    (entry,) = MitBih().entries(tmp_path)
    assert "no ECG at 360 Hz" in refusal(entry)


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ReadError, match="MIT-BIH Arrhythmia Database"):
        MitBih().entries(tmp_path)


def test_each_recording_is_read_twice_however_many_beats_it_has(tmp_path, monkeypatch):
    for name in ("100", "103"):
        write_recording(tmp_path, name)
    read_paths = []
    genuine = medts.formats.read
    monkeypatch.setattr(
        medts.formats, "read", lambda path: read_paths.append(path) or genuine(path)
    )
    for entry in list(MitBihBeats().entries(tmp_path)):
        entry.load()
    assert Counter(path.stem for path in read_paths) == {"100": 2, "103": 2}


def test_listing_again_sees_what_changed_on_disk(tmp_path):
    write_recording(tmp_path, "100")
    assert len(list(MitBihBeats().entries(tmp_path))) == len(BEATS_AT)
    write_recording(tmp_path, "100", beats=BEATS_AT[:2])
    assert len(list(MitBihBeats().entries(tmp_path))) == 2
    read_recording.cache_clear()


def test_every_class_has_a_wording_of_its_own():
    for source in (MitBih(), MitBihBeats()):
        (label_set,) = source.label_sets
        assert label_set.kind == "single"
        assert len({label_set.phrase(name) for name in label_set.classes}) == len(label_set)
    (rhythm,) = MitBih().label_sets
    assert all(class_concepts(rhythm, name) for name in rhythm.classes)


@pytest.fixture(scope="module")
def real_path():
    return Path(os.environ["MEDTS_DATA"]) / "mitdb"


@real_data
def test_real_beats_have_the_published_counts(real_path):
    count: dict[str, Counter[str]] = {"DS1": Counter(), "DS2": Counter(), "paced": Counter()}
    folds = {}
    for entry in MitBihBeats().entries(real_path):
        name = entry.record_id.split("/")[0]
        half = "DS1" if name in DS1 else "DS2" if name in DS2 else "paced"
        count[half].update(entry.labels["aami"] or ["none"])
        assert folds.setdefault(entry.subject_id, entry.fold) == entry.fold
    assert count == {
        "DS1": {"N": 23105, "S": 800, "V": 3191, "F": 397, "Q": 6},
        "DS2": {"N": 22028, "S": 1745, "V": 2156, "F": 377, "Q": 2},
        "paced": {"none": 2187},
    }
    assert Counter(folds.values()) == {"train": 10, "validation": 3, "test": 11}


@real_data
def test_real_windows_hold_every_annotation_once_and_the_signal_that_wfdb_reads(
    real_path, tmp_path
):
    kinds = Counter()
    for file in (f for name in ("114", "207") for f in real_path.glob(f"{name}.*")):
        (tmp_path / file.name).symlink_to(file)
    entries = list(MitBih().entries(tmp_path))
    assert len(entries) == 2 * 181
    records = [entry.load() for entry in entries]
    for record in records:
        kinds.update(a.kind for a in record.annotations if a.kind != "rhythm")
    reference = {name: wfdb.rdann(str(real_path / name), "atr") for name in ("114", "207")}
    assert kinds.total() == sum(sum(s != "+" for s in r.symbol) for r in reference.values())
    signal = np.concatenate([r.streams["ecg"].signal for r in records[:181]], axis=1)
    expected = wfdb.rdrecord(str(real_path / "114")).p_signal.T
    np.testing.assert_allclose(signal, expected, atol=1e-6)
    assert records[0].streams["ecg"].channels == ("V5", "II")
