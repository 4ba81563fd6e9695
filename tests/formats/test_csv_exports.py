"""Tables as programs export them: what stands above the numbers, decimal commas, times, encodings.

Every value is read as it was meant, or refused with its row, its column and the flag that helps.
"""

import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.formats import read


@pytest.fixture
def text(tmp_path):
    """Writes a text into a file and returns its path."""

    def make(content, encoding="utf-8"):
        path = tmp_path / "x.csv"
        path.write_bytes(content.encode(encoding))
        return path

    return make


@pytest.mark.parametrize(
    "content",
    [
        "time_s;I [mV]\n0,000;0,1\n0,004;-0,2\n",
        "time_s\tI [mV]\n0,000\t0,1\n0,004\t-0,2\n",
        'time_s,"I [mV]"\n"0,000","0,1"\n"0,004","-0,2"\n',
        "time,I\ns,mV\n0,0.1\n0.004,-0.2\n",
        "time,I\n(ms),(uV)\n0,100\n4,-200\n",
        "# fs: 250\ntime_s,I [mV]\n0,0.1\n0.004,-0.2\n",
        "# Device: x\n# Sampling rate = 250 Hz\nI [mV]\n0.1\n-0.2\n",
        "Patient;Max\nSampling frequency (Hz);250\nUnits;mV\n\nI;II\n0,1;0\n-0,2;0\n",
        "Sampling interval: 4 ms\n\nI [mV],II [mV]\n0.1,0\n-0.2,0\n",
        "\n\ntime_s,I [mV]\n0,0.1\n\n0.004,-0.2\n\n",
        "sep=;\ntime_s;I [mV]\n0;0.1\n0.004;-0.2\n",
        '\ufeff"sep=;"\r\ntime_s;I [mV]\r\n0;0,1\r\n0,004;-0,2\r\n',
        "time_s,I [mV]\n0,0.1,\n0.004,-0.2,\n",
        "time_s,I [mV],,\n0,0.1,,\n0.004,-0.2,,\n,,,\n",
        ",I [mV],time_s\n0,0.1,0\n1,-0.2,0.004\n",
        "time_s I [mV]\n 0.000    0.1\n 0.004   -0.2\n",
        "Zeit/s;I/mV\n0,000;0,1\n0,004;−0,2\n",
        "time_ms,I_uV\n0,100\n4,-200\n",
        "time_s,I [mV],label\n0,0.1,N\n0.004,-0.2,V\n",
        "Date,Time,I [mV]\n2020-03-02,10:20:30.000,0.1\n2020-03-02,10:20:30.004,-0.2\n",
        "Interval=\t0.004 s\nChannelTitle=\tI\nUnitName=\tmV\n0\t0.1\n0.004\t-0.2\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_one_signal_in_the_layouts_of_many_programs(text, content, encoding):
    ecg = read(text(content, encoding)).streams["ecg"]
    assert (ecg.sampling_rate, ecg.unit) == (250.0, "mV")
    np.testing.assert_allclose(ecg.signal[0], [0.1, -0.2], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "rate"),
    [
        ('Name,J\nSample Rate,"512 hertz"\n\nLead,"Lead I"\nUnit,"µV"\n\n-55.511\n-54.2\n', 512),
        (
            "Name,Max V\nMessrate,512 Hertz\n\n\nAbleitung,Ableitung I\nEinheit,µV\n\n"
            "-55,511\n-54,2\n",
            512,
        ),
        (
            "Naam,J\nMeetfrequentie,511,844 hertz\n\nAfleiding,Afleiding I\nEenheid,µV\n\n"
            "-55,511\n-54,200\n",
            511.844,
        ),
        ("Nom;J\nFréquence;512 hertz\n\nDérivation;Dérivation I\nUnité;µV\n\n-55,511\n-54,2", 512),
        ("名前,J\nサンプルレート,512ヘルツ\n\n誘導,I誘導\n単位,µV\n\n-55.511\n-54.2\n", 512),
        ("名,J\r\n采样率,512 Hz\r\n导联,导联 I\r\n单位,µV\r\n-5.5511e1\r\n-5.42e1\r\n", 512),
        ("Имя,J\nЧастота,512 герц\n\nОтведение,Отведение I\nЕд.,мкВ\n\n-55,511\n-54,2\n", 512),
    ],
)
def test_the_export_of_a_watch_is_read_in_any_language(text, content, rate):
    record = read(text(content))
    ecg = record.streams["ecg"]
    assert (ecg.channels, ecg.sampling_rate) == (("I",), rate)
    np.testing.assert_allclose(ecg.signal[0], [-0.055511, -0.0542], rtol=1e-5)
    assert record.facts == {}  # no name, no birth date


@pytest.mark.parametrize(
    ("unit", "step"),
    [
        *(("s", 0.004), ("sec", 0.004), ("seconds", 0.004), ("ms", 4), ("msec", 4)),
        *(("milliseconds", 4), ("us", 4000), ("µs", 4000), ("μs", 4000), ("usec", 4000)),
        *(("ns", 4e6), ("min", 0.004 / 60), ("minutes", 0.004 / 60), ("h", 0.004 / 3600)),
    ],
)
@pytest.mark.parametrize(
    "heading", ["time [{}]", "Timestamp ({})", "elapsed time_{}", "t/{}", "Time in {}"]
)
def test_times_in_every_stated_unit(text, heading, unit, step):
    rows = [f"{k * step!r},{k % 7}" for k in range(100)]
    path = text("\n".join([f"{heading.format(unit)},I [mV]", *rows]))
    assert read(path).streams["ecg"].sampling_rate == pytest.approx(250, abs=0.01)


@pytest.mark.parametrize("heading", ["time [samples]", "sample", "'sample #'", "index"])
def test_numbers_of_samples_give_no_rate_and_are_no_channel(text, heading):
    path = text(f"{heading},'MLII [mV]'\n0,1\n1,2\n2,3\n")
    with pytest.raises(ReadError, match=r"sampling_rate=.*Hz"):
        read(path)
    record = read(path, sampling_rate=360)
    assert record.streams["ecg"].channels == ("MLII",)
    assert list(record.streams) == ["ecg"]
    with pytest.raises(ReadError, match="sample 3 follows on 1"):
        read(text(f"{heading},MLII [mV]\n0,1\n1,2\n3,3\n"), sampling_rate=360)


def test_a_unit_of_time_that_is_not_stated_is_found_by_the_rate_and_never_guessed(text):
    for first in (0, 1_617_000_000_000):
        rows = "".join(f"{first + 4 * k},{k}\n" for k in range(9))
        content = f"time,I [mV]\n{rows}"
        with pytest.raises(ReadError, match=r"may be seconds, milliseconds.*--sampling-rate"):
            read(text(content))
        assert read(text(content), sampling_rate=250).streams["ecg"].sampling_rate == 250
        with pytest.raises(ReadError, match=r"Correct sampling_rate= \(--sampling-rate\)"):
            read(text(content), sampling_rate=300)
    with pytest.raises(ReadError, match="unknown unit of time 'fortnight'"):
        read(text("time [fortnight],I [mV]\n0,1\n1,2\n"))


@pytest.mark.parametrize(
    "times",
    [
        ("0:00.000", "0:00.004", "0:00.008"),
        (
            "'[23:59:59.996 01/01/2000]'",
            "'[00:00:00.000 02/01/2000]'",
            "'[00:00:00.004 02/01/2000]'",
        ),
        ("2020-03-02T23:59:59.996Z", "2020-03-03T00:00:00.000Z", "2020-03-03T00:00:00.004Z"),
        ("11:59:59.996 AM", "12:00:00.000 PM", "12:00:00.004 PM"),
    ],
)
def test_clock_times_go_on_over_midnight_and_noon(text, times):
    units = "'hh:mm:ss.mmm','mV'\n"
    for content in (f"'Elapsed time','MLII'\n{units}", "when,MLII [mV]\n"):
        path = text(content + "".join(f"{time},-0.5\n" for time in times))
        assert read(path).streams["ecg"].sampling_rate == pytest.approx(250)
    path = text("when;MLII [mV]\n" + "".join(f"{time.replace('.', ',')};-0,5\n" for time in times))
    assert read(path).streams["ecg"].sampling_rate == pytest.approx(250)


def test_empty_cells_in_the_first_rows_are_samples(text):
    ecg = read(text("I [mV],II [mV]\n,\n1,\n3,4\n"), sampling_rate=250).streams["ecg"]
    np.testing.assert_array_equal(ecg.signal, [[np.nan, 1, 3], [np.nan, np.nan, 4]])


def test_a_watch_whose_language_is_not_known_needs_the_rate(text):
    path = text("A,J\nB,512 xyz\n\nC,Lead I\nD,µV\n\n-55.511\n-1.5\n")
    with pytest.raises(ReadError, match="--sampling-rate"):
        read(path)
    assert read(path, sampling_rate=512).streams["ecg"].channels == ("I",)


def test_columns_of_words_are_left_out_and_said_unless_wanted(text):
    path = text("time_s,I [mV],label\n0,1,N\n0.004,2,V\n")
    assert read(path).facts == {"left_out": "not numbers: label"}
    with pytest.raises(ReadError, match="row 2, column label: 'N' is not a number"):
        read(path, channels=("I", "label"))
    damaged = text("time_s,I [mV],II [mV]\n0,1,1\n0.004,2,lost\n")
    with pytest.raises(ReadError, match=r"row 3, column II \[mV\]: 'lost'"):
        read(damaged)
    np.testing.assert_array_equal(read(damaged, channels=("I",)).streams["ecg"].signal, [[1, 2]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("I [uV];II [uV]\n1,234;2,345\n", r"row 2, column I \[uV\]: '1,234'.*thousands"),
        ("I [uV];II [uV]\n1.234,5;2.345,1\n", r"row 2, column I \[uV\]: '1.234,5'.*thousands"),
        ("time_s,I [mV]\n0,000,0,1\n", "row 2: 4 cells where the first row has 2.*decimal"),
        ("I [mV]\n0,1\n0,2\n", "row 2: 2 cells where the first row has 1.*decimal"),
        ("time_s,I [mV]\n0,1,5\n", "row 2: 3 cells where the first row has 2"),
        ("# x\n\ntime_s,I [mV]\n0,1\n1\n", "row 5: 1 cells where the row of names has 2"),
        ("# fs: 500\ntime_s,I [mV]\n0,1\n0.004,2\n", "says 500 Hz, the times 250 Hz"),
        ("time,I [mV]\n11:59,1\n12:00,2\n", "'11:59' may be hours and minutes.*--sampling-rate"),
        ("time_s,I [mV]\n0,1\n,2\n", "time, sample 1: no time"),
        ("time,I [mV]\n0:00:01,1\nnoon,2\n", "row 3, column time: 'noon' is no time of day"),
        ("time_s,Lead II [mV]\n0,1\n0.004,lost\n", r"row 3, column Lead II \[mV\]: 'lost'"),
        ("I,II\n", "no row of numbers below a row of names"),
        ("PK\x03\x04", "an Excel workbook"),
        ("Filter,40 Hz\nI [mV],II [mV]\n1,2\n3,4\n", r"does not say its sampling rate"),
    ],
)
def test_what_cannot_be_known_is_refused_with_place_and_remedy(text, content, message):
    with pytest.raises(ReadError, match=message):
        read(text(content))
