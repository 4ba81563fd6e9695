"""PTB Diagnostic: a small part in the official layout, with two signal files per recording."""

import pickle

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.data.ingest import ingest
from medts.data.sources.ptb_diagnostic import PtbDiagnostic
from medts.data.store import Store

LEADS = "i ii iii avr avl avf v1 v2 v3 v4 v5 v6 vx vy vz".split()  # noqa: SIM905


def write_recording(path, subject, name, reason="Healthy control", *, n_samples=2000, seed=0):
    """Writes a recording as the distribution has it: twelve leads and three; returns mV."""
    folder = path / subject
    folder.mkdir(parents=True, exist_ok=True)
    steps = np.random.default_rng(seed).integers(-900, 900, (15, n_samples)).astype("<i2")
    (folder / f"{name}.dat").write_bytes(steps[:12].T.tobytes())
    (folder / f"{name}.xyz").write_bytes(steps[12:].T.tobytes())
    lines = [f"{name} 15 1000 {n_samples}"]
    for row, lead in enumerate(LEADS):
        file = f"{name}.dat" if row < 12 else f"{name}.xyz"
        lines.append(f"{file} 16 2000 16 0 {steps[row, 0]} 0 0 {lead}")
    lines += ["# age: 81", "# sex: female", "# ECG date: 01/10/1990", "# Diagnose:"]
    lines += [f"# Reason for admission: {reason}", "# Acute infarction (localization): n/a"]
    lines += ["# Smoker: no"]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return steps / 2000.0


def test_a_recording_has_fifteen_leads_in_mv_and_what_is_known_of_the_person(tmp_path):
    expected = write_recording(tmp_path, "patient001", "s0010_re", "Myocardial infarction")
    (entry,) = PtbDiagnostic().entries(tmp_path)
    assert (entry.record_id, entry.subject_id) == ("patient001/s0010_re", "patient001")
    assert entry.labels == {"infarction": ("Myocardial infarction",)}
    record = pickle.loads(pickle.dumps(entry)).load()
    stream = record.streams["ecg"]
    assert stream.channels == (*STANDARD_12_LEADS, "vx", "vy", "vz")
    assert (stream.unit, stream.sampling_rate) == ("mV", 1000)
    np.testing.assert_allclose(stream.signal, expected, atol=1e-6)
    assert record.facts["sex"] == "female"
    assert record.facts["age"] == 81
    assert record.facts["smoker"] == "no"
    assert record.facts["reason_for_admission"] == "Myocardial infarction"
    assert "acute_infarction" not in record.facts


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("Healthy control", ("Healthy control",)),
        ("myocardial infarction", ("Myocardial infarction",)),
        ("Bundle branch block", None),
        ("n/a", None),
    ],
)
def test_only_the_healthy_and_the_infarcted_take_part(tmp_path, reason, label):
    write_recording(tmp_path, "patient001", "s0010_re", reason)
    (entry,) = PtbDiagnostic().entries(tmp_path)
    assert entry.labels["infarction"] == label


def test_all_records_of_a_person_are_in_one_fold(tmp_path):
    for name in ("s0010_re", "s0014lre"):
        for number in range(1, 5):
            write_recording(tmp_path, f"patient{number:03d}", name)
    folds: dict[str, set[str]] = {}
    for entry in PtbDiagnostic().entries(tmp_path):
        folds.setdefault(entry.subject_id, set()).add(entry.fold)
    assert len(folds) == 4
    assert all(len(found) == 1 for found in folds.values())


def test_missing_recordings_and_signal_files_are_named(tmp_path):
    with pytest.raises(ReadError, match="PTB Diagnostic"):
        PtbDiagnostic().entries(tmp_path)
    write_recording(tmp_path, "patient001", "s0010_re")
    (tmp_path / "patient001" / "s0010_re.xyz").unlink()
    (tmp_path / "RECORDS").write_text("patient001/s0010_re\npatient002/s0015lre\n")
    broken, missing = PtbDiagnostic().entries(tmp_path)
    for entry, name in ((broken, "s0010_re.xyz"), (missing, "s0015lre.hea")):
        with pytest.raises(ReadError, match=name):
            pickle.loads(pickle.dumps(entry)).load()


def test_a_store_keeps_both_files_without_loss(tmp_path):
    expected = write_recording(tmp_path / "ptbdb", "patient001", "s0010_re")
    ingest(PtbDiagnostic(), tmp_path / "ptbdb", tmp_path / "store")
    store = Store(tmp_path / "store")
    np.testing.assert_allclose(store.read(0, "ecg"), expected, atol=1e-6)
    assert store.labels("ptb-diagnostic/infarction") == [("Healthy control",)]
