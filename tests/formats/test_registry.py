import subprocess
import sys

import numpy as np
import pytest

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record
from medts.formats import FORMATS, find_format, read

WRITABLE = [key for key, each in FORMATS.items() if each.is_writable]


@pytest.mark.parametrize("key", WRITABLE)
def test_every_format_recognises_its_own_files_and_no_others(tmp_path, make_stream, key):
    FORMATS[key].write(Record("r", {"ecg": make_stream()}), tmp_path / "r")
    recognising = [name for name, each in FORMATS.items() if each.recognises(tmp_path / "r")]
    assert recognising == [key]
    assert find_format(tmp_path / "r") is FORMATS[key]


@pytest.mark.parametrize("key", WRITABLE)
def test_every_format_gives_the_signal_back_by_name(tmp_path, make_stream, key):
    stream = make_stream(("V1", "I", "aVF"))
    FORMATS[key].write(Record("r", {"ecg": stream}), tmp_path / "r")
    back = read(tmp_path / "r", channels=("I", "V1")).streams["ecg"]
    assert back.channels == ("I", "V1")
    np.testing.assert_allclose(back.signal, stream.signal[[1, 0]], atol=5e-4)


@pytest.mark.parametrize("key", FORMATS)
def test_no_format_recognises_what_is_absent_empty_or_a_folder(tmp_path, key):
    (tmp_path / "empty").touch()
    for name in ("empty", "absent.hea", "."):
        assert not FORMATS[key].recognises(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"Dear colleague,\nplease find enclosed nothing.\n", "not a recording"),
        (b"\x00\x01\x02\x03" * 100, "not a recording"),
        (b"PK\x03\x04" + bytes(40), "not a recording"),
        (b"100 2 360 650000\n", "not a recording"),
        (b"3 4\n5 6\n", "not a recording|names"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path, content, message):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(ReadError, match=rf"x\.bin: .*({message})"):
        read(tmp_path / "x.bin")


@pytest.mark.parametrize("key", WRITABLE)
def test_damage_of_any_kind_is_either_harmless_or_a_clear_error(tmp_path, make_stream, key):
    record = Record("r", {"ecg": make_stream(n_samples=100, sampling_rate=100.0)})
    FORMATS[key].write(record, tmp_path / "r")
    whole = {path: path.read_bytes() for path in tmp_path.iterdir()}
    rng = np.random.default_rng(5)
    n_errors = 0
    for _ in range(60):
        path = sorted(whole)[rng.integers(len(whole))]
        data = bytearray(whole[path])
        at = int(rng.integers(min(len(data), rng.choice([40, 400, 4000]))))
        kind = rng.integers(4)
        if kind == 0:
            data[at] = rng.integers(256)
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 9))]
        elif kind == 2:
            data[at:at] = b"7 -x"[: int(rng.integers(1, 5))]
        else:
            del data[at:]
        path.write_bytes(data)
        try:
            read(tmp_path / "r")
        except MedtsError:
            n_errors += 1
        path.write_bytes(whole[path])
    assert n_errors > 10
    read(tmp_path / "r")


def test_missing_files_and_folders_are_told_apart(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read(tmp_path / "absent.edf")
    with pytest.raises(ReadError, match="is a folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"modality": "egc"}, "unknown modality 'egc'.*Known: .*ecg"),
        ({"unit": "furlong"}, "unknown unit"),
        ({"sampling_rate": 0}, "not positive"),
        ({"sampling_rate": float("nan")}, "not positive"),
    ],
)
def test_senseless_hints_are_refused(tmp_path, hints, message):
    with pytest.raises(MedtsError, match=message):
        read(tmp_path / "any.csv", **hints)


def test_the_modality_can_be_stated_where_names_mislead(tmp_path):
    (tmp_path / "t.csv").write_text("V1 [uV],V2 [uV]\n1,2\n3,4\n")
    eeg = read(tmp_path / "t.csv", sampling_rate=9, modality="eeg").streams["eeg"]
    np.testing.assert_array_equal(eeg.signal, [[1, 3], [2, 4]])
    with pytest.raises(ReadError, match="channel V1: unit 'µV' does not measure acc"):
        read(tmp_path / "t.csv", sampling_rate=9, modality="acc")


def test_channels_of_one_modality_in_several_units_become_streams_of_their_own(tmp_path):
    (tmp_path / "t.csv").write_text("CVP [mmHg],aux [mV]\n1,2\n3,4\n")
    back = read(tmp_path / "t.csv", sampling_rate=9)
    assert {name: stream.unit for name, stream in back.streams.items()} == {
        "other": "mmHg",
        "other-2": "mV",
    }


def test_importing_the_package_loads_nothing_heavy():
    heavy = ("wfdb", "edfio", "pyarrow", "pandas", "torch", "pydicom", "defusedxml", "xml")
    code = f"import sys, medts.formats; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("key", WRITABLE)
def test_renamed_channels_are_read_under_their_new_names(tmp_path, make_stream, key):
    stream = make_stream(("V1", "I", "aVF"))
    FORMATS[key].write(Record("r", {"ecg": stream}), tmp_path / "r")
    back = read(tmp_path / "r", rename={"V1": "V2", "lead I": "II"}).streams["ecg"]
    assert back.channels == ("V2", "II", "aVF")
    np.testing.assert_allclose(back.signal, stream.signal, atol=5e-4)
    swapped = read(tmp_path / "r", rename={"I": "V1", "V1": "I"}, channels=("I",)).streams["ecg"]
    np.testing.assert_allclose(swapped.signal, stream.signal[[0]], atol=5e-4)


@pytest.mark.parametrize("key", WRITABLE)
def test_senseless_renames_are_refused(tmp_path, make_stream, key):
    FORMATS[key].write(Record("r", {"ecg": make_stream(("V1", "I"))}), tmp_path / "r")
    with pytest.raises(ReadError, match=r"no channel V9 to rename.*Present: V1, I"):
        read(tmp_path / "r", rename={"V9": "V2"})
    with pytest.raises(MedtsError, match=r"V1.*more than once|V1.*twice|distinct"):
        read(tmp_path / "r", rename={"I": "V1"})
    with pytest.raises(MedtsError, match="renamed to nothing"):
        read(tmp_path / "r", rename={"I": " "})


def test_a_new_name_decides_modality_and_unit(tmp_path):
    (tmp_path / "t.csv").write_text("first [uV]\n1\n3\n")
    back = read(tmp_path / "t.csv", sampling_rate=9, rename={"first": "Fp1"})
    assert back.streams["eeg"].channels == ("Fp1",)


def test_formats_are_tried_in_order_and_text_comes_last():
    assert next(iter(FORMATS)) == "wfdb"
    assert list(FORMATS)[-1] == "csv"
    orders = [each.order for each in FORMATS.values()]
    assert orders == sorted(orders)
