"""What a DICOM ECG says besides its signals: acquisition, statements, measurements.

Marks at samples (P onset, …) are read only where no representative beat is there: writers count
them in that beat, and refer to the rhythm all the same.
"""

import re
from typing import Any

from medts.core.records import Annotation, Fact, Measurement, Statement
from medts.formats.ecg import (
    MEASUREMENT_OF_MDC,
    UNIT_OF_MEASUREMENT,
    Said,
    age_at,
    isoformat,
    parse_age,
    parse_number,
    parse_sex,
    parse_time,
)

_MEASUREMENT_OF_CODE = {
    "5.10.2.5-1": "heart_rate",
    "5.10.2.5-3": "atrial_rate",
    "5.10.2.1-3": "rr",
    "5.10.2.1-5": "pp",
    "5.13.5-5": "p_duration",
    "5.13.5-7": "pr",
    "5.13.5-9": "qrs",
    "5.13.5-11": "qt",
    "5.10.2.5-5": "qtc",
    "5.10.3-11": "p_axis",
    "5.10.3-13": "qrs_axis",
    "5.10.3-15": "t_axis",
}
"""PS3.16 CID 3687 (SCP-ECG sections as codes)."""


def find_facts(dataset: Any, group: Any) -> dict[str, Fact]:
    """Returns start, age, sex, device and the filters of the first channel."""
    start = parse_time(_text(dataset, "AcquisitionDateTime"))
    start = start or parse_time(_text(dataset, "ContentDate") + _text(dataset, "ContentTime"))
    birth = parse_time(_text(dataset, "PatientBirthDate"))
    age = _text(dataset, "PatientAge")
    channel = group.ChannelDefinitionSequence[0]
    return {
        "start": isoformat(start),
        "age": parse_age(age.removesuffix("Y")) if age.endswith("Y") else age_at(birth, start),
        "sex": parse_sex(_text(dataset, "PatientSex")),
        "height_cm": _scaled(dataset, "PatientSize", 100.0),
        "weight_kg": _scaled(dataset, "PatientWeight", 1.0),
        "manufacturer": _text(dataset, "Manufacturer"),
        "device": _text(dataset, "ManufacturerModelName"),
        "software": _text(dataset, "SoftwareVersions"),
        "high_pass_hz": parse_number(_text(channel, "FilterLowFrequency")),
        "low_pass_hz": parse_number(_text(channel, "FilterHighFrequency")),
        "notch_hz": parse_number(_text(channel, "NotchFilterFrequency")) or None,
        "electrode_placement": _placement(dataset),
    }


def find_said(dataset: Any) -> Said:
    """Returns the subject, the device's texts and codes, and its measurements."""
    marks = list(dataset.get("WaveformAnnotationSequence") or ())
    texts = [_text(each, "UnformattedTextValue") for each in marks]
    statements = [_statement(each) for each in marks]
    return Said(
        subject_id=_text(dataset, "PatientID"),
        report="\n".join(text for text in texts if text) or None,
        statements=tuple(each for each in statements if each is not None),
        annotations=_annotations(dataset, marks),
        measurements=tuple(found for each in marks if (found := _measurement(each)) is not None),
    )


def _text(item: Any, keyword: str) -> str:
    value = item.get(keyword)
    return "" if value is None else str(value).strip()


def _scaled(dataset: Any, keyword: str, most: float) -> float | None:
    """Returns a positive number; a height of less than 3 is in metres, as the standard says."""
    number = parse_number(_text(dataset, keyword))
    if number is None or number <= 0:
        return None
    return round(number * most, 3) if most > 1 and number < 3 else number


def _placement(dataset: Any) -> str | None:
    for each in dataset.get("AcquisitionContextSequence") or ():
        name, code = _code(each, "ConceptNameCodeSequence"), _code(each, "ConceptCodeSequence")
        if name is not None and code is not None and "electrode placement" in name[2].lower():
            return code[2]
    return None


def _code(item: Any, keyword: str) -> tuple[str, str, str] | None:
    """Returns value, scheme and meaning of a coded entry."""
    sequence = item.get(keyword)
    if not sequence:
        return None
    keys = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    value, scheme, meaning = (_text(sequence[0], key) for key in keys)
    return value, scheme, meaning


def _statement(mark: Any) -> Statement | None:
    code = _code(mark, "ConceptCodeSequence")
    return Statement(code[0], code[1].lower()) if code is not None and code[0] else None


def _measurement(mark: Any) -> Measurement | None:
    name, value = _code(mark, "ConceptNameCodeSequence"), parse_number(_text(mark, "NumericValue"))
    if name is None or value is None:
        return None
    known = _MEASUREMENT_OF_CODE.get(name[0]) or MEASUREMENT_OF_MDC.get(name[0])
    unit = UNIT_OF_MEASUREMENT.get(known or "")
    if known is not None and unit != "°" and value <= 0:
        return None  # an interval of nothing was not measured
    given = _code(mark, "MeasurementUnitsCodeSequence")
    slug = re.sub(r"\W+", "_", (name[2] or name[0]).lower()).strip("_")
    return Measurement(name=known or slug, value=value, unit=unit or (given[0] if given else ""))


def _annotations(dataset: Any, marks: list[Any]) -> tuple[Annotation, ...]:
    groups = list(dataset.get("WaveformSequence") or ())
    if any(group.get("WaveformOriginality") == "DERIVED" for group in groups):
        return ()
    found: list[Annotation] = []
    for each in marks:
        name, positions = (
            _code(each, "ConceptNameCodeSequence"),
            each.get("ReferencedSamplePositions"),
        )
        place = each.get("ReferencedWaveformChannels")
        if name is None or positions is None or not place or not 1 <= place[0] <= len(groups):
            continue
        rate = parse_number(_text(groups[place[0] - 1], "SamplingFrequency")) or 1.0
        listed = [positions] if isinstance(positions, int) else list(positions)
        found += [Annotation((int(each) - 1) / rate, name[2], "wave") for each in listed]
    return tuple(found)
