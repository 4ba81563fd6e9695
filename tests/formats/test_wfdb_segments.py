"""Multi-segment records: fixed and variable layouts, gaps, units and lengths."""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.core.records import Record, Stream
from medts.formats import FORMATS, read

write_record = FORMATS["wfdb"].write


def segment(folder, name, *channels, values=range(100), line=None, rate=250):
    """Writes a segment; a channel is ``gain/unit name``, and all hold the same values."""
    stored = np.repeat(np.array(values, dtype="<i2")[:, None], len(channels), axis=1)
    stored.tofile(folder / f"{name}.dat")
    lines = [line or f"{name} {len(channels)} {rate} {len(stored)}"]
    for channel in channels:
        gain, _, label = channel.partition(" ")
        lines.append(f"{name}.dat 16 {gain} 16 0 0 0 0 {label}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")


def master(folder, *lines):
    (folder / "m.hea").write_text("\n".join(lines) + "\n")
    return folder / "m"


RAMP = np.arange(100) / 1000


def test_segments_are_joined_and_a_missing_one_is_named(tmp_path, record):
    ecg = record.streams["ecg"]
    halves = ecg.signal[:, :500], ecg.signal[:, 500:]
    for name, half in zip(("s1", "s2"), halves, strict=True):
        part = Stream(half, ecg.channels, 500.0, "ecg", "mV", resolution=ecg.resolution)
        write_record(Record(name, {"ecg": part}), tmp_path / name)
    path = master(tmp_path, "multi/2 3 500 1000 09:49:17 05/11/2020", "s1 500", "s2 500", "# 69 M")
    back = read(path)
    np.testing.assert_array_equal(back.streams["ecg"].signal, ecg.signal)
    np.testing.assert_allclose(back.streams["ecg"].resolution, ecg.resolution)
    assert back.facts == {"age": 69, "sex": "M", "start": "2020-11-05T09:49:17"}
    (tmp_path / "s2.dat").write_bytes(b"")
    with pytest.raises(ReadError, match=r"s2\.dat"):
        read(path)
    (tmp_path / "s2.hea").unlink()
    with pytest.raises(ReadError, match="no header of segment 's2'"):
        read(path)


@pytest.mark.parametrize(
    ("first", "second"),
    [("1000/mV", "1/uV"), ("1/uV", "1000/mV"), ("1000", "1/uV"), ("1e6/V", "1000/mV")],
)
def test_each_segment_is_converted_from_its_own_unit(tmp_path, first, second):
    segment(tmp_path, "s1", f"{first} I")
    segment(tmp_path, "s2", f"{second} I")
    back = read(master(tmp_path, "m/2 1 250 200", "s1 100", "s2 100")).streams["ecg"]
    np.testing.assert_allclose(back.signal[0], [*RAMP, *RAMP], rtol=1e-6)
    assert back.unit == "mV"
    np.testing.assert_allclose(back.resolution, [0.001], rtol=1e-6)


def test_segments_of_other_steps_are_joined_without_a_resolution(tmp_path):
    segment(tmp_path, "s1", "1000/mV I")
    segment(tmp_path, "s2", "500(10)/mV I")
    back = read(master(tmp_path, "m/2 1 250 200", "s1 100", "s2 100")).streams["ecg"]
    np.testing.assert_allclose(back.signal[0, 100:], (np.arange(100) - 10) / 500, rtol=1e-6)
    assert back.resolution is None


def test_units_that_measure_different_things_are_not_joined(tmp_path):
    segment(tmp_path, "s1", "1000/mV I")
    segment(tmp_path, "s2", "1000/mmHg I")
    with pytest.raises(ReadError, match=r"s2\.hea: signal line 1: unit 'mmHg' cannot be converted"):
        read(master(tmp_path, "m/2 1 250 200", "s1 100", "s2 100"))


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        (("s1 100", "~ 50", "s1 100"), [0, 150]),
        (("~ 50", "s1 100"), [50]),
        (("s1 100", "~ 50"), [0]),
        (("s1 100", "~ 1", "~ 2", "s1 100", "s1 0"), [0, 103]),
        (("s1", "~ 7", "s1"), [0, 107]),
    ],
)
@pytest.mark.parametrize("length", ["", "0", "sum"])
def test_gaps_and_lengths_left_out_in_a_fixed_layout(tmp_path, lines, places, length):
    segment(tmp_path, "s1", "1000/mV I", "1000/mV II")
    n_frames = sum(int((line + " 100").split()[1]) for line in lines)
    stated = str(n_frames) if length == "sum" else length
    back = read(master(tmp_path, f"m/{len(lines)} 2 250 {stated}", *lines)).streams["ecg"]
    expected = np.full(n_frames, np.nan)
    for place in places:
        expected[place : place + 100] = RAMP
    np.testing.assert_allclose(back.signal, [expected, expected], rtol=1e-6)


def test_segment_headers_without_length_or_rate(tmp_path):
    segment(tmp_path, "s1", "1000/mV I", line="s1 1")
    assert read(master(tmp_path, "m/1 1 250", "s1")).streams["ecg"].n_samples == 100
    with pytest.raises(ReadError, match=r"s1\.dat.*holds 100 frames, the header says 90"):
        read(master(tmp_path, "m/1 1 250", "s1 90"))
    segment(tmp_path, "s1", "1000/mV I")
    assert read(master(tmp_path, "m/1 1", "s1 100")).streams["ecg"].sampling_rate == 250


def test_a_variable_layout_places_channels_by_name(tmp_path):
    (tmp_path / "lay.hea").write_text(
        "lay 4 250 0\n~ 0 1000/mV 0 0 0 0 0 I\n~ 0 1000/mV 0 0 0 0 0 II\n~ 0 0/uV 0 0 0 0 0 V\n"
        "~ 0 1/mmHg 0 0 0 0 0 ABP\n"
    )
    segment(tmp_path, "s1", "1000/mV II", "10/mmHg ABP")
    segment(tmp_path, "s2", "1/uV V", "1/uV II", "1/uV I")
    path = master(tmp_path, "m/4 4 250 250", "lay 0", "s1 100", "~ 50", "s2 100")
    back = read(path)
    ecg, gap, none = back.streams["ecg"], [np.nan] * 50, [np.nan] * 100
    assert ecg.channels == ("I", "II", "V")
    expected = [[*none, *gap, *RAMP], [*RAMP, *gap, *RAMP], [*none, *gap, *RAMP]]
    np.testing.assert_allclose(ecg.signal, expected, rtol=1e-6)
    pressure = back.streams["abp"].signal[0]
    np.testing.assert_allclose(pressure, [*np.arange(100) / 10, *gap, *none], rtol=1e-6)
    wfdb = pytest.importorskip("wfdb")
    theirs = wfdb.rdrecord(str(path), m2s=True)
    np.testing.assert_allclose(ecg.signal[1, :100], theirs.p_signal[:100, 1], rtol=1e-6)


def test_segments_whose_channels_stand_in_another_order_are_matched_by_name(tmp_path):
    np.column_stack([np.arange(100), -np.arange(100)]).astype("<i2").tofile(tmp_path / "s1.dat")
    np.column_stack([-np.arange(100), np.arange(100)]).astype("<i2").tofile(tmp_path / "s2.dat")
    for name, order in (("s1", ("I", "II")), ("s2", ("II", "I"))):
        lines = "".join(f"{name}.dat 16 1000/mV 0 0 0 0 0 {each}\n" for each in order)
        (tmp_path / f"{name}.hea").write_text(f"{name} 2 250 100\n{lines}")
    back = read(master(tmp_path, "m/2 2 250", "s1 100", "s2 100")).streams["ecg"]
    np.testing.assert_allclose(back.signal[0], [*RAMP, *RAMP], rtol=1e-6)


def test_segments_with_several_samples_per_frame_are_joined(tmp_path):
    np.arange(30, dtype="<i2").tofile(tmp_path / "s1.dat")
    (tmp_path / "s1.hea").write_text("s1 1 100 10\ns1.dat 16x3 10/mV 0 0 0 0 0 I\n")
    back = read(master(tmp_path, "m/3 1 100 22", "s1 10", "~ 2", "s1 10")).streams["ecg"]
    part = np.arange(30) / 10
    assert back.sampling_rate == 300
    np.testing.assert_allclose(back.signal[0], [*part, *[np.nan] * 6, *part], rtol=1e-6)


@pytest.mark.parametrize(
    ("second", "lines", "message"),
    [
        (("1000/mV V1",), ("m/2 1 250 200", "s1 100", "s2 100"), r"s2\.hea: holds the channels V1"),
        (("1000/mV I", "1/mV II"), ("m/2 1 250 200", "s1 100", "s2 100"), r"s2\.hea: holds"),
        (("1000/mV I",), ("m/2 2 250 200", "s1 100", "s2 100"), "2 channels are promised, 1"),
        (("1000/mV I",), ("m/2 1 250 999", "s1 100", "s2 100"), "hold 200 frames, the header says"),
        (("1000/mV I",), ("m/2 1 500 200", "s1 100", "s2 100"), "a segment has 250 Hz, the record"),
        (("1000/mV I",), ("m/2 1 250 200", "s1 100", "s2 99"), "segment line 2: 99 frames"),
        (("1000/mV I",), ("m/2 1 250 200", "s1 100", "~"), "segment line 2: cannot be understood"),
        (("1000/mV I",), ("m/1 1 250 200", "~ 200"), "no segment holds a signal"),
        (("0 I",), ("m/1 1 250 100", "s2 100"), r"s2\.hea: signal line 1: no gain"),
    ],
)
def test_segments_that_contradict_the_record_or_each_other_are_refused(
    tmp_path, second, lines, message
):
    segment(tmp_path, "s1", "1000/mV I")
    segment(tmp_path, "s2", *second)
    with pytest.raises(ReadError, match=message):
        read(master(tmp_path, *lines))
