import numpy as np
import pytest
from made_dicom import HEMODYNAMIC, channel, encode, group, measurement, text

from medts.core.errors import MedtsError, ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.formats import FORMATS, find_format, read

LEADS = tuple(f"5.6.3-9-{number}" for number in (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8))


def integers(n_channels, n=500, kind=np.int16, seed=0):
    low, high = (0, 200) if np.dtype(kind).kind == "u" else (-100, 100)
    return np.random.default_rng(seed).integers(low, high, (n_channels, n)).astype(kind)


def written(tmp_path, *args, **options):
    path = tmp_path / "x.dcm"
    path.write_bytes(encode(*args, **options))
    return path


def test_twelve_leads_by_code_with_what_the_cart_says(tmp_path):
    samples = integers(12)
    said = [
        text("Sinus rhythm"),
        measurement("5.13.5-7", "PR Interval", 148),
        measurement("5.10.2.1-5", "PP Interval", 0),
        measurement("F-008EC", "Systolic", 110, "mmHg"),
    ]
    path = written(tmp_path, [group(samples, [channel(each) for each in LEADS])], said)
    assert find_format(path).key == "dicom"
    record = read(path)
    ecg = record.streams["ecg"]
    assert ecg.channels == STANDARD_12_LEADS
    np.testing.assert_allclose(ecg.signal, samples * 0.0025, atol=1e-7)
    np.testing.assert_allclose(ecg.resolution, 0.0025)
    assert (record.subject_id, record.report) == ("SBJ-1", "Sinus rhythm")
    assert {each.name: each.value for each in record.measurements} == {"pr": 148, "systolic": 110}
    assert record.facts["age"] == 49
    assert record.facts["start"] == "2002-11-22T09:10:00"
    assert (record.facts["high_pass_hz"], record.facts["low_pass_hz"]) == (0.05, 150.0)
    assert "Clark" not in repr(record)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16, np.int32])
def test_a_sample_is_raw_times_sensitivity_times_correction_plus_baseline(tmp_path, kind):
    samples = integers(1, kind=kind)
    one = channel("MDC_ECG_LEAD_II", sensitivity=5, correction=1.02, baseline=-40)
    ecg = read(written(tmp_path, [group(samples, [one])])).streams["ecg"]
    assert ecg.channels == ("II",)
    expected = (samples.astype(float) * 5 * 1.02 - 40) / 1000
    np.testing.assert_allclose(ecg.signal, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (("2:62", "MDC", "Lead aVR"), "aVR"),
        (("x", "LOCAL", "Lead I (Einthoven)"), "I"),
        (("5.6.3-9-11", "SCPECG", ""), "V3R"),
        (("MDC_ECG_LEAD_AVF", "MDC", ""), "aVF"),
    ],
)
def test_leads_come_as_codes_and_as_meanings(tmp_path, source, name):
    path = written(tmp_path, [group(integers(1), [channel(source)])])
    assert read(path).streams["ecg"].channels == (name,)


def test_the_ecg_inside_a_hemodynamic_object(tmp_path):
    channels = [channel(LEADS[1]), channel(("109-1", "99X", "P1"), "mm[Hg]", 0.1)]
    path = written(tmp_path, [group(integers(2), channels, 240)], sop_class=HEMODYNAMIC)
    streams = read(path).streams
    assert streams["ecg"].channels == ("II",)
    assert (streams["other"].unit, streams["other"].sampling_rate) == ("mmHg", 240.0)


def test_representative_beats_are_left_out(tmp_path):
    rhythm, median = integers(1), integers(1, 60, seed=1)
    groups = [
        group(median, [channel(LEADS[0])], label="MEDIAN BEAT", origin="DERIVED"),
        group(rhythm, [channel(LEADS[0])]),
    ]
    ecg = read(written(tmp_path, groups)).streams["ecg"]
    np.testing.assert_allclose(ecg.signal, rhythm * 0.0025, atol=1e-7)


def test_a_page_of_three_by_four_becomes_one_stream_with_gaps(tmp_path):
    strip = integers(1, 1000)
    groups = [
        group(
            integers(3, 250, seed=n),
            [channel(each) for each in LEADS[3 * n : 3 * n + 3]],
            offset_ms=500 * n,
        )
        for n in range(4)
    ]
    groups.append(group(strip, [channel(LEADS[1])]))
    ecg = read(written(tmp_path, groups)).streams["ecg"]
    assert (len(ecg.channels), ecg.n_samples) == (12, 1000)
    np.testing.assert_allclose(ecg.pick(("II",)).signal, strip * 0.0025, atol=1e-7)
    last = ecg.pick(("V6",)).signal[0]
    assert np.isnan(last[:750]).all()
    assert np.isfinite(last[750:]).all()


def test_padding_becomes_gaps_unless_it_is_a_normal_sample(tmp_path):
    samples = integers(2)
    samples[0, -100:] = -32768
    samples[1, 40] = -32768
    path = written(tmp_path, [group(samples, [channel(e) for e in LEADS[:2]], padding=-32768)])
    signal = read(path).streams["ecg"].pick(("I", "II")).signal
    assert np.isnan(signal).sum(1).tolist() == [100, 1]
    samples = integers(2)
    samples[0, 7], samples[1, -150:] = 0, 0  # a zero amid others is signal, a long run is not
    path = written(tmp_path, [group(samples, [channel(e) for e in LEADS[:2]], padding=0)])
    assert np.isnan(read(path).streams["ecg"].pick(("I", "II")).signal).sum(1).tolist() == [0, 150]


def test_samples_of_twelve_bits_without_an_extended_sign(tmp_path):
    samples = integers(1)
    one = [channel(LEADS[0], bits=12)]
    stored = (samples.astype(np.int32) & 0xFFF).astype(np.int16)
    ecg = read(written(tmp_path, [group(stored, one)])).streams["ecg"]
    np.testing.assert_allclose(ecg.signal, samples * 0.0025, atol=1e-7)


def test_what_cannot_be_read_is_refused_in_words(tmp_path):
    whole = group(integers(2), [channel(each) for each in LEADS[:2]])
    whole.NumberOfWaveformSamples = 4_000_000_000
    with pytest.raises(ReadError, match=r"multiplex group 1: 2 channels .* do not fit 2000 bytes"):
        read(written(tmp_path, [whole]))
    with pytest.raises(ReadError, match="holds no waveform"):
        read(written(tmp_path, []))
    bare = channel(LEADS[0])
    del bare.ChannelSensitivity
    with pytest.raises(ReadError, match=r"group 1, channel 1: no sensitivity.*uncalibrated"):
        read(written(tmp_path, [group(integers(1), [bare])]))


def test_it_is_only_read(tmp_path):
    record = read(written(tmp_path, [group(integers(1), [channel(LEADS[0])])]))
    with pytest.raises(MedtsError, match="only read"):
        FORMATS["dicom"].write(record, tmp_path / "y")
