"""Readers against real recordings, which are found through MEDTS_DATA and never committed."""

import csv

import edfio
import numpy as np
import pytest
import wfdb

from medts.core.montage import STANDARD_12_LEADS
from medts.formats import FORMATS, read
from medts.formats.wfdb_annotations import decode
from medts.formats.wfdb_header import find_header, parse, parse_signals
from medts.formats.wfdb_signals import read_samples


def some(folder, pattern, n):
    paths = sorted(folder.glob(pattern))
    assert paths, pattern
    return paths[:: max(len(paths) // n, 1)][:n]


def is_whole(stream):
    """Whether every value is a multiple of the resolution, as far as float32 can say."""
    steps = stream.signal.astype(np.float64) / stream.resolution[:, None]
    return bool(np.nanmax(np.abs(steps - np.rint(steps))) < 0.01)


@pytest.mark.parametrize(
    ("pattern", "sampling_rate", "n_channels"),
    [
        ("ptb-xl/records500/*/*.hea", 500.0, 12),
        ("mitdb/1*.hea", 360.0, 2),
        ("ludb/data/*.hea", 500.0, 12),
        ("challenge-2017-validation/validation/*.hea", 300.0, 1),
    ],
)
def test_wfdb_records_agree_with_the_wfdb_package(real_data, pattern, sampling_rate, n_channels):
    for path in some(real_data, pattern, 3):
        theirs = wfdb.rdrecord(str(path.with_suffix("")))
        ecg = read(path).streams["ecg"]
        np.testing.assert_allclose(ecg.signal, theirs.p_signal.T, rtol=1e-6, atol=1e-7)
        assert (ecg.sampling_rate, ecg.unit, len(ecg.channels)) == (sampling_rate, "mV", n_channels)
        assert is_whole(ecg)
        if n_channels == 12:
            assert ecg.channels == STANDARD_12_LEADS


@pytest.mark.parametrize(
    ("pattern", "n"),
    [
        ("ptb-xl/records500/*/*.hea", 12),
        ("mitdb/*.hea", 6),
        ("ludb/data/*.hea", 12),
        ("challenge-2017-validation/validation/*.hea", 12),
    ],
)
def test_integers_of_wfdb_records_equal_the_wfdb_package_bit_for_bit(real_data, pattern, n):
    for path in some(real_data, pattern, n):
        theirs = wfdb.rdrecord(str(path.with_suffix("")), physical=False, smooth_frames=False)
        header = parse(find_header(path))
        signals = parse_signals(header)
        n_frames, samples = read_samples(header, signals)
        assert n_frames == theirs.sig_len
        for ours, digital in zip(samples, theirs.e_d_signal, strict=True):
            np.testing.assert_array_equal(ours, digital)
        assert [each.name or None for each in signals] == theirs.sig_name
        assert [each.gain for each in signals] == theirs.adc_gain
        assert [each.baseline for each in signals] == theirs.baseline
        assert [each.unit for each in signals] == theirs.units


@pytest.mark.parametrize(("pattern", "n"), [("mitdb/*.atr", 6), ("ludb/data/1*.[aiv]*", 24)])
def test_annotations_equal_the_wfdb_package_bit_for_bit(real_data, pattern, n):
    for path in some(real_data, pattern, n):
        theirs = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
        ours = decode(path.read_bytes(), path)
        np.testing.assert_array_equal(ours.ticks, theirs.sample)
        np.testing.assert_array_equal(ours.subtypes, theirs.subtype)
        np.testing.assert_array_equal(ours.channels, theirs.chan)
        np.testing.assert_array_equal(ours.numbers, theirs.num)
        assert [ours.symbol_of(code) for code in ours.codes.tolist()] == theirs.symbol
        assert [text.decode("latin-1") for text in ours.texts] == theirs.aux_note


def test_mitdb_has_its_published_beats_and_rhythms(real_data):
    record = read(real_data / "mitdb/200")
    theirs = wfdb.rdann(str(real_data / "mitdb/200"), "atr")
    assert len(record.annotations) == len(theirs.sample) == 2792
    beats = [each for each in record.annotations if each.kind == "beat"]
    assert len(beats) == 2601
    rhythms = [each for each in record.annotations if each.kind == "rhythm"]
    assert {each.label for each in rhythms} == {"N", "B", "VT"}
    assert sum(each.duration_s for each in rhythms) + rhythms[0].time_s == pytest.approx(
        650_000 / 360
    )


def test_ludb_headers_give_age_and_sex(real_data):
    assert read(real_data / "ludb/data/1").facts == {"age": 51, "sex": "F"}


def test_eegmat_splits_into_eeg_and_ecg_as_edfio_reads_them(real_data):
    path = real_data / "eegmat/Subject00_2.edf"
    record = read(path)
    theirs = edfio.read_edf(path)
    eeg, ecg = record.streams["eeg"], record.streams["ecg"]
    assert (eeg.signal.shape, eeg.unit, ecg.unit) == ((20, 31_000), "µV", "mV")
    assert eeg.channels[6] == "T7"
    for row, signal in enumerate(theirs.signals[:20]):
        np.testing.assert_allclose(eeg.signal[row], signal.data, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ecg.signal[0], theirs.signals[20].data, rtol=1e-5, atol=1e-7)
    assert record.facts["sex"] == theirs.patient.sex


def test_bidmc_tables_agree_whatever_their_column_order(real_data):
    for path in some(real_data, "bidmc/bidmc_csv/*_Signals.csv", 2):
        record = read(path, unit="mV", sampling_rate=125, channels=("II", "PLETH", "RESP"))
        with path.open() as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        assert list(record.streams) == ["ecg", "ppg", "resp"]
        for name, channel in (("ecg", "II"), ("ppg", "PLETH"), ("resp", "RESP")):
            expected = np.array([float(row[channel]) for row in rows], dtype=np.float32)
            np.testing.assert_array_equal(record.streams[name].signal[0], expected)


def test_a_real_record_survives_every_format_that_can_hold_it(tmp_path, real_data):
    record = read(some(real_data, "ptb-xl/records500/*/*.hea", 1)[0])
    for key, each in FORMATS.items():
        if not each.is_writable:
            continue
        each.write(record, tmp_path / key)
        back = read(tmp_path / key).streams["ecg"]
        np.testing.assert_allclose(back.signal, record.streams["ecg"].signal, atol=1e-6)
