"""EEGLAB: datasets as EEGLAB saves them, made with SciPy, and everything that must be refused."""

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Annotation, Record
from medts.formats import FORMATS, read

write = FORMATS["eeglab"].write

SIGNAL = np.arange(40, dtype=np.float32).reshape(2, 20) - 7.5


def structures(*rows):
    """An array of structures as MATLAB has it."""
    names = list(rows[0])
    values = [tuple(row[name] for name in names) for row in rows]
    return np.array([values], dtype=[(name, object) for name in names])


def dataset(**changes):
    fields = {
        "setname": "made",
        "nbchan": 2.0,
        "trials": 1.0,
        "pnts": 20.0,
        "srate": 500.0,
        "data": SIGNAL,
        "chanlocs": structures({"labels": "Fp1", "type": "EEG"}, {"labels": "T3", "type": "EEG"}),
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


@pytest.fixture
def save(tmp_path):
    def make(*, nested=True, compressed=False, name="a.set", **changes):
        fields = dataset(**changes)
        content = {"EEG": fields} if nested else fields
        savemat(tmp_path / name, content, appendmat=False, do_compression=compressed)
        return tmp_path / name

    return make


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_dataset_is_one_variable_or_its_fields_and_voltages_are_in_microvolt(
    save, nested, compressed
):
    eeg = read(save(nested=nested, compressed=compressed)).streams["eeg"]
    assert (eeg.channels, eeg.sampling_rate, eeg.unit) == (("Fp1", "T7"), 500.0, "µV")
    np.testing.assert_array_equal(eeg.signal, SIGNAL)


def test_a_wrong_suffix_does_not_matter(save):
    assert read(save(name="a.bin")).streams["eeg"].n_samples == 20


@pytest.mark.parametrize("named", ["b.fdt", "C:\\work\\b.fdt", "/home/x/b.fdt", "lost.fdt"])
def test_samples_lie_in_a_file_beside_it_time_after_time(save, tmp_path, named):
    path = save(data=named)
    beside = tmp_path / ("a.fdt" if named == "lost.fdt" else "b.fdt")
    SIGNAL.T.astype("<f4").tofile(beside)
    np.testing.assert_array_equal(read(path).streams["eeg"].signal, SIGNAL)


def test_a_missing_or_foreign_file_of_samples_is_named(save, tmp_path):
    path = save(data="b.fdt")
    with pytest.raises(ReadError, match=r"a\.set: data: .*b\.fdt or a\.fdt.*not beside"):
        read(path)
    SIGNAL[:, :-1].T.tofile(tmp_path / "b.fdt")
    with pytest.raises(ReadError, match=r"b\.fdt: data: holds 152 bytes; .*are 160"):
        read(path)
    with pytest.raises(ReadError, match=r"b\.dat.*not supported"):
        read(save(data="b.dat"))


def test_one_channel_and_whole_numbers_are_read(save):
    path = save(
        nbchan=1.0,
        data=np.arange(20, dtype=np.int16)[None],
        chanlocs=structures({"labels": "Cz"}),
    )
    np.testing.assert_array_equal(read(path).streams["eeg"].signal, np.arange(20.0)[None])


def test_epochs_are_refused(save):
    with pytest.raises(ReadError, match=r"a\.set: trials: .*3 epochs.*continuous"):
        read(save(trials=3.0))
    with pytest.raises(ReadError, match=r"trials: .*2 epochs"):
        read(save(trials=None, data=np.zeros((2, 20, 2), np.float32)))


def test_files_of_matlab_7_3_are_refused(tmp_path):
    head = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: x HDF5 schema 1.00 ."
    (tmp_path / "a.set").write_bytes(head.ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(400))
    with pytest.raises(ReadError, match=r"a\.set: header: .*7\.3 \(HDF5\).*-v6 or -v7"):
        read(tmp_path / "a.set")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": None}, "EEG: a MATLAB file, but no EEGLAB dataset"),
        ({"srate": None}, "Pass sampling_rate="),
        ({"srate": -1.0}, "srate: not one positive number"),
        ({"nbchan": None}, "nbchan: not a whole number"),
        ({"pnts": 19.0}, r"data: .*\(2, 20\).*\(2, 19\)"),
        ({"nbchan": 20.0, "pnts": 2.0}, r"data: .*\(2, 20\).*\(20, 2\)"),
        ({"data": SIGNAL.astype(complex)}, "data: complex.* values are no signal"),
        ({"chanlocs": structures({"labels": "Cz"})}, "chanlocs: 1 channels are described, 2"),
        ({"chanlocs": None}, "Pass channels="),
        ({"chanlocs": 5.0}, "chanlocs: not an array of structures"),
        ({"event": structures({"type": "x"})}, "event: event 1 has no time"),
    ],
)
def test_what_is_missing_or_contradictory_is_named(save, changes, message):
    with pytest.raises(ReadError, match=message):
        read(save(**changes))


def test_a_matlab_file_of_something_else_says_what_it_holds(tmp_path):
    savemat(tmp_path / "x.mat", {"val": np.ones(3), "fs": 5.0})
    with pytest.raises(ReadError, match="no EEGLAB dataset; it holds fs, val"):
        read(tmp_path / "x.mat")


def test_a_truncated_file_is_refused(save):
    path = save()
    whole = path.read_bytes()
    for end in (130, 300, len(whole) - 200):
        path.write_bytes(whole[:end])
        with pytest.raises(ReadError, match=r"a\.set"):
            read(path)


def test_events_become_annotations_counted_from_zero(save):
    events = structures(
        {"type": "boundary", "latency": 1.0, "duration": 5.0},
        {"type": 7.0, "latency": 11.0, "duration": np.zeros((0, 0))},
    )
    assert read(save(event=events)).annotations == (
        Annotation(0.0, "boundary", "annotation", duration_s=0.01),
        Annotation(0.02, "7", "annotation"),
    )


def test_units_are_those_of_the_file_then_the_callers_then_the_convention(save):
    places = structures({"labels": "Fp1", "unit": "mV"}, {"labels": "T3", "unit": ""})
    np.testing.assert_array_equal(
        read(save(chanlocs=places)).streams["eeg"].signal, SIGNAL * [[1000], [1]]
    )
    np.testing.assert_array_equal(
        read(save(), unit="mV").streams["eeg"].signal, SIGNAL * np.float32(1000)
    )
    with pytest.raises(ReadError, match="channel GSR: no unit"):
        read(save(chanlocs=structures({"labels": "Fp1"}, {"labels": "GSR"})))


def test_what_is_written_is_a_dataset_in_microvolt(tmp_path, make_stream):
    stream = make_stream(("I", "II"), n_samples=100, sampling_rate=100.0)
    marks = (Annotation(0.25, "N", "beat"), Annotation(0.5, "AFIB", "rhythm", duration_s=0.2))
    write(Record("r", {"ecg": stream}, annotations=marks), tmp_path / "r.set")
    theirs = loadmat(tmp_path / "r.set", simplify_cells=True)["EEG"]
    np.testing.assert_allclose(theirs["data"], stream.signal * 1000, rtol=1e-6)
    assert [place["labels"] for place in theirs["chanlocs"]] == ["I", "II"]
    assert (theirs["nbchan"], theirs["pnts"], theirs["srate"]) == (2, 100, 100)
    assert [event["latency"] for event in theirs["event"]] == [26, 51]
    back = read(tmp_path / "r.set")
    assert [(a.time_s, a.label, a.duration_s) for a in back.annotations] == [
        (0.25, "N", 0.0),
        (0.5, "AFIB", 0.2),
    ]
    np.testing.assert_allclose(back.streams["ecg"].signal, stream.signal, atol=1e-6)


def test_units_that_are_no_voltage_and_gaps_are_kept(tmp_path, make_stream):
    eda = make_stream(("hand",), 50, 10.0, "eda", "µS")
    eda.signal[0, 3] = np.nan
    write(Record("r", {"eda": eda}), tmp_path / "r.set")
    back = read(tmp_path / "r.set", modality="eda").streams["eda"]
    assert back.unit == "µS"
    np.testing.assert_allclose(back.signal, eda.signal, atol=1e-6)


def test_several_rates_are_refused(tmp_path, record):
    with pytest.raises(MedtsError, match=r"one sampling rate, not 125, 500 Hz.*\.npz"):
        write(record, tmp_path / "r.set")
    assert not (tmp_path / "r.set").exists()


def test_a_renamed_dataset_never_takes_the_samples_of_another(tmp_path, save):
    path = save(data="b.fdt")
    (5 * SIGNAL).T.tofile(tmp_path / "b.fdt")
    np.testing.assert_allclose(read(path).streams["eeg"].signal, 5 * SIGNAL)
    (tmp_path / "b.set").write_bytes(path.read_bytes())  # b.fdt is that one's now
    with pytest.raises(ReadError, match=r"names b\.fdt, which belongs to b\.set.*as a\.fdt"):
        read(path)
    SIGNAL.T.tofile(tmp_path / "a.fdt")
    np.testing.assert_allclose(read(path).streams["eeg"].signal, SIGNAL)
