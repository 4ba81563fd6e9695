"""Small XML electrocardiographs for tests, written by hand after real ones."""

import base64

import numpy as np


def aecg(leads, samples, *, step_s=0.002, scale=2.5, origin=0, unit="uV", absolute=True, more=""):
    """Returns an annotated ECG of HL7; ``more`` is put after the sequences of the series."""
    head = '<head value="20021122091000.000"/>' if absolute else '<head value="0" unit="s"/>'
    kind, code = ("GLIST_TS", "ABSOLUTE") if absolute else ("GLIST_PQ", "RELATIVE")
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/>'
        '<value xsi:type="SLIST_PQ">'
        f'<origin value="{origin}" unit="{unit}"/><scale value="{scale}" unit="{unit}"/>'
        f"<digits>{' '.join(map(str, row))}</digits></value></sequence></component>"
        for lead, row in zip(leads, np.asarray(samples).tolist(), strict=True)
    )
    return (
        '<?xml version="1.0"?><!-- made --><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1"/><componentOf>'
        "<timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        '<id root="2" extension="SBJ-1"/><subjectDemographicPerson><name>Clark</name>'
        '<administrativeGenderCode code="F"/><birthTime value="19530508"/>'
        "</subjectDemographicPerson></trialSubject></subject></subjectAssignment></componentOf>"
        '</timepointEvent></componentOf><component><series><code code="RHYTHM"/>'
        '<effectiveTime><low value="20021122091000"/></effectiveTime><author><seriesAuthor>'
        "<manufacturedSeriesDevice><manufacturerModelName>M1</manufacturerModelName>"
        "</manufacturedSeriesDevice></seriesAuthor></author><component><sequenceSet><component>"
        f'<sequence><code code="TIME_{code}"/><value xsi:type="{kind}">{head}'
        f'<increment value="{step_s}" unit="s"/></value></sequence></component>{sequences}'
        f"</sequenceSet></component>{more}</series></component></AnnotatedECG>"
    ).encode()


def aecg_annotations(*annotations):
    inside = "".join(f"<component>{each}</component>" for each in annotations)
    return f"<subjectOf><annotationSet>{inside}</annotationSet></subjectOf>"


def aecg_measurement(code, value, unit="ms", lead=""):
    where = f'<component><boundary><code code="MDC_ECG_LEAD_{lead}"/></boundary></component>'
    support = f"<support><supportingROI>{where}</supportingROI></support>" if lead else ""
    return (
        f'<annotation><code code="{code}"/><value xsi:type="PQ" value="{value}" unit="{unit}"/>'
        f"{support}</annotation>"
    )


def packed(row) -> str:
    """Returns 16-bit integers in Base64."""
    return base64.b64encode(np.asarray(row, "<i2").tobytes()).decode()
