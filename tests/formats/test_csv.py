import numpy as np
import pytest

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record
from medts.formats import FORMATS, read

write = FORMATS["csv"].write


@pytest.fixture
def table(tmp_path):
    """Writes rows into a file and returns its path."""

    def make(*rows, name="t.csv"):
        path = tmp_path / name
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        return path

    return make


def test_streams_of_one_rate_come_back_with_every_value(tmp_path, make_stream):
    eeg = make_stream(("Fp1", "Cz"), modality="eeg", unit="µV", step=0.1, seed=3)
    eeg.signal[0, 3] = np.nan
    record = Record("rec", {"ecg": make_stream(), "eeg": eeg})
    write(record, tmp_path / "rec.csv")
    back = read(tmp_path / "rec.csv")
    for name, stream in record.streams.items():
        np.testing.assert_array_equal(back.streams[name].signal, stream.signal)
        assert back.streams[name].channels == stream.channels
        assert back.streams[name].unit == stream.unit
        assert back.streams[name].sampling_rate == 500.0


@pytest.mark.parametrize("sampling_rate", [360.0, 300.0, 128 / 3])
def test_a_rate_whose_interval_is_no_decimal_comes_back(tmp_path, make_stream, sampling_rate):
    stream = make_stream(sampling_rate=sampling_rate)
    write(Record("r", {"ecg": stream}), tmp_path / "r.csv")
    assert read(tmp_path / "r.csv").streams["ecg"].sampling_rate == pytest.approx(
        sampling_rate, rel=1e-9
    )


@pytest.mark.parametrize(
    "rows",
    [
        ("time,I [mV],aVR [mV]", "0,1,2", "0.5,3,4"),
        ("time_ms;I (mV);aVR (mV)", "0;1;2", "500;3;4"),
        ("Time [s]\t I [uV]\tLead avr [mV]", "7\t1000\t2", "7.5\t3000\t4"),
    ],
)
def test_times_units_and_delimiters_may_be_written_in_several_ways(table, rows):
    ecg = read(table(*rows)).streams["ecg"]
    assert (ecg.channels, ecg.sampling_rate, ecg.unit) == (("I", "aVR"), 2.0, "mV")
    np.testing.assert_allclose(ecg.signal, [[1, 3], [2, 4]])


def test_a_table_under_another_suffix_with_a_byte_order_mark_is_read(tmp_path):
    (tmp_path / "t.dat").write_bytes("\ufeffI [mV]\r\n1\r\n2\r\n".encode())
    np.testing.assert_array_equal(
        read(tmp_path / "t.dat", sampling_rate=10).streams["ecg"].signal, [[1, 2]]
    )
    (tmp_path / "l.csv").write_bytes("Cz [µV]\n1\n2\n".encode("latin-1"))
    assert read(tmp_path / "l.csv", sampling_rate=10).streams["eeg"].unit == "µV"


def test_columns_in_another_order_give_the_same_signals_by_name(table):
    first = read(table("I [mV],II [mV]", "1,2", "3,4"), sampling_rate=5).streams["ecg"]
    second = read(table("II [mV],I [mV]", "2,1", "4,3"), sampling_rate=5).streams["ecg"]
    np.testing.assert_array_equal(first.signal, second.pick(("I", "II")).signal)


def test_missing_cells_are_nan(table):
    ecg = read(table("I [mV],V1 [mV]", "1,", ",nan", "NaN,4"), sampling_rate=5).streams["ecg"]
    np.testing.assert_array_equal(ecg.signal, [[1, np.nan, np.nan], [np.nan, np.nan, 4]])


def test_a_cell_that_is_no_number_is_named_by_row_and_column(table):
    with pytest.raises(ReadError, match=r"t\.csv: row 4, column V1 \[mV\]: 'lost' is not a number"):
        read(table("I [mV],V1 [mV]", "1,2", "3,4", "5,lost"), sampling_rate=5)


def test_a_row_of_another_length_is_named(table):
    with pytest.raises(ReadError, match="row 3: 1 cells where the first row has 2"):
        read(table("I [mV],V1 [mV]", "1,2", "3"), sampling_rate=5)


def test_without_a_time_column_the_rate_is_asked_for(table):
    path = table("I [mV]", "1", "2")
    with pytest.raises(ReadError, match=r"Pass sampling_rate="):
        read(path)
    assert read(path, sampling_rate=250).streams["ecg"].sampling_rate == 250.0


def test_a_voltage_without_a_unit_is_refused_but_an_arbitrary_unit_may_go_unsaid(table):
    path = table("time_s,II,PLETH", "0,1,2", "1,3,4")
    with pytest.raises(ReadError, match=r"channel II: no unit.*unit="):
        read(path)
    back = read(path, unit="uV")
    np.testing.assert_allclose(back.streams["ecg"].signal, [[0.001, 0.003]])
    np.testing.assert_array_equal(back.streams["ppg"].signal, [[2, 4]])


@pytest.mark.parametrize("times", [(0, 1, 2.02, 3), (0, 1, 1, 2), (0, 1, 3, 4), (3, 2, 1, 0)])
def test_uneven_times_are_refused(table, times):
    path = table("time_s,I [mV]", *(f"{time},1" for time in times))
    with pytest.raises(ReadError, match=r"t\.csv: time: .*sampling_rate="):
        read(path)


def test_rounded_times_are_accepted_with_a_stated_rate_unless_a_sample_is_lost(table):
    times = np.arange(400) / 125.0
    rounded = table("time,I [mV]", *(f"{time:.2f},1" for time in times))
    with pytest.raises(ReadError, match="only rounded"):
        read(rounded)
    assert read(rounded, sampling_rate=125).streams["ecg"].sampling_rate == 125.0
    for rate in (100, 150):
        with pytest.raises(ReadError, match="Correct sampling_rate="):
            read(rounded, sampling_rate=rate)
    lost = table("time,I [mV]", *(f"{time:.2f},1" for time in np.delete(times, 200)))
    with pytest.raises(ReadError, match="time"):
        read(lost, sampling_rate=125)


def test_a_table_without_names_needs_them_all(table):
    path = table("1,2", "3,4")
    with pytest.raises(ReadError, match="numbers instead of channel names"):
        read(path, sampling_rate=5, unit="mV")
    back = read(path, sampling_rate=5, unit="mV", channels=("I", "II")).streams["ecg"]
    np.testing.assert_array_equal(back.signal, [[1, 3], [2, 4]])


def test_what_a_table_cannot_hold_is_refused(tmp_path, record):
    with pytest.raises(MedtsError, match=r"several sampling rates.*\.npz"):
        write(record, tmp_path / "r.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_arbitrary_unit_on_a_voltage_counts_as_none(table):
    path = table("II [NU]", "1", "3")
    with pytest.raises(ReadError, match="channel II: unknown unit 'NU'"):
        read(path, sampling_rate=5)
    np.testing.assert_array_equal(
        read(path, sampling_rate=5, unit="mV").streams["ecg"].signal, [[1, 3]]
    )


def test_a_first_column_of_dates_is_the_time_and_further_ones_are_left_out(table):
    rows = [
        f"2016-09-15 09:40:{k * 0.25:07.4f},{k},2020-01-01T00:00:{k * 0.25:05.2f},{-k}"
        for k in range(8)
    ]
    stream = read(table("TIME_1,RE [uV],TIME_2,LE [uV]", *rows)).streams["other"]
    assert (stream.sampling_rate, stream.channels) == (4.0, ("RE", "LE"))
    np.testing.assert_array_equal(stream.signal, [np.arange(8), -np.arange(8)])


def test_dates_that_are_rounded_are_refused_with_their_rate_on_average(table):
    rows = [f"2016-09-15 09:40:{k / 1700:07.4f},{k}" for k in range(200)]
    path = table("TIME_1,RE [uV]", *rows)
    with pytest.raises(ReadError, match="on average it is 1699"):
        read(path)
    assert read(path, sampling_rate=1700).streams["other"].n_samples == 200


def test_a_cell_beside_dates_that_is_no_number_is_named(table):
    path = table("TIME_1,RE [uV]", "2016-09-15 09:40:01,1", "2016-09-15 09:40:02,x")
    with pytest.raises(ReadError, match=r"row 3, column RE .*'x' is not a number"):
        read(path)
