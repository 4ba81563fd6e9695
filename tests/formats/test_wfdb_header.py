"""Fields of WFDB headers: units, baselines, lengths and dates as they are found in the wild."""

from datetime import datetime

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import read
from medts.formats.wfdb_header import parse_start


def write(folder, record_line, *signal_lines, values=range(100), encoding="utf-8", begin=b""):
    text = "\n".join([record_line, *signal_lines]) + "\n"
    (folder / "r.hea").write_bytes(begin + text.encode(encoding))
    np.array(values, dtype="<i2").tofile(folder / "r.dat")
    return folder / "r.hea"


@pytest.mark.parametrize(
    ("unit", "encoding"),
    [
        ("uV", "ascii"),
        ("microV", "ascii"),
        ("microvolts", "ascii"),
        ("UV", "ascii"),
        ("&micro;V", "ascii"),
        ("µV", "utf-8"),
        ("µV", "utf-8-sig"),
        ("µV", "latin-1"),
        ("µV", "cp1252"),
        ("µV", "mac-roman"),
        ("µV", "cp437"),
        ("µV", "cp850"),
        ("µV", "utf-16"),
        ("μV", "utf-8"),
        ("μV", "utf-16"),
        ("μV", "iso8859-7"),
        ("μV", "gbk"),
        ("μV", "shift-jis"),
        ("μV", "euc-kr"),
        ("㎶", "utf-8"),
        ("ÂµV", "utf-8"),
        ("Î¼V", "utf-8"),
    ],
)
def test_microvolts_are_microvolts_in_every_spelling_and_encoding(tmp_path, unit, encoding):
    path = write(tmp_path, "r 1 250 100", f"r.dat 16 1/{unit} 16 0 0 0 0 I", encoding=encoding)
    stream = read(path).streams["ecg"]
    assert (stream.unit, stream.channels) == ("mV", ("I",))
    np.testing.assert_allclose(stream.signal[0], np.arange(100) / 1000, rtol=1e-6)


def test_lines_of_one_header_may_differ_in_encoding(tmp_path):
    path = write(tmp_path, "r 1 250 100")
    path.write_bytes(
        b"r 1 250 100\r\nr.dat 16 1/\xb5V 16 0 0 0 0 I\r\n# \xc3\x9cbung\r\n# age: 51\r\n"
    )
    back = read(path)
    assert back.streams["ecg"].signal[0, 50] == np.float32(0.05)
    assert back.facts == {"age": 51}


@pytest.mark.parametrize("unit", ["?V", "\ufffdV", "furlong"])
def test_a_unit_that_cannot_be_told_is_refused_not_guessed(tmp_path, unit):
    path = write(tmp_path, "r 1 250 100", f"r.dat 16 1/{unit} 16 0 0 0 0 I")
    with pytest.raises(ReadError, match=r"channel I: unknown unit .*unit="):
        read(path)
    assert read(path, unit="uV").streams["ecg"].signal[0, 50] == np.float32(0.05)


@pytest.mark.parametrize(
    ("fields", "value_of_250"),
    [
        ("200(+50)/mV 12 0 0 0 0 II", 1.0),
        ("200(-50)/mV 12 0 0 0 0 II", 1.5),
        ("200( +50 )/mV 12 0 0 0 0 II", 1.0),
        ("+200.(50.0)/mV 12 +0 -0 0 0 II", 1.0),
        ("2E2(+50)/mV 12 +7 0 0 0 II", 1.0),
        (".2e+3(+50) 12 0 0 0 0 II", 1.0),
        ("200/mV 12 +50 0 0 0 II", 1.0),
        ("200/mV 12 -50 0 0 0 II", 1.5),
        ("200/mV 12 0 +9 -123 +0 II", 1.25),
        ("-200(50)/mV\t12\t0\t0\t0\t0\tII", -1.0),
        ("200/mV II", 1.25),
        ("200 II", 1.25),
    ],
)
def test_numbers_of_a_signal_line_may_have_signs_points_and_exponents(
    tmp_path, fields, value_of_250
):
    path = write(tmp_path, "r 1 250 100", f"r.dat 16 {fields}", values=[250] * 100)
    stream = read(path).streams["ecg"]
    assert stream.channels == ("II",)
    assert stream.signal[0, 0] == value_of_250
    np.testing.assert_allclose(stream.resolution, 1 / 200)


@pytest.mark.parametrize(
    "fields", ["200(fifty)/mV 12 0 0 0 0 II", "200(1.5)/mV", "200mV", "(5)/mV"]
)
def test_a_gain_that_cannot_be_understood_is_never_half_read(tmp_path, fields):
    path = write(tmp_path, "r 1 250 100", f"r.dat 16 {fields}")
    with pytest.raises(ReadError, match=r"r\.hea: signal line 1: cannot be understood"):
        read(path)


@pytest.mark.parametrize(
    "line",
    [
        "r 1 250",
        "r 1 250 0",
        "r 1 250 0 10:00:00 01/02/2020",
        "r 1 250 10:00:00",
        "r 1 250/1000(0) 100",
        "r 1 250.0/250.0(-7.5) 100.",
        "r 1 2.5e2 100 ??? by hand",
    ],
)
def test_a_length_of_0_or_none_is_taken_from_the_file(tmp_path, line):
    stream = read(write(tmp_path, line, "r.dat 16 100/mV 16 0 0 0 0 I")).streams["ecg"]
    assert (stream.n_samples, stream.sampling_rate) == (100, 250)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("09:49:17 05/11/2020", datetime(2020, 11, 5, 9, 49, 17)),
        ("9:49:17.25 5/11/2020", datetime(2020, 11, 5, 9, 49, 17, 250_000)),
        ("05-Nov-2020 09:49:17", datetime(2020, 11, 5, 9, 49, 17)),
        ("09:49:17 5-november-2020", datetime(2020, 11, 5, 9, 49, 17)),
        ("2020-11-05 09:49:17", datetime(2020, 11, 5, 9, 49, 17)),
        ("2020-11-05T09:49:17.123456789Z", datetime(2020, 11, 5, 9, 49, 17, 123_456)),
        ("05.11.2020 09:49:17", datetime(2020, 11, 5, 9, 49, 17)),
        ("49:17 05/11/2020", datetime(2020, 11, 5, 0, 49, 17)),
        ("05-Nov-2020", None),
        ("09:49:17", None),
        ("05-Foo-2020 09:49:17", None),
        ("00/00/0000 00:00:00", None),
        ("31/02/2020 09:49:17", None),
        ("05/11/2020 25:61:17", None),
        ("Thursday morning", None),
    ],
)
def test_a_date_in_any_spelling_is_used_or_left_out_and_never_in_the_way(tmp_path, text, start):
    assert parse_start(text) == start
    back = read(write(tmp_path, f"r 1 250 100 {text}", "r.dat 16 100/mV 16 0 0 0 0 I"))
    assert back.streams["ecg"].n_samples == 100
    assert back.facts == ({} if start is None else {"start": start.isoformat()})


def test_an_age_that_nobody_reaches_is_left_out(tmp_path):
    path = write(tmp_path, "r 1 250 100", "r.dat 16 100/mV 16 0 0 0 0 I", "# age: 999 sex: F")
    assert read(path).facts == {"sex": "F"}
