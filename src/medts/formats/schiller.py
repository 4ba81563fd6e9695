"""Schiller XML (`SchillerEDI`): the export of Schiller's electrocardiographs (SEMA, AT series).

The rhythm is numbers between commas; averaged beats are left out. Names are never read.

Axes: T samples in time.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from medts.core.errors import ReadError
from medts.core.records import Annotation, Fact, Record
from medts.formats.aecg import parse_digits
from medts.formats.base import Channel, Format, Hints
from medts.formats.ecg import (
    Said,
    age_at,
    ecg_record,
    isoformat,
    measured,
    parse_number,
    parse_sex,
    parse_time,
)
from medts.formats.xml_tree import parse_xml, root_of, text_at

_UNSET = "19700101000000000"
_MEASUREMENTS = {
    "HR": "heart_rate",
    "RR": "rr",
    "P": "p_duration",
    "PQ": "pr",
    "QRS": "qrs",
    "QT": "qt",
    "QTC": "qtc",
    "AXIS_P": "p_axis",
    "AXIS_QRS": "qrs_axis",
    "AXIS_T": "t_axis",
}


def recognises(path: Path) -> bool:
    """Whether the file is an XML document of Schiller's exchange format."""
    return root_of(path).rpartition(".")[2] == "SchillerEDI"


def read(path: Path, hints: Hints) -> Record:
    """Reads the rhythm, the interpretation and the measurements.

    Raises:
        ReadError: If it holds no rhythm, is damaged or uncalibrated.
    """
    root = parse_xml(path)
    waves = root.findall("eventdata/event/wavedata")
    rhythm = next((each for each in waves if text_at(each, "type").startswith("ECG_RHYTHM")), None)
    if rhythm is None or rhythm.find("channel") is None:
        raise ReadError("holds no rhythm", path=path, field="wavedata")
    rate = parse_number(text_at(rhythm, "resolution/samplerate/value"))
    step = parse_number(text_at(rhythm, "resolution/yres/unitperbit"))
    if not rate or not step or min(rate, step) <= 0:
        raise ReadError("no sampling rate or scale", path=path, field="wavedata, resolution")
    unit = text_at(rhythm, "resolution/yres/units")
    channels = [_channel(path, each, rate, step, unit) for each in rhythm.findall("channel")]
    return ecg_record(path, channels, hints, _facts(root), _said(root, rate))


FORMAT = Format("schiller", "Schiller XML", (".xml",), recognises, read)


def _channel(path: Path, channel: Element, rate: float, step: float, unit: str) -> Channel:
    name, kind = text_at(channel, "name"), text_at(channel, "datastype")
    if kind not in ("", "COMMASEPARATE"):
        raise ReadError(f"samples as {kind} are not read", path=path, field=f"lead {name}")
    values = parse_digits(path, f"lead {name}", channel.findtext("data") or "") * step
    count = parse_number(text_at(channel, "samplecount"))
    if count is not None and count != values.size:
        raise ReadError(
            f"{values.size} samples, where {count:g} are announced", path=path, field=f"lead {name}"
        )
    return Channel(name, values, rate, unit, step, modality="ecg")


def _facts(root: Element) -> dict[str, Fact]:
    exam, person = root.find("examdescript"), root.find("patdata")
    stamp = text_at(exam, "startdatetime/date") + text_at(exam, "startdatetime/time")
    start = None if stamp == _UNSET else parse_time(stamp)
    event = root.find("eventdata/event")
    filters = (
        {}
        if event is None
        else {
            text_at(each, "name"): text_at(each, "value")
            for each in event.findall("filters_data/filter")
        }
    )
    device = "aquiringdevice"  # their spelling
    return {
        "start": isoformat(start),
        "age": age_at(parse_time(text_at(person, "birthdate")), start),
        "sex": parse_sex(text_at(person, "gender")),
        "height_cm": _positive(person, "height"),
        "weight_kg": _positive(person, "weight"),
        "manufacturer": text_at(exam, f"{device}/hardware/vendor"),
        "device": text_at(exam, f"{device}/hardware/model"),
        "software": text_at(exam, f"{device}/software/version"),
        "high_pass_hz": parse_number(filters.get("HIGHPASS_CUTOFF_FREQ")),
        "low_pass_hz": parse_number(filters.get("LOWPASS_CUTOFF_FREQ")),
        "notch_hz": parse_number(filters.get("MAINS")),
    }


def _positive(person: Element | None, name: str) -> float | None:
    return parse_number(text_at(person, f"{name}/value")) or None


def _said(root: Element, rate: float) -> Said:
    event = root.find("eventdata/event")
    event = Element("none") if event is None else event
    numbers = {text_at(e, "name"): text_at(e, "value") for e in event.findall("annotation_global")}
    texts = [
        line.strip()
        for each in event.findall("textdata")
        if text_at(each, "type") == "INTERPRETATION"
        for line in text_at(each, "textdata").splitlines()
    ]
    return Said(
        subject_id=text_at(root, "patdata/id"),
        report="\n".join(line for line in texts if line) or None,
        annotations=_beats(event, rate),
        measurements=measured((name, numbers.get(key)) for key, name in _MEASUREMENTS.items()),
    )


def _beats(event: Element, rate: float) -> tuple[Annotation, ...]:
    """Returns the QRS complexes; their limits are counted in samples."""
    found = {
        text_at(each, "name"): [parse_number(value.text) for value in each.findall("value")]
        for each in event.findall("rhythm_global")
    }
    starts, ends = found.get("R_QRS_ON", []), found.get("R_QRS_OFF", [])
    return tuple(
        Annotation(start / rate, "QRS", "wave", duration_s=(end - start) / rate)
        for start, end in zip(starts, ends, strict=False)
        if start is not None and end is not None and end >= start
    )
