"""WESAD: pickles in the official layout, made small, and pickles that want more than arrays."""

import os
import pickle

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.ingest import ingest
from medts.data.sources.wesad import Wesad, load_arrays
from medts.data.store import Store

CHEST = {"ACC": 3, "ECG": 1, "EMG": 1, "EDA": 1, "Temp": 1, "Resp": 1}
WRIST = {"ACC": (3, 32), "BVP": (1, 64), "EDA": (1, 4), "TEMP": (1, 4)}


def make_subject(conditions=((0, 3), (1, 22), (2, 10), (5, 5), (4, 9))):
    seconds = sum(length for _, length in conditions)
    rng = np.random.default_rng(0)
    chest = {key: rng.standard_normal((seconds * 700, n)) for key, n in CHEST.items()}
    wrist = {key: rng.standard_normal((seconds * r, n)) * 64 for key, (n, r) in WRIST.items()}
    label = np.concatenate([np.full(length * 700, code, np.int32) for code, length in conditions])
    return {"signal": {"chest": chest, "wrist": wrist}, "label": label, "subject": "S5"}


def write_subject(root, number, content, protocol=2):
    folder = root / f"S{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"S{number}.pkl").write_bytes(pickle.dumps(content, protocol=protocol))
    return folder / f"S{number}.pkl"


def test_conditions_become_labelled_records_with_streams_of_six_rates(tmp_path):
    content = make_subject()
    write_subject(tmp_path, 5, content)
    entries = list(Wesad().entries(tmp_path))
    assert [e.labels["state"][0] for e in entries] == [
        "baseline", "baseline", "stress", "meditation"
    ]  # fmt: skip
    assert {(e.subject_id, e.fold) for e in entries} == {("S5", "5")}
    record = entries[1].load()
    chest, wrist = content["signal"]["chest"], content["signal"]["wrist"]
    streams = record.streams
    np.testing.assert_allclose(
        streams["ecg"].signal[0], chest["ECG"][13 * 700 : 23 * 700, 0], atol=1e-5
    )
    np.testing.assert_allclose(
        streams["emg"].signal[0], 1000 * chest["EMG"][13 * 700 : 23 * 700, 0], rtol=1e-5
    )
    np.testing.assert_allclose(
        streams["wrist-acc"].signal, wrist["ACC"][13 * 32 : 23 * 32].T / 64, atol=1e-5
    )
    lengths = {name: each.n_samples for name, each in streams.items()}
    assert (lengths["ppg"], lengths["wrist-eda"], lengths["eda"]) == (640, 40, 7000)
    assert {each.start_s for each in streams.values()} == {0.0}


def test_a_store_keeps_subjects_apart(tmp_path):
    for number in (2, 17):
        write_subject(tmp_path, number, make_subject(((3, 10),)), protocol=4)
    ingest(Wesad(), tmp_path, tmp_path / "store")
    store = Store(tmp_path / "store")
    assert store.folds.tolist() == ["2", "17"]
    assert store.labels("wesad/state") == [("amusement",)] * 2


def test_pickles_of_older_numpy_are_read(tmp_path):
    file = write_subject(tmp_path, 2, {"label": np.arange(3)})
    file.write_bytes(file.read_bytes().replace(b"numpy._core", b"numpy.core"))
    assert load_arrays(file)["label"].tolist() == [0, 1, 2]


class Hostile:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_but_arrays_is_ever_called(tmp_path, protocol):
    trap = tmp_path / "trap"
    for hostile in (Hostile(os.mkdir, str(trap)), Hostile(eval, f"open({str(trap)!r}, 'w')")):
        content = {**make_subject(), "extra": hostile}
        file = write_subject(tmp_path, 3, content, protocol)
        with pytest.raises(ReadError, match="which is no array"):
            load_arrays(file)
        (entry,) = Wesad().entries(tmp_path)
        with pytest.raises(ReadError, match="which is no array"):
            entry.load()
    assert not trap.exists()


def test_damaged_files_say_what_is_wrong(tmp_path):
    whole = pickle.dumps(make_subject(((1, 10),)), protocol=2)
    no_ecg = make_subject(((1, 10),))
    del no_ecg["signal"]["chest"]["ECG"]
    flat = make_subject(((1, 10),))
    flat["signal"]["chest"]["ACC"] = flat["signal"]["chest"]["ECG"]
    file = write_subject(tmp_path, 2, {})
    for content, reason in (
        (whole[:1000], "cannot be read as arrays"),
        (b"not a pickle", "cannot be read as arrays"),
        (pickle.dumps([1]), "holds a list"),
        (pickle.dumps({"label": np.ones(3)}), "no signal and label"),
        (pickle.dumps(no_ecg), "chest ECG: no such signal"),
        (pickle.dumps(flat), "chest ACC: 1 channels instead of 3"),
    ):
        file.write_bytes(content)
        (entry,) = Wesad().entries(tmp_path)
        with pytest.raises(ReadError, match=reason):
            entry.load()
    file.unlink()
    (entry,) = Wesad().entries(tmp_path)
    with pytest.raises(ReadError, match=r"S2\.pkl"):
        entry.load()
    with pytest.raises(ReadError, match="official WESAD"):
        list(Wesad().entries(tmp_path / "S2"))
