"""APAVA: FieldTrip structures in the official layout, made small, and broken in every way."""

import numpy as np
import pytest
from scipy.io import savemat

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.apava import PATIENTS, Apava
from medts.data.splits import check_disjoint
from medts.data.store import Store

_NAMES = "C3 C4 F3 F4 F7 F8 Fp1 Fp2 O1 O2 P3 P4 T3 T4 T5 T6"
LABELS = _NAMES.split()


def cells(values, shape):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def write_subject(root, number, n_trials=2, *, labels=LABELS, rate=256.0, scale=20.0, n=1280):
    """Writes one subject as the distribution has it; returns its trials."""
    rng = np.random.default_rng(number)
    trials = [rng.normal(0, scale, (len(labels), n)) for _ in range(n_trials)]
    data = {
        "label": cells(labels, (-1, 1)),
        "fsample": rate,
        "trial": cells(trials, (1, -1)),
        "time": cells([np.arange(n) / rate] * n_trials, (1, -1)),
    }
    folder = root / "AD_Data"
    folder.mkdir(exist_ok=True)
    file = folder / f"preproctrials{number:02d}.mat"
    savemat(file, {"data": data})
    return file, trials


def test_trials_become_labelled_records_in_microvolt(tmp_path):
    _, trials = write_subject(tmp_path, 3)
    write_subject(tmp_path, 5, n_trials=1)
    entries = list(Apava().entries(tmp_path))
    assert [(e.record_id, e.labels["alzheimers"]) for e in entries] == [
        ("preproctrials03/0000", ("AD",)),
        ("preproctrials03/0001", ("AD",)),
        ("preproctrials05/0000", ("HC",)),
    ]
    record = entries[1].load()
    eeg = record.streams["eeg"]
    assert (eeg.unit, eeg.sampling_rate, eeg.n_samples) == ("µV", 256.0, 1280)
    assert eeg.channels == (*LABELS[:12], "T7", "T8", "P7", "P8")
    np.testing.assert_allclose(eeg.signal, trials[1], rtol=1e-6)
    assert (record.subject_id, record.facts["trial"]) == ("03", 1)
    assert [e.fold for e in Apava().entries(tmp_path / "AD_Data")] == ["train"] * 3


def test_a_store_has_the_folds_of_medformer_and_keeps_subjects_apart(tmp_path):
    for number in range(1, 24):
        write_subject(tmp_path, number, n_trials=2)
    report = ingest(Apava(), tmp_path, tmp_path / "store")
    assert (report.n_stored, report.n_subjects, report.quarantined) == (46, 23, ())
    store = Store(tmp_path / "store")
    parts = {fold: store.select((fold,)) for fold in ("train", "validation", "test")}
    check_disjoint(store, **parts)
    people = {
        fold: sorted({store.subject_ids[row] for row in rows}) for fold, rows in parts.items()
    }
    assert people["validation"] == [f"apava/{n}" for n in (15, 16, 19, 20)]
    assert people["test"] == ["apava/01", "apava/02", "apava/17", "apava/18"]
    assert len(people["train"]) == 15
    labels = store.labels("apava/alzheimers")
    ill = {int(store.subject_ids[row][-2:]) for row in range(46) if labels[row] == ("AD",)}
    assert ill == set(PATIENTS)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": LABELS[:-1]}, r"label: 15 channels instead of 16; lost: P8"),
        ({"labels": [*LABELS[:-1], "Fz"]}, r"label: 16 channels instead of 16; lost: P8"),
        ({"rate": 128.0}, "fsample: sampled at 128 Hz"),
        ({"n": 1024}, r"trial: trial 1 is \(16, 1024\)"),
        ({"n_trials": 0}, "trial: no trial"),
        ({"scale": 2e-5}, "trial: channels deviate by .*no EEG in µV"),
        ({"scale": float("nan")}, "trial: channels deviate by nan"),
    ],
)
def test_a_file_that_looks_otherwise_is_one_entry_that_says_why(tmp_path, changes, reason):
    write_subject(tmp_path, 2, **changes)
    (entry,) = Apava().entries(tmp_path)
    assert (entry.record_id, entry.fold) == ("preproctrials02", "test")
    with pytest.raises(ReadError, match=rf"preproctrials02\.mat: {reason}"):
        entry.load()


def test_a_damaged_file_and_a_subject_too_many_are_quarantined(tmp_path):
    file, _ = write_subject(tmp_path, 1)
    file.write_bytes(file.read_bytes()[:5000])
    write_subject(tmp_path, 2)
    write_subject(tmp_path, 24)
    savemat(tmp_path / "AD_Data" / "preproctrials04.mat", {"data": np.ones(3)})
    report = ingest(Apava(), tmp_path, tmp_path / "store")
    assert report.n_stored == 2
    reasons = {each.record_id: each.reason for each in report.quarantined}
    assert "cannot be read as a MATLAB file" in reasons["preproctrials01"]
    assert "no FieldTrip structure" in reasons["preproctrials04"]
    assert "no subject of that number" in reasons["preproctrials24"]


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ReadError, match="official APAVA"):
        list(Apava().entries(tmp_path))
