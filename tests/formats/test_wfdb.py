import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record, Stream
from medts.formats import FORMATS, read

write = FORMATS["wfdb"].write


@pytest.fixture
def header(tmp_path, record):
    """A written record of three ECG channels in one ``.dat``."""
    ecg = Record("rec", {"ecg": record.streams["ecg"]})
    write(ecg, tmp_path / "rec.hea")
    return tmp_path / "rec.hea"


def edit(header, old, new):
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new))


def test_a_record_of_two_rates_comes_back_with_every_value_and_annotation(tmp_path, record):
    write(record, tmp_path / "rec.hea")
    back = read(tmp_path / "rec.hea")
    assert list(back.streams) == ["ecg", "ppg"]
    for name, stream in record.streams.items():
        np.testing.assert_array_equal(back.streams[name].signal, stream.signal)
        np.testing.assert_allclose(back.streams[name].resolution, stream.resolution)
        assert back.streams[name].channels == stream.channels
        assert back.streams[name].sampling_rate == stream.sampling_rate
        assert back.streams[name].unit == stream.unit
    assert back.facts == record.facts
    for ours, theirs in zip(back.annotations, record.annotations, strict=True):
        assert (ours.label, ours.kind) == (theirs.label, theirs.kind)
        assert ours.time_s == pytest.approx(theirs.time_s)
        assert ours.duration_s == pytest.approx(theirs.duration_s)
    assert (back.record_id, back.subject_id) == ("rec", "")


def test_what_is_written_means_the_same_to_wfdb_itself(header, record):
    theirs = wfdb.rdrecord(str(header.with_suffix("")))
    np.testing.assert_allclose(theirs.p_signal.T, record.streams["ecg"].signal, atol=1e-6)
    assert theirs.sig_name == ["I", "II", "V1"]
    assert theirs.fs == 500


@pytest.mark.parametrize("name", ["rec.hea", "rec.dat", "rec"])
def test_a_record_may_be_named_by_header_signal_file_or_bare_name(header, name):
    assert read(header.with_name(name)).streams["ecg"].n_samples == 1000


def test_a_header_under_another_suffix_is_still_read(header, record):
    header.rename(header.with_name("rec.txt"))
    back = read(header.with_name("rec.txt"))
    np.testing.assert_array_equal(back.streams["ecg"].signal, record.streams["ecg"].signal)


def test_a_stranger_beside_a_header_is_not_taken_for_the_record(header):
    header.with_name("rec.csv").write_text("V1 [mV]\n1\n2\n")
    assert read(header.with_name("rec.csv"), sampling_rate=10).streams["ecg"].n_samples == 2
    with pytest.raises(ReadError, match="no such file"):
        read(header.with_name("rec.edf"))


@settings(max_examples=15, deadline=None)
@given(
    scale=st.floats(1e-3, 1e3),
    offset=st.floats(-100, 100),
    n_samples=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_without_a_resolution_the_error_stays_under_a_16_bit_step(
    tmp_path_factory, scale, offset, n_samples, seed
):
    signal = np.random.default_rng(seed).normal(offset, scale, (2, n_samples)).astype(np.float32)
    folder = tmp_path_factory.mktemp("wfdb")
    write(Record("r", {"ecg": Stream(signal, ("I", "II"), 100.0, "ecg", "mV")}), folder / "r")
    back = read(folder / "r").streams["ecg"]
    assert back.resolution is not None
    step = np.maximum(back.resolution[:, None], 2e-7 * np.abs(signal))
    assert np.all(np.abs(back.signal - signal) <= step)


def test_missing_samples_are_nan_and_large_integers_survive(tmp_path):
    signal = np.array([[0.0, np.nan, 100_000.0]], dtype=np.float32)
    stream = Stream(signal, ("I",), 100.0, "ecg", "mV", resolution=np.array([1.0]))
    write(Record("r", {"ecg": stream}), tmp_path / "r")
    np.testing.assert_array_equal(read(tmp_path / "r").streams["ecg"].signal, signal)


def test_a_spike_does_not_flatten_the_rest_of_its_channel(tmp_path):
    signal = np.sin(np.arange(1000, dtype=np.float32) / 30)[None]
    signal[0, 500] = 1e6
    write(Record("r", {"ecg": Stream(signal, ("I",), 100.0, "ecg", "mV")}), tmp_path / "r")
    back = read(tmp_path / "r").streams["ecg"].signal
    np.testing.assert_allclose(back, signal, atol=2e-3)


def test_shuffled_channels_in_the_file_give_the_same_signals_by_name(tmp_path, record):
    ecg = record.streams["ecg"]
    write(Record("a", {"ecg": ecg.pick(("V1", "I", "II"))}), tmp_path / "a")
    back = read(tmp_path / "a").streams["ecg"]
    assert back.channels == ("V1", "I", "II")
    np.testing.assert_array_equal(back.pick(ecg.channels).signal, ecg.signal)


def test_microvolts_become_millivolts_with_their_resolution(header, record):
    header.write_text(header.read_text().replace("/mV", "/uV"))
    back = read(header).streams["ecg"]
    assert back.unit == "mV"
    np.testing.assert_allclose(back.signal, record.streams["ecg"].signal / 1000, rtol=1e-6)
    np.testing.assert_allclose(back.resolution, 1e-6)


def test_a_baseline_and_a_gain_are_undone(tmp_path):
    np.array([1024, 1224, 824, -32768], dtype="<i2").tofile(tmp_path / "b.dat")
    (tmp_path / "b.hea").write_text("b 1 360 4\nb.dat 16 200(1024)/mV 11 0 0 0 0 MLII\n# 69 M 1\n")
    back = read(tmp_path / "b")
    np.testing.assert_array_equal(back.streams["ecg"].signal, [[0.0, 1.0, -1.0, np.nan]])
    assert back.facts == {"age": 69, "sex": "M"}


def test_the_header_of_the_2017_challenge_with_the_date_first_is_read(header):
    edit(header, "rec 3 500 1000", "rec 3 500 1000 2014-05-08 05:05:15")
    assert read(header).facts["start"] == "2014-05-08T05:05:15"


def test_a_header_without_a_length_takes_it_from_the_file(header):
    edit(header, "rec 3 500 1000", "rec 3 500")
    assert read(header).streams["ecg"].n_samples == 1000


@pytest.mark.parametrize("n_frames", [999, 1001])
def test_a_header_that_lies_about_its_length_is_refused(header, n_frames):
    edit(header, "rec 3 500 1000", f"rec 3 500 {n_frames}")
    with pytest.raises(
        ReadError, match=rf"rec\.dat.*holds 1000 frames, the header says {n_frames}"
    ):
        read(header)


@pytest.mark.parametrize("n_bytes", [5, 6, 3000])
def test_a_truncated_signal_file_is_refused(header, n_bytes):
    data = header.with_suffix(".dat")
    data.write_bytes(data.read_bytes()[:-n_bytes])
    with pytest.raises(ReadError, match="the header says 1000"):
        read(header)
    edit(header, "rec 3 500 1000", "rec 3 500")
    if n_bytes % 6:
        with pytest.raises(ReadError, match="frames"):
            read(header)


def test_format_212_allows_for_its_padding_only(tmp_path):
    (tmp_path / "p.hea").write_text("p 1 100 3\np.dat 212 100/mV 12 0 0 0 0 I\n")
    for n_bytes, fits in ((4, False), (5, True), (6, True), (8, False)):
        (tmp_path / "p.dat").write_bytes(bytes(n_bytes))
        if fits:
            assert read(tmp_path / "p").streams["ecg"].n_samples == 3
        else:
            with pytest.raises(ReadError, match="the header says 3"):
                read(tmp_path / "p")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("/mV 16 0", "/furlong 16 0", r"rec\.hea: channel I: unknown unit 'furlong'.*unit="),
        (" II\n", " I\n", "'I' occurs more than once.*channels="),
        ("rec 3 500", "rec 4 500", "4 channels are promised, 3 described"),
        ("rec.dat 16x1 ", "rec.dat 99 ", "signal line 1: unknown storage format 99"),
        ("rec.dat 16x1 ", "rec.dat ", "signal line 1"),
        ("16x1 1000.0", "16x1 0", "signal line 1: no gain"),
        ("rec 3 500 1000", "rec 0 500 1000", "no signal"),
        ("rec 3 500 1000", "what is this", "called like WFDB, but does not begin like it"),
    ],
)
def test_a_faulty_header_is_refused_with_its_place(header, old, new, message):
    edit(header, old, new)
    with pytest.raises(ReadError, match=message):
        read(header)


def test_an_uncalibrated_channel_may_be_left_out(header, record):
    edit(header, "16x1 1000.0", "16x1 0")
    text = header.read_text().replace("16x1 0", "16x1 1000.0", 2)
    header.write_text(text)
    with pytest.raises(ReadError, match="signal line 3: no gain"):
        read(header)
    back = read(header, channels=("II", "I")).streams["ecg"]
    assert back.channels == ("II", "I")
    np.testing.assert_array_equal(back.signal, record.streams["ecg"].signal[[1, 0]])
    with pytest.raises(ReadError, match="signal line 3: no gain"):
        read(header, channels=("II", "V1"))


def test_an_unknown_unit_can_be_stated_and_a_known_one_not_contradicted(header, record):
    with pytest.raises(ReadError, match="unit='µV' was given, but fits no channel"):
        read(header, unit="uV")
    header.write_text(header.read_text().replace("/mV", "/furlong"))
    back = read(header, unit="mV").streams["ecg"]
    np.testing.assert_array_equal(back.signal, record.streams["ecg"].signal)


def test_doubled_channels_can_be_named_in_the_order_of_the_file(header, record):
    edit(header, " II\n", " I\n")
    back = read(header, channels=("I", "II", "V1")).streams["ecg"]
    np.testing.assert_array_equal(back.signal, record.streams["ecg"].signal)


def test_a_missing_signal_file_is_named(header):
    header.with_suffix(".dat").unlink()
    with pytest.raises(ReadError, match=r"rec\.dat: no such file"):
        read(header)
    with pytest.raises(ReadError, match=r"rec\.dat: no such file"):
        read(header.with_suffix(".dat"))


def test_a_signal_file_without_its_header_tells_what_is_missing(header):
    header.unlink()
    with pytest.raises(ReadError, match=r"needs its \.hea"):
        read(header.with_suffix(".dat"))


def test_a_contradicting_sampling_rate_is_refused(header):
    assert read(header, sampling_rate=500).streams["ecg"].sampling_rate == 500
    with pytest.raises(ReadError, match="the file says 500 Hz"):
        read(header, sampling_rate=250)


def test_compressed_signals_are_counted_too(tmp_path):
    integers = np.random.default_rng(0).integers(-1000, 1000, (300, 2))
    wfdb.wrsamp(
        "f",
        fs=100,
        units=["mV"] * 2,
        sig_name=["I", "II"],
        d_signal=integers,
        fmt=["516"] * 2,
        adc_gain=[1000.0] * 2,
        baseline=[0] * 2,
        write_dir=str(tmp_path),
    )
    np.testing.assert_allclose(
        read(tmp_path / "f").streams["ecg"].signal, integers.T / 1000, rtol=1e-6
    )
    for n_frames in (299, 301):
        edit(tmp_path / "f.hea", "100 300", f"100 {n_frames}")
        with pytest.raises(ReadError, match=f"holds 300 frames, the header says {n_frames}"):
            read(tmp_path / "f")
        edit(tmp_path / "f.hea", f"100 {n_frames}", "100 300")
    data = tmp_path / "f.dat"
    data.write_bytes(data.read_bytes()[:400])
    with pytest.raises(ReadError):
        read(tmp_path / "f")


def test_a_record_without_samples_is_refused(header):
    edit(header, "rec 3 500 1000", "rec 3 500")
    header.with_suffix(".dat").write_bytes(b"")
    with pytest.raises(ReadError, match="no samples"):
        read(header)


def test_garbled_annotations_are_refused(header):
    header.with_suffix(".atr").write_bytes(b"\xff" * 7)
    with pytest.raises(ReadError, match=r"rec\.atr"):
        read(header)


def test_what_does_not_fit_into_one_wfdb_record_is_refused(tmp_path, make_stream):
    uneven = Record("r", {"ecg": make_stream(), "ppg": make_stream(("PLETH",), 200, 125.0, "ppg")})
    with pytest.raises(MedtsError, match=r"end at different times.*\.npz"):
        write(uneven, tmp_path / "r")
    with pytest.raises(MedtsError, match="record name"):
        write(Record("r", {"ecg": make_stream()}), tmp_path / "a b")
    assert list(tmp_path.iterdir()) == []


def test_a_renamed_record_never_takes_the_samples_of_another(header):
    other = header.with_name("other.hea")
    other.write_text(header.read_text())  # still names rec.dat, which is no longer its own
    other.with_suffix(".dat").write_bytes(header.with_suffix(".dat").read_bytes())
    with pytest.raises(ReadError, match=r"other\.hea: names rec\.dat, although other\.dat"):
        read(other)
    edit(other, "rec.dat", "other.dat")
    assert read(other).streams["ecg"].n_samples == 1000
