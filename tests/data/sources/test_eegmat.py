"""EEGMAT: a small part in the official layout, and the real part where MEDTS_DATA is set."""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.core.montage import MONTAGES, SCALP_REGIONS
from medts.core.records import Record, Stream
from medts.data.ingest import ingest
from medts.data.sources.eegmat import Eegmat
from medts.data.store import Store
from medts.data.windowing import Windowing
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.formats import edf
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, split_stream

ELECTRODES = MONTAGES["eeg-10-20"].channels
REGIONS = split_stream(
    "eeg", SCALP_REGIONS, StreamPreprocessing(modality="eeg", unit="µV", scale=10.0)
)
SIX_STREAMS = Preprocessing(streams=REGIONS | {"ecg": StreamPreprocessing(channels=("ECG",))})


def write_file(root, name, seconds=10):
    rng = np.random.default_rng(0)
    eeg = rng.integers(-300, 300, (19, seconds * 500)).astype(np.float32) / 10
    ecg = rng.integers(-300, 300, (1, seconds * 500)).astype(np.float32) / 100
    streams = {
        "eeg": Stream(eeg, ELECTRODES, 500.0, "eeg", "µV"),
        "ecg": Stream(ecg, ("ECG",), 500.0, "ecg", "mV"),
    }
    edf.write(Record("r", streams), root / f"{name}.edf")
    return eeg, ecg


def write_table(root, rows=("Subject02,19,F,2012,12.88,1",)):
    head = "Subject,Age,Gender,Recording year,Number of subtractions,Count quality"
    (root / "subject-info.csv").write_text("\n".join([head, *rows]) + "\n")


def test_rest_and_task_become_labelled_records_of_four_seconds(tmp_path):
    write_table(tmp_path)
    eeg, ecg = write_file(tmp_path, "Subject02_1")
    write_file(tmp_path, "Subject02_2", seconds=5)
    entries = list(Eegmat().entries(tmp_path))
    assert [(e.record_id, e.labels["task"]) for e in entries] == [
        ("Subject02_1/0000", ("rest",)),
        ("Subject02_1/0001", ("rest",)),
        ("Subject02_1/0002", ("rest",)),
        ("Subject02_2/0000", ("arithmetic",)),
    ]
    assert {(e.subject_id, e.fold) for e in entries} == {("02", "3")}
    record = entries[1].load()
    np.testing.assert_allclose(record.streams["eeg"].signal, eeg[:, 2000:4000], atol=0.06)
    np.testing.assert_allclose(record.streams["ecg"].signal, ecg[:, 2000:4000], atol=0.006)
    assert record.facts["sex"] == "female"
    assert (record.facts["age"], record.facts["counts_well"]) == (19, True)


def test_a_missing_or_damaged_file_is_one_entry(tmp_path):
    write_table(tmp_path)
    write_file(tmp_path, "Subject02_1")
    (tmp_path / "Subject03_1.edf").write_bytes(b"0       " + b"x" * 400)
    entries = [e for e in Eegmat().entries(tmp_path) if "/" not in e.record_id]
    assert [e.record_id for e in entries] == ["Subject02_2", "Subject03_1", "Subject03_2"]
    for entry in entries:
        with pytest.raises(ReadError, match=entry.record_id):
            entry.load()


def test_a_folder_or_table_of_something_else_is_refused(tmp_path):
    with pytest.raises(ReadError, match="official EEGMAT"):
        list(Eegmat().entries(tmp_path))
    write_file(tmp_path, "Subject02_1", seconds=1)
    with pytest.raises(ReadError, match=r"subject-info\.csv"):
        list(Eegmat().entries(tmp_path))
    write_table(tmp_path, rows=("Subject02,old,F,2012,12.88,1",))
    with pytest.raises(ReadError, match="Subject02"):
        list(Eegmat().entries(tmp_path))


def test_real_records_are_read_as_five_scalp_regions_and_an_ecg(real_data, tmp_path):
    report = ingest(Eegmat(), real_data / "eegmat", tmp_path)
    assert (report.n_stored, report.n_subjects, report.quarantined) == (493, 8, ())
    store = Store(tmp_path)
    labels = store.labels("eegmat/task")
    assert sum(label == ("arithmetic",) for label in labels) == 128
    dataset = WindowDataset(
        PreparedRecords(store, range(8), SIX_STREAMS), Windowing(window_s=4.0, stride_s=4.0)
    )
    batch = collate([dataset[index] for index in range(len(dataset))], SIX_STREAMS)
    shapes = {name: tuple(each.signal.shape) for name, each in batch.streams.items()}
    assert shapes == {
        "frontal": (8, 7, 400),
        "central": (8, 3, 400),
        "temporal": (8, 4, 400),
        "parietal": (8, 3, 400),
        "occipital": (8, 2, 400),
        "ecg": (8, 1, 400),
    }
    assert all(bool(each.is_channel_present.all()) for each in batch.streams.values())
    assert store.record(0).facts["sex"] == "female"  # the EDF header says M
