import io
import zipfile

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import FORMATS, read

write = FORMATS["npy"].write


@pytest.fixture
def array_file(tmp_path):
    def make(array, name="a.npy"):
        np.save(tmp_path / "a.npy", array)
        return (tmp_path / "a.npy").rename(tmp_path / name)

    return make


def same(first, second):
    """Whether two records hold the same; arrays have no single truth value."""
    assert list(first.streams) == list(second.streams)
    for name, stream in first.streams.items():
        other = second.streams[name]
        np.testing.assert_array_equal(stream.signal, other.signal)
        assert stream.signal.dtype == other.signal.dtype
        np.testing.assert_equal(stream.resolution, other.resolution)
        for field in ("channels", "sampling_rate", "modality", "unit", "start_s"):
            assert getattr(stream, field) == getattr(other, field)
    for field in ("record_id", "subject_id", "report", "statements", "annotations", "facts"):
        assert getattr(first, field) == getattr(second, field)


def test_a_whole_record_comes_back(tmp_path, record):
    record.streams["ecg"].signal[0, 5] = np.nan
    write(record, tmp_path / "other-name.npz")
    same(read(tmp_path / "other-name.npz"), record)


def test_channels_of_a_whole_record_are_picked_and_contradictions_refused(tmp_path, record):
    write(record, tmp_path / "r.npz")
    back = read(tmp_path / "r.npz", channels=("V1", "I"), unit="mV", sampling_rate=500)
    assert list(back.streams) == ["ecg"]
    np.testing.assert_array_equal(back.streams["ecg"].signal, record.streams["ecg"].signal[[2, 0]])
    for hints in ({"sampling_rate": 250}, {"unit": "uV"}, {"modality": "eeg"}):
        with pytest.raises(ReadError, match=f"{next(iter(hints))}=.* was given"):
            read(tmp_path / "r.npz", **hints)
    with pytest.raises(ReadError, match="no channel V6"):
        read(tmp_path / "r.npz", channels=("I", "V6"))


def test_a_bare_array_is_read_with_hints_whatever_its_suffix(array_file):
    signal = np.arange(20.0).reshape(2, 10)
    path = array_file(signal, "a.bin")
    ecg = read(path, sampling_rate=100, channels=("I", "II"), unit="uV").streams["ecg"]
    np.testing.assert_allclose(ecg.signal, signal / 1000, rtol=1e-6)
    one = read(array_file(np.arange(5)), sampling_rate=9, channels="x", modality="acc", unit="g")
    assert one.streams["acc"].signal.shape == (1, 5)


def test_an_array_without_rate_names_or_unit_asks_for_them(array_file):
    path = array_file(np.zeros((2, 10)))
    with pytest.raises(ReadError, match="Pass sampling_rate="):
        read(path, channels=("I", "II"), unit="mV")
    with pytest.raises(ReadError, match="Pass channels="):
        read(path, sampling_rate=100, unit="mV")
    with pytest.raises(ReadError, match="channel I: no unit"):
        read(path, sampling_rate=100, channels=("I", "II"))


def test_swapped_axes_are_named_and_never_turned_in_silence(array_file):
    with pytest.raises(ReadError, match=r"\(10, 2\) looks like \(time, channels\).*Transpose"):
        read(array_file(np.zeros((10, 2))), sampling_rate=100, channels=("I", "II"), unit="mV")
    with pytest.raises(ReadError, match=r"\(10, 3\) does not fit 2 channel names"):
        read(array_file(np.zeros((10, 3))), sampling_rate=100, channels=("I", "II"), unit="mV")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}, None], dtype=object), "not objects"),
        (np.array([["a", "b"]]), "are no signal"),
        (np.zeros((1, 3), dtype=complex), "are no signal"),
        (np.zeros((1, 2, 3)), "does not fit"),
    ],
)
def test_arrays_that_are_no_signal_are_refused(array_file, array, message):
    with pytest.raises(ReadError, match=message):
        read(array_file(array), sampling_rate=100, channels=("I",), unit="mV")


def test_an_npz_from_elsewhere_states_what_it_is(tmp_path):
    path = tmp_path / "e.npz"
    np.savez(path, signal=np.ones((2, 8)), sampling_rate=50, channels=["x", "y"], unit="g")
    acc = read(path).streams["acc"]
    assert (acc.channels, acc.sampling_rate, acc.unit) == (("x", "y"), 50.0, "g")
    with pytest.raises(ReadError, match="sampling_rate=99 was given"):
        read(path, sampling_rate=99)
    np.savez(path, data=np.ones((2, 8)))
    with pytest.raises(ReadError, match="no array 'signal' among data"):
        read(path)
    np.savez(path, signal=np.ones((2, 8)), sampling_rate=np.array([1, 2]))
    with pytest.raises(ReadError, match="sampling_rate: not one positive number"):
        read(path)


def test_damaged_files_are_refused(tmp_path, record, array_file):
    write(record, tmp_path / "r.npz")
    whole = (tmp_path / "r.npz").read_bytes()
    (tmp_path / "r.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReadError, match=r"r\.npz: the arrays cannot be read"):
        read(tmp_path / "r.npz")
    path = array_file(np.zeros((2, 100)))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ReadError, match="cannot be read"):
        read(path, sampling_rate=1, channels=("I", "II"), unit="mV")
    np.savez(tmp_path / "d.npz", record=np.array('{"record_id": "x"}'))
    with pytest.raises(ReadError, match="the record is damaged"):
        read(tmp_path / "d.npz")


def test_a_pickle_inside_an_npz_is_never_opened(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "p.npz", "w") as archive:
        archive.writestr("signal.npy", buffer.getvalue())
    with pytest.raises(ReadError, match="not objects"):
        read(tmp_path / "p.npz", sampling_rate=1, channels=("I",), unit="mV")


def test_an_archive_that_grows_without_measure_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", signal=np.zeros((1, 20_000_000)))
    with pytest.raises(ReadError, match="a zip bomb"):
        read(tmp_path / "bomb.npz", sampling_rate=9, channels=("I",), unit="mV")


def test_a_damaged_header_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 9)))
    data = (tmp_path / "x.npy").read_bytes()
    for old, new in ((b"(1, 9)", b"(1, (("), (b"'<f8'", b"'<f\x008"), (b"(1, 9)", b"(9e99)")):
        (tmp_path / "x.npy").write_bytes(data.replace(old, new))
        with pytest.raises(ReadError, match="the arrays cannot be read"):
            read(tmp_path / "x.npy", sampling_rate=9, channels=("I",), unit="mV")
