"""Mortara (Welch Allyn, Baxter) ELI XML: root `ECG` with a `CHANNEL` for every lead.

There is no public specification; the layout is that of exports which other open readers know. A
channel is Base64 of 16-bit integers in ``UNITS_PER_MV``. Names are never read.

Axes: T samples in time.
"""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from medts.core.errors import ReadError
from medts.core.records import Fact, Record
from medts.formats.base import Channel, Format, Hints
from medts.formats.ecg import (
    Said,
    age_at,
    ecg_record,
    isoformat,
    measured,
    parse_age,
    parse_number,
    parse_sex,
    parse_time,
)
from medts.formats.streams import side_by_side
from medts.formats.xml_tree import from_base64, parse_xml, root_of

_MARKS = (b"ACQUISITION_TIME", b"UNITS_PER_MV", b"TYPICAL_CYCLE", b"NUM_QRS")
_OF_RECORD = {"VENT_RATE": "heart_rate", "AVERAGE_RR": "rr"}
_OF_CYCLE = {
    "P_DURATION": "p_duration",
    "PR_DURATION": "pr",
    "QRS_DURATION": "qrs",
    "QT": "qt",
    "QTC": "qtc",
    "QTB": "qtc_bazett",
    "QTF": "qtc_fridericia",
    "P_AXIS": "p_axis",
    "QRS_AXIS": "qrs_axis",
    "T_AXIS": "t_axis",
}


def recognises(path: Path) -> bool:
    """Whether the file is an XML document of an ELI electrocardiograph."""
    if root_of(path) != "ECG":
        return False
    with path.open("rb") as file:
        head = file.read(16_384).replace(b"\0", b"")  # UTF-16 as well
    return any(mark in head for mark in _MARKS)


def read(path: Path, hints: Hints) -> Record:
    """Reads the channels, the interpretation and the measurements.

    Raises:
        ReadError: If it holds no channel, is damaged or uncalibrated.
    """
    root = parse_xml(path)
    channels = [_channel(path, number, e) for number, e in enumerate(root.findall("CHANNEL"), 1)]
    if not channels:
        raise ReadError("holds no rhythm", path=path, field="CHANNEL")
    return ecg_record(path, side_by_side([channels]), hints, _facts(root), _said(root))


FORMAT = Format("mortara", "Mortara ELI XML", (".xml",), recognises, read)


def _channel(path: Path, number: int, element: Element) -> Channel:
    name = element.get("NAME", "").strip()
    where = f"CHANNEL {name or number}"
    kind = [element.get(key, "").strip().upper() for key in ("BITS", "FORMAT", "ENCODING")]
    if any(
        found not in ("", usual)
        for found, usual in zip(kind, ("16", "SIGNED", "BASE64"), strict=True)
    ):
        raise ReadError(f"samples as {' '.join(kind)} are not read", path=path, field=where)
    rate, scale = (parse_number(element.get(key)) for key in ("SAMPLE_FREQ", "UNITS_PER_MV"))
    if not rate or not scale or min(rate, scale) <= 0:
        raise ReadError("no SAMPLE_FREQ or UNITS_PER_MV", path=path, field=where)
    data = from_base64(path, where, element.get("DATA") or element.text or "")
    count = parse_number(element.get("DURATION")) or len(data) // 2
    # DURATION counts samples; some writers give milliseconds.
    if len(data) % 2 or round(count) not in (len(data) // 2, round(len(data) * 500 / rate)):
        raise ReadError(f"{len(data)} bytes do not hold {count:g} samples", path=path, field=where)
    values = np.frombuffer(data, "<i2") / scale
    return Channel(name, values, rate, "mV", 1.0 / scale, modality="ecg")


def _facts(root: Element) -> dict[str, Fact]:
    person, source = (root.find(name) for name in ("SUBJECT", "SOURCE"))
    person = Element("none") if person is None else person
    source = Element("none") if source is None else source
    start = parse_time(_digits(root.get("ACQUISITION_TIME") or root.get("ACQUISITION_TIME_XML")))
    is_years = root.get("AGE_UNITS", "").upper() in ("", "Y", "YEARS")
    age = parse_age(root.get("AGE")) if is_years else None
    birth = parse_time(_digits(person.get("DOB") or person.get("DOB_XML")))
    return {
        "start": isoformat(start),
        "age": age_at(birth, start) if age is None else age,
        "sex": parse_sex(person.get("GENDER", "")),
        "manufacturer": source.get("MANUFACTURER", "Mortara"),
        "device": source.get("MODEL"),
        "software": source.get("ACQUIRING_DEVICE_SW_VERSION"),
        "low_pass_hz": parse_number(source.get("LOW_PASS_FILTER")) or None,
    }


def _digits(text: str | None) -> str:
    """Returns the digits of ``2013-01-25T10:59:19`` or ``20130125105919``."""
    return re.sub(r"[-:T ]", "", text or "")


def _said(root: Element) -> Said:
    person, cycle = root.find("SUBJECT"), root.find("TYPICAL_CYCLE")
    cycle = Element("none") if cycle is None else cycle
    texts: list[str] = []
    for each in root.findall("AUTOMATIC_INTERPRETATION/STATEMENT"):
        text, reason = (each.get(key, "").strip() for key in ("TEXT", "REASON"))
        texts.append(f"{text} ({reason})" if text and reason else text or (each.text or "").strip())
    values = [(name, root.get(key)) for key, name in _OF_RECORD.items()]
    values += [(name, cycle.get(key)) for key, name in _OF_CYCLE.items()]
    return Said(
        subject_id="" if person is None else person.get("ID", "").strip(),
        report="\n".join(text for text in texts if text) or None,
        measurements=measured(values),
    )
