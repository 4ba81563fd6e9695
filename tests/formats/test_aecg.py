import numpy as np
import pytest
from made_xml import aecg, aecg_annotations, aecg_measurement

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.formats import find_format, read

WAVE = (
    '<annotation><code code="MDC_ECG_WAVC"/><value xsi:type="CE" code="MDC_ECG_WAVC_PWAVE"/>'
    '<support><supportingROI><component><boundary><code code="TIME_ABSOLUTE"/><value>'
    '<low value="20021122091000.122"/><high value="20021122091000.224"/></value></boundary>'
    "</component></supportingROI></support></annotation>"
)
RHYTHM = (
    '<annotation><code code="MDC_ECG_RHY"/>'
    '<value xsi:type="CE" code="MDC_ECG_RHY_SINUS_RHY"/></annotation>'
)
TEXT = (
    '<annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/>'
    '<value xsi:type="ST">Sinus rhythm</value></annotation>'
)
BEAT = (
    '<annotation><code code="MDC_ECG_BEAT"/><value xsi:type="CE" code="MDC_ECG_BEAT_NORMAL"/>'
    f"<component>{WAVE}</component><component>{aecg_measurement('MDC_ECG_TIME_PD_QT', 410)}"
    "</component></annotation>"
)


def written(tmp_path, content):
    path = tmp_path / "x.xml"
    path.write_bytes(content)
    return path


def test_digits_become_physical_and_limb_leads_are_derived(tmp_path):
    samples = np.random.default_rng(0).integers(-500, 500, (8, 300))
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    path = written(tmp_path, aecg(leads, samples))
    assert find_format(path).key == "aecg"
    record = read(path)
    ecg = record.streams["ecg"]
    assert ecg.channels == STANDARD_12_LEADS
    assert ecg.derived == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(ecg.pick(leads).signal, samples * 0.0025, atol=1e-7)
    np.testing.assert_allclose(
        ecg.pick(("aVR",)).signal[0], (samples[0] + samples[1]) * -0.00125, atol=1e-7
    )
    assert (ecg.sampling_rate, record.subject_id) == (500.0, "SBJ-1")
    assert record.facts == {
        **{"start": "2002-11-22T09:10:00", "age": 49, "sex": "F", "device": "M1"}
    }
    assert "Clark" not in repr(record)


def test_origin_and_unit_count(tmp_path):
    path = written(tmp_path, aecg(["V1"], [[1, 2, 3]], scale=0.01, origin=0.5, unit="mV"))
    signal = read(path).streams["ecg"].signal
    np.testing.assert_allclose(signal, [[0.51, 0.52, 0.53]], atol=1e-7)


def test_marks_statements_and_measurements(tmp_path):
    global_qt = aecg_measurement("MDC_ECG_TIME_PD_QT", 0.42, "s")
    of_lead = aecg_measurement("MDC_ECG_TIME_PD_QRS", 98, lead="V2")
    more = aecg_annotations(RHYTHM, TEXT, BEAT, of_lead)
    derived = aecg_annotations(global_qt)
    more += f"<derivation><derivedSeries>{derived}</derivedSeries></derivation>"
    record = read(written(tmp_path, aecg(["I"], [[1, 2, 3]], more=more)))
    assert record.report == "Sinus rhythm"
    assert [each.code for each in record.statements] == ["MDC_ECG_RHY_SINUS_RHY"]
    (wave,) = record.annotations
    assert (wave.label, wave.kind, wave.time_s) == ("P", "wave", 0.122)
    assert wave.duration_s == pytest.approx(0.102)
    found = {(each.name, each.channel): each.value for each in record.measurements}
    assert found == {("qrs", "V2"): 98, ("qt", None): 420}


def test_relative_times_and_lists_with_commas_are_read(tmp_path):
    content = aecg(["I"], [[1, 2, 3]], absolute=False).replace(b"1 2 3", b" 1.5, 2\n3 ")
    np.testing.assert_allclose(
        read(written(tmp_path, content)).streams["ecg"].signal, [[0.00375, 0.005, 0.0075]]
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"1 2 3", b"1 x 3", "MDC_ECG_LEAD_I: a sample is no number"),
        (b"1 2 3", b"1 1e999 3", "MDC_ECG_LEAD_I: a sample is infinite"),
        (b'scale value="2.5"', b'scale value="0"', "MDC_ECG_LEAD_I: no scale"),
        (b'increment value="0.002"', b'increment value="0"', "sequenceSet 1: no even time steps"),
        (b"</AnnotatedECG>", b"", "no well-formed XML"),
        (b"MDC_ECG_LEAD_I", b"TIME_OTHER", "holds no waveform|no even time"),
        (b'unit="uV"/><digits>', b'unit="furlong"/><digits>', "furlong"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path, old, new, message):
    content = aecg(["I"], [[1, 2, 3]])
    assert old in content
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path, content.replace(old, new)))


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE a [<!ENTITY a "1 2 3"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_refused(tmp_path, bomb):
    content = aecg(["I"], [[1, 2, 3]]).replace(b"<!-- made -->", bomb)
    with pytest.raises(ReadError, match="XML with entities is not read"):
        read(written(tmp_path, content))


def test_a_document_of_too_many_elements_is_refused(tmp_path):
    content = aecg(["I"], [[1, 2, 3]], more="<a/>" * 2_100_000)
    with pytest.raises(ReadError, match="more than 1000000 elements"):
        read(written(tmp_path, content))
