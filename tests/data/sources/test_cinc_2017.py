"""CinC 2017: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import wfdb
from scipy.io import savemat

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.cinc_2017 import Cinc2017
from medts.data.store import Store

real_data = pytest.mark.skipif("MEDTS_DATA" not in os.environ, reason="MEDTS_DATA is not set")


def write_recording(folder, name, n_samples=2700, seed=0):
    """Writes a recording as the challenge did, date before time included; returns mV."""
    folder.mkdir(parents=True, exist_ok=True)
    microvolts = np.random.default_rng(seed).integers(-900, 900, (1, n_samples)).astype(np.int16)
    savemat(folder / f"{name}.mat", {"val": microvolts}, format="4")
    lines = f"{name} 1 300 {n_samples} 2014-05-08 05:05:15 \r\n"
    lines += f"{name}.mat 16+24 1000/mV 16 0 {microvolts[0, 0]} 0 0 ECG \r\n"
    (folder / f"{name}.hea").write_bytes(lines.encode())
    return microvolts / 1000.0


def write_labels(table, **labels):
    table.write_text("".join(f"{name},{label}\n" for name, label in labels.items()))


def found_labels(path):
    return {entry.record_id: entry.labels["rhythm"] for entry in Cinc2017().entries(path)}


def refusal(entry):
    with pytest.raises(ReadError) as caught:
        pickle.loads(pickle.dumps(entry)).load()
    return str(caught.value)


def test_a_record_is_its_own_subject_with_lead_i_and_one_label(tmp_path):
    expected = write_recording(tmp_path / "validation", "A00001")
    write_labels(tmp_path / "validation" / "REFERENCE.csv", A00001="A")
    (entry,) = Cinc2017().entries(tmp_path)
    record = pickle.loads(pickle.dumps(entry)).load()
    assert (entry.record_id, entry.subject_id, record.subject_id) == ("A00001",) * 3
    assert entry.labels == {"rhythm": ("A",), "scored-rhythm": ("A",)}
    stream = record.streams["ecg"]
    assert (stream.channels, stream.unit, stream.sampling_rate) == (("I",), "mV", 300)
    np.testing.assert_allclose(stream.signal, expected, atol=1e-6)
    assert record.facts["start"] == "2014-05-08T05:05:15"
    assert record.facts["reference"] == "REFERENCE.csv"


def test_a_recording_in_both_folders_counts_once_and_folds_do_not_depend_on_the_part(tmp_path):
    validation, training = tmp_path / "validation", tmp_path / "training"
    for number in range(30):
        write_recording(validation, f"A{number:05d}", n_samples=30)
    labels = {f"A{number:05d}": "N" for number in range(30)}
    write_labels(validation / "REFERENCE.csv", **labels)
    alone = {entry.record_id: entry.fold for entry in Cinc2017().entries(tmp_path)}
    assert set(alone.values()) == {"train", "validation", "test"}

    for name in ("A00003", "A00900"):
        write_recording(training / name[:3], name, n_samples=30)
    write_labels(training / "REFERENCE.csv", A00003="N", A00900="O")
    together = {entry.record_id: entry.fold for entry in Cinc2017().entries(tmp_path)}
    assert together.keys() - alone.keys() == {"A00900"}
    assert together.items() >= alone.items()


def test_revised_labels_count_where_they_are_there(tmp_path):
    for name in ("A00001", "A00002"):
        write_recording(tmp_path / "training" / "A00", name)
    write_labels(tmp_path / "training" / "REFERENCE.csv", A00001="N", A00002="O")
    write_labels(tmp_path / "REFERENCE-v3.csv", A00001="~")
    assert found_labels(tmp_path) == {"A00001": ("~",), "A00002": ("O",)}
    revised, first = (entry.load().facts["reference"] for entry in Cinc2017().entries(tmp_path))
    assert (revised, first) == ("REFERENCE-v3.csv", "REFERENCE.csv")


def test_the_unpacked_archive_itself_may_be_named(tmp_path):
    write_recording(tmp_path, "A00001")
    write_labels(tmp_path / "REFERENCE.csv", A00001="O")
    assert found_labels(tmp_path) == {"A00001": ("O",)}


def test_a_record_without_label_takes_no_part_and_a_strange_label_is_refused(tmp_path):
    for name in ("A00001", "A00002"):
        write_recording(tmp_path, name)
    write_labels(tmp_path / "REFERENCE.csv", A00002="X")
    unlabelled, strange = Cinc2017().entries(tmp_path)
    assert unlabelled.labels == {"rhythm": None, "scored-rhythm": None}
    assert "reference" not in unlabelled.load().facts
    assert "REFERENCE.csv: A00002: label 'X'" in refusal(strange)


def test_a_promised_recording_that_is_missing_is_listed(tmp_path):
    write_recording(tmp_path, "A00001")
    write_labels(tmp_path / "REFERENCE.csv", A00001="N", A00002="N")
    (tmp_path / "RECORDS").write_text("A00001\nA00002\n")
    _, missing = Cinc2017().entries(tmp_path)
    assert "A00002.hea" in refusal(missing)


def test_missing_and_garbled_tables_are_named(tmp_path):
    with pytest.raises(ReadError, match="CinC Challenge 2017"):
        Cinc2017().entries(tmp_path)
    write_recording(tmp_path, "A00001")
    with pytest.raises(ReadError, match=r"REFERENCE\.csv"):
        Cinc2017().entries(tmp_path)
    (tmp_path / "REFERENCE.csv").write_text("A00001,N\nA00002\n")
    with pytest.raises(ReadError, match="row 2: 1 cells"):
        Cinc2017().entries(tmp_path)


def test_a_store_keeps_recordings_of_any_length_without_loss(tmp_path):
    expected = [
        write_recording(tmp_path / "validation", f"A0000{n}", n_samples=3000 * n, seed=n)
        for n in (1, 2)
    ]
    write_labels(tmp_path / "validation" / "REFERENCE.csv", A00001="N", A00002="~")
    ingest(Cinc2017(), tmp_path, tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.labels("cinc-2017/rhythm") == [("N",), ("~",)]
    assert store.labels("cinc-2017/scored-rhythm") == [("N",), None]
    for number, signal in enumerate(expected):
        np.testing.assert_allclose(store.read(number, "ecg"), signal, atol=1e-6)
        assert store.stream_entry(number, "ecg")["step"] == [0.001]


def test_every_class_has_a_wording_of_its_own():
    label_set, scored = Cinc2017().label_sets
    assert label_set.phrase("A") == "atrial fibrillation"
    assert len({label_set.phrase(name) for name in label_set.classes}) == 4
    assert scored.phrases.items() < label_set.phrases.items()


@real_data
def test_the_real_part_has_the_published_counts_and_signals():
    path = Path(os.environ["MEDTS_DATA"]) / "challenge-2017-validation"
    entries = list(Cinc2017().entries(path))
    assert Counter(name for entry in entries for name in entry.labels["rhythm"]) == {
        "N": 150,
        "O": 70,
        "A": 50,
        "~": 30,
    }
    assert Counter(entry.fold for entry in entries) == {"train": 182, "validation": 54, "test": 64}
    for entry in entries[::60]:
        reference = wfdb.rdrecord(str(path / "validation" / entry.record_id)).p_signal.T
        np.testing.assert_allclose(entry.load().streams["ecg"].signal, reference, atol=1e-6)
