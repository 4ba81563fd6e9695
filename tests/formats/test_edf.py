import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record, Stream
from medts.formats import FORMATS, find_format, read

write = FORMATS["edf"].write


@pytest.fixture
def file(tmp_path, record):
    write(record, tmp_path / "rec.edf")
    return tmp_path / "rec.edf"


def patch(file, offset, text):
    data = bytearray(file.read_bytes())
    data[offset : offset + len(text)] = text
    file.write_bytes(data)


def test_streams_of_two_rates_come_back_with_every_value(file, record):
    back = read(file)
    assert list(back.streams) == ["ecg", "ppg"]
    for name, stream in record.streams.items():
        np.testing.assert_allclose(back.streams[name].signal, stream.signal, atol=1e-6)
        np.testing.assert_allclose(back.streams[name].resolution, stream.resolution)
        assert back.streams[name].channels == stream.channels
        assert back.streams[name].sampling_rate == stream.sampling_rate
        assert back.streams[name].unit == stream.unit
    assert [each.label for each in back.annotations] == ["AFIB", "N", "V", "N"]
    assert [each.time_s for each in back.annotations] == [0.1, 0.25, 0.75, 1.2]
    assert back.annotations[0].duration_s == 1.1
    assert {each.kind for each in back.annotations} == {"annotation"}
    assert back.facts["sex"] == "F"


def test_what_is_written_means_the_same_to_edfio_itself(file, record):
    theirs = edfio.read_edf(file)
    assert theirs.labels == ("I", "II", "V1", "PLETH")
    for row, signal in enumerate(theirs.signals[:3]):
        np.testing.assert_allclose(signal.data, record.streams["ecg"].signal[row], atol=1e-6)
    assert theirs.duration == 2.0


def test_a_wrong_suffix_does_not_matter(file):
    file.rename(file.with_suffix(".dat"))
    assert read(file.with_suffix(".dat")).streams["ecg"].n_samples == 1000


@settings(max_examples=15, deadline=None)
@given(scale=st.floats(1e-2, 1e3), n_s=st.integers(1, 3), seed=st.integers(0, 99))
def test_without_a_resolution_the_error_stays_under_a_16_bit_step(
    tmp_path_factory, scale, n_s, seed
):
    signal = np.random.default_rng(seed).normal(0, scale, (2, 50 * n_s)).astype(np.float32)
    path = tmp_path_factory.mktemp("edf") / "r.edf"
    write(Record("r", {"eeg": Stream(signal, ("Fp1", "Cz"), 50.0, "eeg", "µV")}), path)
    back = read(path).streams["eeg"]
    assert (back.unit, back.channels) == ("µV", ("Fp1", "Cz"))
    assert np.all(np.abs(back.signal - signal) <= 1.02 * np.abs(signal).max() / 32_767)


def test_an_offset_between_the_steps_leaves_the_resolution_unknown(tmp_path):
    def channel(label, low):
        return edfio.EdfSignal.from_digital(
            np.arange(-50, 50, dtype=np.int16),
            50,
            label=label,
            physical_dimension="uV",
            physical_range=(low, low + 4095),
            digital_range=(-2048, 2047),
        )

    for name, low in (("whole", -2040.0), ("between", -2047.5)):
        edfio.Edf([channel("EEG Fp1", low)]).write(tmp_path / name)
    whole = read(tmp_path / "whole").streams["eeg"]
    between = read(tmp_path / "between").streams["eeg"]
    np.testing.assert_array_equal(whole.signal[0], np.arange(-50, 50) + 8)
    np.testing.assert_allclose(whole.resolution, 1.0)
    np.testing.assert_array_equal(between.signal[0], np.arange(-50, 50) + 0.5)
    assert between.resolution is None


def test_the_name_of_the_patient_never_enters_the_record(tmp_path, record):
    import datetime

    patient = edfio.Patient(name="Meier", code="MRN7", sex="F", birthdate=datetime.date(1960, 5, 1))
    recording = edfio.Recording(startdate=datetime.date(2020, 4, 30), equipment_code="Dev1")
    signal = edfio.EdfSignal(np.sin(np.arange(100.0)), 50, label="EEG Cz", physical_dimension="uV")
    edf = edfio.Edf([signal], patient=patient, recording=recording, annotations=())
    edf.write(tmp_path / "a.edf")
    back = read(tmp_path / "a.edf")
    assert back.facts == {"start": "2020-04-30T00:00:00", "sex": "F", "age": 59, "device": "Dev1"}
    assert "Meier" not in repr(back)


@pytest.mark.parametrize("n_bytes", [1, 2, 1000, 6000])
def test_a_truncated_file_is_refused(file, n_bytes):
    file.write_bytes(file.read_bytes()[:-n_bytes])
    with pytest.raises(ReadError, match=r"rec\.edf.*(data records, the header says|cut short)"):
        read(file)


def test_a_file_cut_inside_its_header_is_refused(file):
    data = file.read_bytes()
    for n_bytes in (100, 300):
        file.write_bytes(data[:n_bytes])
        with pytest.raises(ReadError, match="garbled or cut short"):
            read(file)


def test_a_header_that_promises_less_than_the_file_holds_is_refused(file):
    patch(file, 236, b"1       ")
    with pytest.raises(ReadError, match="holds 2 data records, the header says 1"):
        read(file)


def test_an_unknown_number_of_data_records_is_taken_from_the_file(file):
    patch(file, 236, b"-1      ")
    assert read(file).streams["ecg"].n_samples == 1000


@pytest.mark.parametrize("kind", [b"EDF+D", b"EDF+C"])
def test_a_clock_that_jumps_leaves_a_gap(file, record, kind):
    data = file.read_bytes()
    assert data.count(b"+1\x14\x14") == 1
    file.write_bytes(data.replace(b"+1\x14\x14", b"+4\x14\x14"))
    patch(file, 192, kind)
    back = read(file)
    for name, stream in record.streams.items():
        found, half = back.streams[name].signal, stream.n_samples // 2
        assert found.shape[1] == 5 * half
        np.testing.assert_allclose(found[:, :half], stream.signal[:, :half], atol=1e-6)
        assert np.isnan(found[:, half : 4 * half]).all()
        np.testing.assert_allclose(found[:, 4 * half :], stream.signal[:, half:], atol=1e-6)


def test_a_discontinuous_recording_without_gaps_is_whole(file):
    patch(file, 192, b"EDF+D")
    assert np.isfinite(read(file).streams["ecg"].signal).all()


@pytest.mark.parametrize(
    ("clock", "message"),
    [
        (b"+0\x14\x14", "record 2 begins before the one before it ends"),
        (b"+9999999\x14\x14", "gaps of 1e.07 s between 2 data records"),
        (b"?\x14\x14\x00\x00", "record 2 does not say when it began"),
    ],
)
def test_an_impossible_clock_is_refused(file, clock, message):
    data = file.read_bytes()
    at = data.index(b"+1\x14\x14")
    file.write_bytes(data[:at] + clock + data[at + len(clock) :])
    with pytest.raises(ReadError, match=message):
        read(file)


def test_annotations_without_a_signal_are_a_record_of_marks(tmp_path):
    marks = [edfio.EdfAnnotation(0, 30, "Sleep stage W"), edfio.EdfAnnotation(30, 30, "N2, µ")]
    edfio.Edf([], annotations=marks).write(tmp_path / "a.edf")
    back = read(tmp_path / "a.edf")
    assert (back.streams, back.duration_s) == ({}, 60)
    assert [(each.time_s, each.duration_s, each.label) for each in back.annotations] == [
        (0, 30, "Sleep stage W"),
        (30, 30, "N2, µ"),
    ]


def test_an_odd_channel_does_not_take_the_others_along(file):
    patch(file, 256 + 5 * (16 + 80 + 8) + 8, b"0       ")  # physical range of II: 0 to 0
    patch(file, 256 + 5 * (16 + 80 + 8 + 8) + 8, b"0       ")
    patch(file, 256 + 5 * (16 + 80) + 4 * 8 - 8, b"furlong ")
    patch(file, 256 + 3 * 16, b"Marker          ")
    back = read(file)
    assert back.streams["ecg"].channels == ("I", "V1")
    assert back.streams["other"].channels == ("Marker",)
    assert back.facts["left_out"] == "uncalibrated: II"
    with pytest.raises(ReadError, match="channel II: physical or digital range is empty"):
        read(file, channels=("II",))


@pytest.mark.parametrize("kind", [edfio.Edf, edfio.Bdf])
def test_edf_and_bdf_give_what_edfio_reads(tmp_path, kind):
    make = edfio.EdfSignal if kind is edfio.Edf else edfio.BdfSignal
    rng = np.random.default_rng(0)
    signals = [
        make(rng.normal(0, 50, 2 * rate), rate, label=label, physical_dimension="uV")
        for label, rate in (("EEG Fp1", 200), ("EEG Cz", 100))
    ]
    marks = [edfio.EdfAnnotation(1, 0.5, "Lights off")]
    kind(signals, annotations=marks).write(tmp_path / "x")
    assert find_format(tmp_path / "x").key == kind.__name__.lower()
    back, theirs = read(tmp_path / "x"), (edfio.read_edf, edfio.read_bdf)[kind is edfio.Bdf]
    expected = theirs(tmp_path / "x").signals
    np.testing.assert_allclose(back.streams["eeg"].signal[0], expected[0].data, atol=1e-4)
    np.testing.assert_allclose(back.streams["eeg-2"].signal[0], expected[1].data, atol=1e-4)
    assert [(each.time_s, each.label) for each in back.annotations] == [(1.0, "Lights off")]


def test_an_unknown_unit_is_refused_unless_stated_or_left_out(file):
    units_at = 256 + 5 * (16 + 80)
    patch(file, units_at, b"furlong ")
    with pytest.raises(ReadError, match=r"channel I: unknown unit 'furlong'.*unit="):
        read(file)
    assert read(file, channels=("II", "PLETH")).streams["ecg"].channels == ("II",)
    assert read(file, unit="mV").streams["ecg"].unit == "mV"


def test_a_microsign_in_latin_1_is_understood(tmp_path):
    signal = edfio.EdfSignal(np.sin(np.arange(100.0)), 50, label="EEG Cz", physical_dimension="uV")
    edfio.Edf([signal]).write(tmp_path / "a.edf")
    patch(tmp_path / "a.edf", 256 + 16 + 80, "µV".encode("latin-1"))
    assert read(tmp_path / "a.edf").streams["eeg"].unit == "µV"


def test_what_edf_cannot_hold_is_refused(tmp_path, make_stream):
    with pytest.raises(MedtsError, match="cannot be cut into EDF data records"):
        write(
            Record("r", {"ecg": make_stream(n_samples=1001, sampling_rate=360.0)}), tmp_path / "r"
        )
    gap = Stream(np.array([[0.0, np.nan]], dtype=np.float32), ("I",), 1.0, "ecg", "mV")
    with pytest.raises(MedtsError, match=r"channel I: EDF cannot hold missing samples.*\.npz"):
        write(Record("r", {"ecg": gap}), tmp_path / "r")
    with pytest.raises(MedtsError, match="exceeds maximum field length"):
        write(Record("r", {"ecg": make_stream(("a name beyond 16 letters",))}), tmp_path / "r")
    assert list(tmp_path.iterdir()) == []
