"""HL7 aECG: the annotated ECG of drug trials (HL7 v3, PORT_MT020001), as the FDA takes it.

A sample is origin plus scale times a number of ``digits``. Rhythms are read, representative beats
(derived series) are left out. The subject's initials and all names of persons are never read.

Axes: T samples in time.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Float

from medts.core.channels import canonical_channel
from medts.core.errors import MedtsError, ReadError
from medts.core.records import Annotation, Fact, Measurement, Record, Statement
from medts.core.units import conversion_factor
from medts.formats.base import Channel, Format, Hints
from medts.formats.ecg import (
    LARGEST,
    MEASUREMENT_OF_MDC,
    UNIT_OF_MEASUREMENT,
    Said,
    age_at,
    ecg_record,
    isoformat,
    parse_number,
    parse_sex,
    parse_time,
)
from medts.formats.streams import side_by_side
from medts.formats.xml_tree import parse_xml, root_of, text_at

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_SUBJECT = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject"
_ANNOTATION = "subjectOf/annotationSet/component/annotation"
_FRACTION = re.compile(r"[.a-zA-Z]")
_WAVE = {"PWAVE": "P", "QRSWAVE": "QRS", "TWAVE": "T", "UWAVE": "U", "STWAVE": "ST"}


def recognises(path: Path) -> bool:
    """Whether the file is an XML document of annotated ECG."""
    return root_of(path) == "AnnotatedECG"


def read(path: Path, hints: Hints) -> Record:
    """Reads the rhythm of an annotated ECG with its marks, statements and measurements.

    Raises:
        ReadError: If it holds no waveform, is damaged, or names, rate and units do not suffice.
    """
    root = parse_xml(path)
    parts = [
        (_start_of(series), sequences)
        for series in root.findall("component/series")
        for sequences in series.findall("component/sequenceSet")
    ]
    timed = [_read_set(path, number, *part, hints) for number, part in enumerate(parts, 1)]
    if not any(channels for _, channels in timed):
        raise ReadError("holds no waveform", path=path, field="sequenceSet")
    starts = [start for start, _ in timed if start is not None]
    start = min(starts, default=parse_time(_value(root, "effectiveTime/low")))
    start = start or parse_time(_value(root, "effectiveTime/center"))
    channels = side_by_side([_shift(channels, at, start) for at, channels in timed if channels])
    return ecg_record(path, channels, hints, _facts(root, start), _said(root, start))


FORMAT = Format("aecg", "HL7 aECG", (".xml",), recognises, read)


def _value(element: Element, path: str, attribute: str = "value") -> str:
    found = element.find(path)
    return "" if found is None else found.get(attribute, "").strip()


def _start_of(series: Element) -> datetime | None:
    return parse_time(_value(series, "effectiveTime/low"))


def _shift(channels: list[Channel], at: datetime | None, start: datetime | None) -> list[Channel]:
    """Moves channels to where their series begins in the record."""
    if at is None or start is None or at == start:
        return channels
    shift_s = (at - start).total_seconds()
    return [replace(each, start_s=each.start_s + shift_s) for each in channels]


def _read_set(
    path: Path, number: int, start: datetime | None, sequences: Element, hints: Hints
) -> tuple[datetime | None, list[Channel]]:
    """Returns the start and the channels of sequences that were recorded together."""
    rate, head_s = hints.sampling_rate, 0.0
    leads: list[tuple[str, Element]] = []
    for sequence in sequences.findall("component/sequence"):
        code, value = _value(sequence, "code", "code"), sequence.find("value")
        if value is None:
            continue
        if not code.startswith("TIME_"):
            leads.append((code, value))
            continue
        step = parse_number(_value(value, "increment"))
        unit = _SECONDS.get(_value(value, "increment", "unit") or "s")
        if step is None or unit is None or step <= 0:
            raise ReadError("no even time steps", path=path, field=f"sequenceSet {number}")
        rate = _rounded(1.0 / (step * unit))
        if code == "TIME_ABSOLUTE":
            start = parse_time(_value(value, "head")) or start
        else:
            head_s = (parse_number(_value(value, "head")) or 0.0) * unit
    if leads and rate is None:
        raise ReadError(
            "the sequences have no time steps",
            path=path,
            field=f"sequenceSet {number}",
            remedy="Pass sampling_rate= in Hz",
        )
    return start, [_channel(path, code, value, rate or 1.0, head_s) for code, value in leads]


def _rounded(rate: float) -> float:
    return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate


def _channel(path: Path, code: str, value: Element, rate: float, start_s: float) -> Channel:
    scale, origin = (parse_number(_value(value, name)) for name in ("scale", "origin"))
    unit = _value(value, "scale", "unit")
    if scale is None or scale == 0.0:
        raise ReadError("no scale, so the amplitudes are uncalibrated", path=path, field=code)
    try:
        offset = (origin or 0.0) * conversion_factor(_value(value, "origin", "unit") or unit, unit)
    except MedtsError as error:
        raise ReadError(error.problem, path=path, field=f"{code}, origin") from error
    return Channel(
        name=canonical_channel(code),
        values=parse_digits(path, code, value.findtext("digits") or "") * scale + offset,
        sampling_rate=rate,
        unit=unit,
        resolution=abs(scale) if offset == 0.0 else None,
        modality="ecg",
        start_s=start_s,
    )


def parse_digits(path: Path, where: str, text: str) -> Float[np.ndarray, "T"]:
    """Reads numbers between spaces or commas.

    Raises:
        ReadError: If something there is no finite number.
    """
    kind = np.float64 if _FRACTION.search(text) else np.int64  # whole numbers are read far faster
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older NumPy only warns of what it cannot read
        try:
            values = np.fromstring(text.replace(",", " "), dtype=kind, sep=" ").astype(np.float64)
        except (DeprecationWarning, ValueError) as error:
            raise ReadError("a sample is no number", path=path, field=where) from error
    if (np.abs(values) >= LARGEST).any():
        raise ReadError("a sample is infinite", path=path, field=where)
    return values


def _facts(root: Element, start: datetime | None) -> dict[str, Fact]:
    person = root.find(f"{_SUBJECT}/subjectDemographicPerson")
    person = Element("nobody") if person is None else person
    series = root.find("component/series")
    series = Element("none") if series is None else series
    device = "author/seriesAuthor/manufacturedSeriesDevice"
    filters = {
        _value(each, "code", "code").removeprefix("MDC_ECG_CTL_VBL_ATTR_FILTER_"): each
        for each in series.findall("controlVariable/controlVariable")
    }
    return {
        "start": isoformat(start),
        "age": age_at(parse_time(_value(person, "birthTime")), start),
        "sex": parse_sex(_value(person, "administrativeGenderCode", "code")),
        "manufacturer": text_at(series, "author/seriesAuthor/manufacturerOrganization/name"),
        "device": text_at(series, f"{device}/manufacturerModelName"),
        "software": text_at(series, f"{device}/softwareName"),
        "high_pass_hz": _cutoff(filters.get("HIGH_PASS")),
        "low_pass_hz": _cutoff(filters.get("LOW_PASS")),
        "notch_hz": _cutoff(filters.get("NOTCH")),
    }


def _cutoff(element: Element | None) -> float | None:
    values = [] if element is None else element.findall("component/controlVariable/value")
    return next((parse_number(v.get("value")) for v in values if v.get("unit") == "Hz"), None)


def _said(root: Element, start: datetime | None) -> Said:
    statements: list[Statement] = []
    marks: list[Annotation] = []
    measurements: dict[tuple[str, str | None], Measurement] = {}
    texts: list[str] = []
    for annotation, is_of_beat in _annotations(root):
        code, value = _value(annotation, "code", "code"), annotation.find("value")
        kind = "" if value is None else value.get("type", "")
        if value is None:
            continue
        if kind == "ST" and code.startswith("MDC_ECG_INTERPRETATION"):
            texts.append((value.text or "").strip())
        elif kind == "CE" and code in ("MDC_ECG_RHY", "MDC_ECG_INTERPRETATION"):
            statements.append(Statement(value.get("code", ""), "mdc"))
        elif kind == "CE" and code == "MDC_ECG_WAVC":
            marks += _wave(annotation, value.get("code", ""), start)
        elif kind == "PQ" and not is_of_beat and code in MEASUREMENT_OF_MDC:
            found = _measurement(annotation, MEASUREMENT_OF_MDC[code], value)
            if found is not None:
                measurements.setdefault((found.name, found.channel), found)
    subject = root.find(f"{_SUBJECT}/id")
    return Said(
        subject_id="" if subject is None else subject.get("extension") or subject.get("root", ""),
        report="\n".join(text for text in texts if text) or None,
        statements=tuple(each for each in statements if each.code),
        annotations=tuple(marks),
        measurements=tuple(measurements.values()),
    )


def _annotations(root: Element) -> Iterator[tuple[Element, bool]]:
    """Yields annotations, and whether each belongs to one beat of the rhythm.

    What was measured on the representative beat holds for the whole recording.
    """
    for series in ("", "/derivation/derivedSeries"):
        found = root.findall(f"component/series{series}/{_ANNOTATION}")
        waiting = [(each, False) for each in reversed(found)]
        while waiting:
            each, is_of_beat = waiting.pop()
            yield each, is_of_beat
            is_beat = not series and _value(each, "code", "code") == "MDC_ECG_BEAT"
            children = each.findall("component/annotation")
            waiting += [(child, is_of_beat or is_beat) for child in reversed(children)]


def _lead(annotation: Element) -> str | None:
    codes = annotation.findall("support/supportingROI/component/boundary/code")
    leads = [each.get("code", "") for each in codes]
    return next((canonical_channel(e) for e in leads if e.startswith("MDC_ECG_LEAD_")), None)


def _measurement(annotation: Element, name: str, value: Element) -> Measurement | None:
    number = parse_number(value.get("value"))
    if number is None:
        return None
    unit = UNIT_OF_MEASUREMENT[name]
    factor = 1000.0 if unit == "ms" and value.get("unit") == "s" else 1.0
    return Measurement(name=name, value=number * factor, unit=unit, channel=_lead(annotation))


def _wave(annotation: Element, code: str, start: datetime | None) -> list[Annotation]:
    """Returns a wave with its place in time, where the document says it by the clock."""
    boundary = annotation.find("support/supportingROI/component/boundary/value")
    if boundary is None or start is None:
        return []
    low, high = (parse_time(_value(boundary, side)) for side in ("low", "high"))
    if low is None:
        return []
    label = code.removeprefix("MDC_ECG_WAVC_")
    length_s = 0.0 if high is None else max((high - low).total_seconds(), 0.0)
    at_s = (low - start).total_seconds()
    return [Annotation(at_s, _WAVE.get(label, label), "wave", _lead(annotation) or "", length_s)]
