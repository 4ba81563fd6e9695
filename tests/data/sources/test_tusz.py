"""TUSZ: recordings and annotations in both official layouts, made small, and broken."""

import edfio
import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.tusz import Tusz
from medts.data.splits import check_disjoint
from medts.data.store import Store

_NAMES = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 FZ CZ PZ"
ELECTRODES = _NAMES.split()
HEAD = "# version = csv_v1.0.0\n# bname = x\n# duration = 180.00 secs\n#\n"
COLUMNS = "channel,start_time,stop_time,label,confidence\n"


def write_edf(file, seconds=180, *, names=None, rate=50):
    names = names or [f"EEG {name}-REF" for name in ELECTRODES]
    rng = np.random.default_rng(0)
    drawn = rng.integers(-2000, 2000, (len(names), seconds * rate)).astype(np.int16)
    signals = [
        edfio.EdfSignal.from_digital(
            values,
            rate,
            label=name,
            physical_dimension="bpm" if name == "IBI" else "uV",
            physical_range=(-200, 200),
            digital_range=(-2000, 2000),
        )
        for name, values in zip(names, drawn, strict=True)
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    edfio.Edf(signals, data_record_duration=1).write(file)
    return drawn / 10


def write_v2(root, directory, person, events=(), *, token="t000", montage="01_tcp_ar", **edf):
    """Writes a recording of v2 whose seizures are (start, stop, type); returns its samples."""
    folder = root / "edf" / directory / person / "s001_2003" / montage
    file = folder / f"{person}_s001_{token}.edf"
    signal = write_edf(file, **edf)
    typed = [f"FP1-F7,{a:.4f},{b:.4f},{kind},1.0000\n" for a, b, kind in events]
    binary = [f"TERM,{a:.4f},{b:.4f},seiz,1.0000\n" for a, b, _ in events]
    rest = "0.0000,180.0000,bckg,1.0000\n"
    file.with_suffix(".csv").write_text(HEAD + COLUMNS + f"F7-T3,{rest}" + "".join(typed))
    file.with_suffix(".csv_bi").write_text(
        HEAD + COLUMNS + ("".join(binary) if binary else f"TERM,{rest}")
    )
    return file, signal


def write_v1(root, directory, person, events=(), *, session="s001", montage="02_tcp_le"):
    """Writes a recording of v1.5.2."""
    folder = root / "edf" / directory / montage / person[:3] / person / f"{session}_2003_07_21"
    file = folder / f"{person}_{session}_t000.edf"
    write_edf(file, names=[f"EEG {name}-LE" for name in ELECTRODES])
    for suffix, binary in ((".tse", False), (".tse_bi", True)):
        rows = [f"{a:.4f} {b:.4f} {'seiz' if binary else kind} 1.0000" for a, b, kind in events]
        text = ["version = tse_v1.0.0", "", "0.0000 180.0000 bckg 1.0000", *rows]
        file.with_suffix(suffix).write_text("\n".join(text) + "\n")
    return file


def test_minutes_carry_seizures_and_the_groups_of_their_types(tmp_path):
    events = [(50, 70, "cpsz"), (130.5, 150, "tnsz"), (140, 160, "tcsz"), (181, 182, "absz")]
    events += [(185, 190, "fnsz"), (250, 260, "mysz")]
    write_v2(tmp_path, "train", "aaaaaaac", events, seconds=330)
    entries = list(Tusz().entries(tmp_path))
    assert [(e.labels["seizure"], e.labels["seizure-type"]) for e in entries] == [
        (("seizure",), ("focal",)),
        (("seizure",), ("focal",)),
        (("seizure",), ("tonic",)),
        (("seizure",), None),  # an absence and a focal seizure
        (("seizure",), None),  # a myoclonic one
        (("background",), None),
    ]
    assert entries[0].record_id == "train/01_tcp_ar/aaaaaaac_s001_t000/0000"
    assert {(e.subject_id, e.fold) for e in entries} == {("aaaaaaac", "train")}
    assert [set_.classes for set_ in Tusz().label_sets] == [
        ("background", "seizure"),
        ("focal", "generalized", "absence", "tonic"),
    ]


def test_electrodes_are_told_from_other_channels_and_are_in_microvolt(tmp_path):
    names = [f"EEG {name}-REF" for name in ("T3", "EKG1", "A1", "FP1", "FZ")]
    _, signal = write_v2(
        tmp_path, "dev", "aaaaaaad", names=[*names, "PHOTIC-REF", "IBI", "EMG-REF"], seconds=100
    )
    entries = list(Tusz().entries(tmp_path))
    record = entries[1].load()
    eeg = record.streams["eeg"]
    assert list(record.streams) == ["eeg"]
    assert (eeg.channels, eeg.unit, eeg.sampling_rate) == (("T7", "Fp1", "Fz"), "µV", 50.0)
    np.testing.assert_allclose(eeg.signal, signal[[0, 3, 4], 3000:], atol=1e-4)
    assert (record.facts["reference"], record.facts["montage"]) == ("REF", "01_tcp_ar")
    assert (record.facts["session"], record.duration_s) == ("s001_2003", 40.0)


def test_a_store_has_the_official_folds_and_keeps_persons_apart(tmp_path):
    write_v2(tmp_path, "train", "aaaaaaac", [(10, 20, "gnsz")])
    write_v2(tmp_path, "dev", "aaaaaaad", montage="02_tcp_le")
    write_v2(tmp_path, "eval", "aaaaaaae")
    write_v2(tmp_path, "eval", "aaaaaaac", [(0, 180, "absz")], token="t001")
    report = ingest(Tusz(), tmp_path, tmp_path / "store")
    assert (report.n_stored, report.n_subjects, report.quarantined) == (12, 3, ())
    store = Store(tmp_path / "store")
    parts = {fold: store.select((fold,)) for fold in ("train", "validation", "test")}
    check_disjoint(store, **parts)
    assert {fold: len(rows) for fold, rows in parts.items()} == {
        "train": 6, "validation": 3, "test": 3
    }  # fmt: skip
    labels = store.labels("tusz/seizure")
    of_eval = [row for row in parts["train"] if "eval/" in store.record(int(row)).record_id]
    assert [labels[row] for row in of_eval] == [None] * 3
    assert store.labels("tusz/seizure-type").count(("generalized",)) == 1


def test_v1_5_2_tests_on_dev_and_draws_validation_from_train(tmp_path):
    for number in range(12):
        write_v1(tmp_path, "train", f"{number:08d}", [(5, 65, "absz")] if number == 3 else ())
    write_v1(tmp_path, "dev", "00000258", [(170, 180, "tcsz")])
    write_v1(tmp_path, "dev", "00000003", [(0, 5, "gnsz")], session="s002")
    entries = list(Tusz().entries(tmp_path))
    fold_of = {entry.subject_id: entry.fold for entry in entries}
    assert len(entries) == 14 * 3
    assert fold_of.pop("00000258") == "test"
    assert set(fold_of.values()) == {"train", "validation"}
    first = [e for e in entries if e.record_id.startswith("train/02_tcp_le/00000003_s001_t000")]
    assert [e.labels["seizure-type"] for e in first] == [("absence",), ("absence",), None]
    again = [e for e in entries if e.record_id.startswith("dev/02_tcp_le/00000003_s002_t000")]
    assert {(e.fold, e.labels.get("seizure")) for e in again} == {(fold_of["00000003"], None)}
    test = [e for e in entries if e.fold == "test"]
    assert [e.labels["seizure"][0] for e in test] == ["background", "background", "seizure"]
    assert test[2].labels["seizure-type"] == ("tonic",)
    assert test[2].load().facts["reference"] == "LE"


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".csv_bi", None, r"\.csv_bi: the annotation is missing.*fetch it again"),
        (".csv", None, r"\.csv: the annotation is missing"),
        (".csv_bi", "", r"\.csv_bi: header: no header of an annotation"),
        (".csv_bi", COLUMNS, "the annotation has no row"),
        (".csv_bi", COLUMNS + "TERM,0,5,fnsz,1\n", "line 2: unknown label 'fnsz'.*bckg, seiz"),
        (".csv", COLUMNS + "F7-T3,0,5,eyem,1\n", "line 2: unknown label 'eyem'"),
        (".csv", COLUMNS + "F7-T3,zero,5,fnsz,1\n", "line 2: not a start, a stop and a label"),
        (".csv", COLUMNS + "F7-T3\n", "line 2: not a start"),
        (".csv_bi", HEAD + COLUMNS + "TERM,9,5,seiz,1\n", "line 6: from 9 to 5 s.*v2.0.1"),
        (".csv_bi", COLUMNS + "TERM,200,205,seiz,1\n", "from 200 to 205 s in a recording of 180"),
        (".edf", b"0       " + bytes(600), "holds no electrode.*EEG FP1-REF"),
        (".edf", -500, "data records, the header says"),
    ],
)
def test_a_broken_recording_or_annotation_is_one_entry_that_says_why(
    tmp_path, suffix, content, reason
):
    file, _ = write_v2(tmp_path, "train", "aaaaaaac", [(10, 20, "gnsz")])
    broken = file.with_suffix(suffix)
    if content is None:
        broken.unlink()
    elif isinstance(content, int):
        broken.write_bytes(broken.read_bytes()[:content])
    elif isinstance(content, bytes):
        broken.write_bytes(content)
    else:
        broken.write_text(content)
    write_v2(tmp_path, "dev", "aaaaaaad")
    *_, last = entries = list(Tusz().entries(tmp_path))
    assert (len(entries), entries[0].record_id) == (4, "train/01_tcp_ar/aaaaaaac_s001_t000")
    with pytest.raises(ReadError, match=reason):
        entries[0].load()
    assert last.load().duration_s == 60.0


def test_two_references_or_rates_are_refused(tmp_path):
    write_v2(tmp_path, "train", "aaaaaaac", names=["EEG FP1-REF", "EEG FP2-LE"])
    (entry,) = Tusz().entries(tmp_path)
    with pytest.raises(ReadError, match="channels: holds electrodes against LE and REF"):
        entry.load()


def test_a_folder_of_something_else_or_of_two_releases_is_refused(tmp_path):
    with pytest.raises(ReadError, match="holds no recording in train, dev, eval"):
        list(Tusz().entries(tmp_path))
    write_v2(tmp_path, "train", "aaaaaaac")
    write_edf(tmp_path / "edf" / "train" / "aaaaaaac" / "elsewhere.edf", seconds=60)
    stray, *_ = Tusz().entries(tmp_path)
    with pytest.raises(ReadError, match=r"elsewhere\.edf: lies or is called otherwise"):
        stray.load()
    write_v1(tmp_path, "dev", "00000258")
    with pytest.raises(ReadError, match="two releases"):
        list(Tusz().entries(tmp_path))
