"""XML of electrocardiographs: GE MUSE, Philips Sierra, Schiller, Mortara."""

import numpy as np
import pytest
from made_xml import mortara, muse, schiller, sierra

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.formats import find_format, read

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLES = np.cumsum(np.random.default_rng(0).integers(-9, 10, (12, 600)), 1)


def written(tmp_path, content):
    (tmp_path / "x.xml").write_bytes(content)
    return tmp_path / "x.xml"


def found(record):
    return {each.name: each.value for each in record.measurements}


def test_muse_rhythm_with_derived_leads_and_diagnosis(tmp_path):
    lines = (("SINUS BRADYCARDIA", "ENDSLINE"), ("WITH", ""), ("ARRHYTHMIA", "ENDSLINE"))
    said = "".join(
        f"<DiagnosisStatement><StmtFlag>{flag}</StmtFlag><StmtText>{text}</StmtText>"
        "</DiagnosisStatement>"
        for text, flag in lines
    )
    path = written(tmp_path, muse(EIGHT, SAMPLES[:8], diagnosis=f"<Diagnosis>{said}</Diagnosis>"))
    assert find_format(path).key == "muse"
    record = read(path)
    ecg = record.streams["ecg"]
    assert ecg.channels == STANDARD_12_LEADS
    assert ecg.derived == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(ecg.pick(EIGHT).signal, SAMPLES[:8] * 0.00488, atol=1e-6)
    left = (SAMPLES[0] - SAMPLES[1] / 2) * 0.00488
    np.testing.assert_allclose(ecg.pick(("aVL",)).signal[0], left, atol=1e-6)
    assert record.report == "SINUS BRADYCARDIA\nWITH ARRHYTHMIA"
    assert found(record) == {"heart_rate": 48, "pr": 138, "p_axis": -51}
    assert record.facts["high_pass_hz"] == 0.16
    assert record.facts["start"] == "2002-11-22T09:10:00"
    assert (record.facts["age"], record.facts["sex"]) == (49, "F")
    assert (record.subject_id, record.annotations[0].time_s) == ("SBJ-1", 0.614)
    assert "Clark" not in repr(record)


def test_eight_leads_are_not_always_the_usual_ones(tmp_path):
    leads = ("I", "II", "V1", "V2", "V4", "V7", "V3R", "V4R")
    ecg = read(written(tmp_path, muse(leads, SAMPLES[:8]))).streams["ecg"]
    assert ecg.channels == ("I", "II", "III", "aVR", "aVL", "aVF", *leads[2:])
    np.testing.assert_allclose(ecg.pick(("V3R",)).signal[0], SAMPLES[6] * 0.00488, atol=1e-6)


def test_damaged_muse_is_refused(tmp_path):
    with pytest.raises(ReadError, match="lead I: the checksum is wrong"):
        read(written(tmp_path, muse(EIGHT, SAMPLES[:8], crc=False)))
    whole = muse(EIGHT, SAMPLES[:8])
    for old, new, message in (
        (b"Count", b"Count", "do not hold"),
        (b">Rhythm<", b">Other<", "holds no rhythm"),
        (b">4.88<", b">0<", "lead I: no scale"),
        (b"<WaveFormData>\n", b"<WaveFormData>*", "no Base64"),
    ):
        content = whole.replace(b"Total>600", b"Total>601") if old == new else whole
        with pytest.raises(ReadError, match=message):
            read(written(tmp_path, content.replace(old, new)))


@pytest.mark.parametrize("version", ["1.03", "1.04", "1.04.01"])
@pytest.mark.parametrize("compressed", [True, False])
def test_sierra_is_decompressed_and_its_calibration_pulse_cut_off(tmp_path, version, compressed):
    path = written(tmp_path, sierra(SAMPLES, version=version, compressed=compressed))
    assert find_format(path).key == "sierra"
    record = read(path)
    ecg = record.streams["ecg"]
    assert (ecg.channels, ecg.derived, ecg.sampling_rate) == (STANDARD_12_LEADS, (), 500.0)
    np.testing.assert_allclose(ecg.signal, SAMPLES * 0.005, atol=1e-6)
    assert record.facts["calibration_cut_s"] == pytest.approx(0.4, abs=0.01)
    assert (record.facts["device"], record.facts["notch_hz"]) == ("PageWriter", 60.0)
    assert found(record) == {"heart_rate": 64, "pr": 164, "qtc_bazett": 412}
    assert record.report == "Sinus rhythm (V-rate 50-99)"
    assert [each.code for each in record.statements] == ["SR"]
    assert record.subject_id == "SBJ-1"
    assert "Clark" not in repr(record)


def test_sierra_without_a_pulse_is_not_cut(tmp_path):
    record = read(written(tmp_path, sierra(SAMPLES, pulse=False)))
    assert record.streams["ecg"].n_samples == 600
    assert "calibration_cut_s" not in record.facts


def test_damaged_sierra_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"documentinfo: a document of type MortaraECG 1\.04"):
        read(written(tmp_path, sierra(SAMPLES, kind="MortaraECG")))
    with pytest.raises(ReadError, match=r"type PhilipsECG 2\.0 is not read"):
        read(written(tmp_path, sierra(SAMPLES, version="2.0")))
    text = sierra(SAMPLES, version="1.03").decode()
    for old, new, message in (
        ('durationperchannel="1600"', 'durationperchannel="9999999999"', "samples cannot be in"),
        ('durationperchannel="1600"', 'durationperchannel="1800"', r"lead 1 .*instead of 900"),
        ('compressmethod="XLI"', 'compressmethod="ZIP"', "compressed by ZIP, are not read"),
        ("XLI", "Uncompressed", "12 leads of 800 samples do not fit"),
    ):
        with pytest.raises(ReadError, match=message):
            read(written(tmp_path, text.replace(old, new).encode()))


def test_schiller_rhythm(tmp_path):
    path = written(tmp_path, schiller(STANDARD_12_LEADS, SAMPLES))
    assert find_format(path).key == "schiller"
    record = read(path)
    ecg = record.streams["ecg"]
    assert ecg.channels == STANDARD_12_LEADS
    np.testing.assert_allclose(ecg.signal, SAMPLES * 0.001, atol=1e-6)
    assert (found(record), record.report) == ({"heart_rate": 69}, "Sinus rhythm")
    assert record.facts == {
        **{"start": "2002-11-22T09:10:00", "age": 49, "sex": "F", "notch_hz": 50.0},
        **{"manufacturer": "Schiller", "device": "AT-10P"},
    }
    (wave,) = record.annotations
    assert (wave.label, wave.time_s, wave.duration_s) == ("QRS", 0.02, 0.1)
    broken = schiller(STANDARD_12_LEADS, SAMPLES).replace(b"count>600", b"count>601")
    with pytest.raises(ReadError, match="lead I: 600 samples, where 601 are announced"):
        read(written(tmp_path, broken))


def test_mortara_channels(tmp_path):
    path = written(tmp_path, mortara(STANDARD_12_LEADS, SAMPLES))
    assert find_format(path).key == "mortara"
    record = read(path)
    np.testing.assert_allclose(record.streams["ecg"].signal, SAMPLES / 200, atol=1e-6)
    assert found(record) == {"heart_rate": 61, "pr": 160, "qrs_axis": -12}
    assert record.report == "SINUS RHYTHM"
    assert record.facts == {
        **{"start": "2002-11-22T09:10:00", "age": 49, "sex": "F", "low_pass_hz": 150.0},
        **{"manufacturer": "Mortara", "device": "ELI 250"},
    }
    with pytest.raises(ReadError, match="CHANNEL I: no SAMPLE_FREQ or UNITS_PER_MV"):
        read(written(tmp_path, mortara(STANDARD_12_LEADS, SAMPLES, scale=0)))
