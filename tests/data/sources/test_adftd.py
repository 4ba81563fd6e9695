"""ADFTD: EEGLAB datasets and a table in the official layout, made small, and broken."""

import numpy as np
import pytest
from scipy.io import savemat

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.adftd import Adftd, folds_of
from medts.data.splits import check_disjoint
from medts.data.store import Store

_NAMES = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 Fz Cz Pz"
LABELS = _NAMES.split()
HEAD = "participant_id\tGender\tAge\tGroup\tMMSE"


def write_table(root, groups="AFC", *, head=HEAD, rows=()):
    """Writes participants sub-001, sub-002, … of these groups, and further rows."""
    made = [f"sub-{n:03d}\tF\t{60 + n}\t{group}\t2{n}" for n, group in enumerate(groups, start=1)]
    (root / "participants.tsv").write_text("\n".join([head, *made, *rows]) + "\n")


def write_recording(folder, name, seconds=25, *, labels=LABELS, epochs=1):
    """Writes one dataset as the distribution has it; returns its samples."""
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 20, (len(labels), seconds * 500)).astype(np.float32)
    places = np.array([[(label,) for label in labels]], dtype=[("labels", object)])
    fields = {
        "nbchan": float(len(labels)),
        "trials": float(epochs),
        "pnts": float(seconds * 500),
        "srate": 500.0,
        "data": signal,
        "chanlocs": places,
    }
    file = folder / name / "eeg" / f"{name}_task-eyesclosed_eeg.set"
    file.parent.mkdir(parents=True)
    savemat(file, {"EEG": fields}, appendmat=False)
    return file, signal


def test_pieces_of_ten_seconds_carry_the_disease_of_their_subject(tmp_path):
    write_table(tmp_path)
    _, signal = write_recording(tmp_path / "derivatives", "sub-001")
    for name in ("sub-002", "sub-003"):
        write_recording(tmp_path / "derivatives", name, seconds=10)
    write_recording(tmp_path, "sub-001", seconds=10)
    entries = list(Adftd().entries(tmp_path))
    assert [(e.record_id, e.labels["dementia"]) for e in entries] == [
        ("sub-001/0000", ("AD",)),
        ("sub-001/0001", ("AD",)),
        ("sub-001/0002", ("AD",)),
        ("sub-002/0000", ("FTD",)),
        ("sub-003/0000", ("HC",)),
    ]
    record = entries[1].load()
    eeg = record.streams["eeg"]
    assert (eeg.unit, eeg.sampling_rate, len(eeg.channels)) == ("µV", 500.0, 19)
    assert {"T7", "T8", "P7", "P8"} < set(eeg.channels)
    np.testing.assert_array_equal(eeg.signal, signal[:, 5000:10000])
    assert entries[2].load().duration_s == 5.0
    facts = record.facts
    assert (facts["age"], facts["sex"], facts["mmse"]) == (61, "female", 21)
    assert (facts["is_cleaned"], facts["start_s"]) == (True, 10.0)
    assert Adftd().label_sets[0].classes == ("HC", "FTD", "AD")


def test_raw_recordings_are_read_where_there_are_no_derivatives(tmp_path):
    write_table(tmp_path, "C")
    write_recording(tmp_path, "sub-001", seconds=10)
    (entry,) = Adftd().entries(tmp_path)
    assert entry.load().facts["is_cleaned"] is False


def test_folds_are_those_of_medformer(tmp_path):
    numbers = iter(range(1, 89))
    official = {f"sub-{next(numbers):03d}": each for each in "A" * 36 + "C" * 29 + "F" * 23}
    folds = folds_of(official)
    counts = {
        group: [
            sum(official[name] == group and fold == wanted for name, fold in folds.items())
            for wanted in ("train", "validation", "test")
        ]
        for group in "ACF"
    }
    assert counts == {"A": [21, 7, 8], "C": [17, 6, 6], "F": [13, 5, 5]}
    assert (folds["sub-021"], folds["sub-022"]) == ("train", "validation")
    assert (folds["sub-028"], folds["sub-029"], folds["sub-037"]) == ("validation", "test", "train")


def test_a_store_keeps_subjects_apart(tmp_path):
    write_table(tmp_path, "AAAAACCCCC")
    for number in range(1, 11):
        write_recording(tmp_path / "derivatives", f"sub-{number:03d}", seconds=20)
    report = ingest(Adftd(), tmp_path, tmp_path / "store")
    assert (report.n_stored, report.n_subjects, report.quarantined) == (20, 10, ())
    store = Store(tmp_path / "store")
    parts = {fold: store.select((fold,)) for fold in ("train", "validation", "test")}
    check_disjoint(store, **parts)
    assert {fold: len(rows) for fold, rows in parts.items()} == {
        "train": 12, "validation": 4, "test": 4
    }  # fmt: skip
    assert store.labels("adftd/dementia") == [("AD",)] * 10 + [("HC",)] * 10


def test_a_broken_subject_is_one_entry_that_says_why(tmp_path):
    rows = ["sub-006\tM\told\tC\t30", "sub-007\tM\tn/a\tC\tn/a"]
    write_table(tmp_path, "AXFCC", rows=rows)
    folder = tmp_path / "derivatives"
    file, _ = write_recording(folder, "sub-001")
    file.write_bytes(file.read_bytes()[:-900])
    write_recording(folder, "sub-003", labels=LABELS[:-2])
    write_recording(folder, "sub-004", epochs=4)
    write_recording(folder, "sub-007", seconds=10)
    write_recording(folder, "sub-099", seconds=10)
    report = ingest(Adftd(), tmp_path, tmp_path / "store")
    assert (report.n_stored, report.n_listed) == (1, 8)
    reasons = {each.record_id: each.reason for each in report.quarantined}
    for name, reason in (
        ("sub-001", "sub-001_task-eyesclosed_eeg.set: cannot be read"),
        ("sub-002", "participants.tsv: sub-002: group 'X' is none of C, F, A"),
        ("sub-003", "chanlocs: 17 channels instead of the 19 of the 10-20 system; lost: Cz, Pz"),
        ("sub-004", "trials: the dataset is cut into 4 epochs"),
        ("sub-005", "sub-005_task-eyesclosed_eeg.set: no such file"),
        ("sub-006", "participants.tsv: sub-006: Age 'old' is no whole number"),
        ("sub-099", "participants.tsv: sub-099: a recording, but no row"),
    ):
        assert reason in reasons[name]
    assert "age" not in Store(tmp_path / "store").record(0).facts


def test_a_missing_or_foreign_table_is_refused(tmp_path):
    write_recording(tmp_path / "derivatives", "sub-001", seconds=10)
    with pytest.raises(ReadError, match=r"participants\.tsv: no such file.*official ADFTD"):
        list(Adftd().entries(tmp_path))
    write_table(tmp_path, head=HEAD.replace("Group", "group"))
    with pytest.raises(ReadError, match=r"participants\.tsv: header: no column 'Group'"):
        list(Adftd().entries(tmp_path))
    write_table(tmp_path, "A", rows=["sub-001\tF\t61\tC\t30"])
    with pytest.raises(ReadError, match="sub-001: participant occurs twice"):
        list(Adftd().entries(tmp_path))
