"""GE MUSE XML (`RestingECG`), the export of GE's ECG archive.

Each lead is Base64 of little-endian integers with its own scale and CRC-32. Eight leads are stored;
III, aVR, aVL and aVF follow from I and II. The median beat is left out. Names are never read.

Axes: T samples in time.
"""

import re
import zlib
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Float

from medts.core.errors import ReadError
from medts.core.records import Annotation, Fact, Record
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
)
from medts.formats.streams import side_by_side
from medts.formats.xml_tree import from_base64, parse_xml, root_of, text_at

_TYPES = {1: "<i1", 2: "<i2", 4: "<i4"}
_MEASUREMENTS = {
    "VentricularRate": "heart_rate",
    "AtrialRate": "atrial_rate",
    "PRInterval": "pr",
    "QRSDuration": "qrs",
    "QTInterval": "qt",
    "QTCorrected": "qtc",
    "QTcFrederica": "qtc_fridericia",
    "PAxis": "p_axis",
    "RAxis": "qrs_axis",
    "TAxis": "t_axis",
}


def recognises(path: Path) -> bool:
    """Whether the file is an XML document of MUSE."""
    return root_of(path) == "RestingECG"


def read(path: Path, hints: Hints) -> Record:
    """Reads the rhythm, the diagnosis and the measurements.

    Raises:
        ReadError: If it holds no rhythm, is damaged or uncalibrated.
    """
    root = parse_xml(path)
    waves = [e for e in root.findall("Waveform") if text_at(e, "WaveformType") == "Rhythm"]
    channels = [
        _channel(path, lead, _rate(path, wave))
        for wave in waves
        for lead in wave.findall("LeadData")
    ]
    if not channels:
        raise ReadError("holds no rhythm", path=path, field="Waveform")
    return ecg_record(path, side_by_side([channels]), hints, _facts(root, waves[0]), _said(root))


FORMAT = Format("muse", "GE MUSE XML", (".xml",), recognises, read)


def _rate(path: Path, wave: Element) -> float:
    base = parse_number(text_at(wave, "SampleBase"))
    exponent = parse_number(text_at(wave, "SampleExponent")) or 0.0
    if base is None or base <= 0 or abs(exponent) > 9:
        raise ReadError("no sampling rate", path=path, field="Waveform, SampleBase")
    return base * 10.0**exponent


def _channel(path: Path, lead: Element, rate: float) -> Channel:
    name = text_at(lead, "LeadID")
    step = parse_number(text_at(lead, "LeadAmplitudeUnitsPerBit"))
    if not step or step <= 0:
        raise ReadError(
            "no scale, so the amplitudes are uncalibrated", path=path, field=f"lead {name}"
        )
    return Channel(
        name=name,
        values=_samples(path, f"lead {name}", lead) * step,
        sampling_rate=rate,
        unit=text_at(lead, "LeadAmplitudeUnits"),
        resolution=step,
        modality="ecg",
    )


def _samples(path: Path, where: str, lead: Element) -> Float[np.ndarray, "T"]:
    size = parse_number(text_at(lead, "LeadSampleSize")) or 2
    count = parse_number(text_at(lead, "LeadSampleCountTotal"))
    data = from_base64(path, where, lead.findtext("WaveFormData") or "")
    if size not in _TYPES or len(data) % int(size) or count not in (None, len(data) // int(size)):
        raise ReadError(
            f"{len(data)} bytes do not hold {count or 0:g} samples of {size:g} bytes",
            path=path,
            field=where,
            remedy="Export it again",
        )
    stated = text_at(lead, "LeadDataCRC32")
    if stated.isdecimal() and int(stated) not in (0, zlib.crc32(data)):
        raise ReadError("the checksum is wrong", path=path, field=where, remedy="Export it again")
    return np.frombuffer(data, _TYPES[int(size)]).astype(np.float64)


def _facts(root: Element, wave: Element) -> dict[str, Fact]:
    start = _time(text_at(root, "TestDemographics/AcquisitionDate"))
    clock = re.match(r"(\d\d?):(\d\d):(\d\d)", text_at(root, "TestDemographics/AcquisitionTime"))
    if start is not None and clock is not None and int(clock[1]) < 24:
        hour, minute, second = map(int, clock.groups())
        start = start.replace(hour=hour, minute=min(minute, 59), second=min(second, 59))
    birth = _time(text_at(root, "PatientDemographics/DateofBirth"))
    is_years = text_at(root, "PatientDemographics/AgeUnits") in ("", "YEARS")
    age = parse_age(text_at(root, "PatientDemographics/PatientAge")) if is_years else None
    high_pass = parse_number(text_at(wave, "HighPassFilter"))
    return {
        "start": isoformat(start),
        "age": age_at(birth, start) if age is None else age,
        "sex": parse_sex(text_at(root, "PatientDemographics/Gender")),
        "manufacturer": "GE",
        "device": text_at(root, "TestDemographics/AcquisitionDevice"),
        "software": text_at(root, "TestDemographics/AcquisitionSoftwareVersion"),
        "high_pass_hz": high_pass and high_pass / 100.0,  # 16 is 0.16 Hz
        "low_pass_hz": parse_number(text_at(wave, "LowPassFilter")),
        "notch_hz": parse_number(text_at(wave, "ACFilter")),
    }


def _time(text: str) -> datetime | None:
    """Reads ``MM-DD-YYYY``."""
    match = re.fullmatch(r"(\d\d?)-(\d\d?)-(\d{4})", text)
    try:
        return datetime(int(match[3]), int(match[1]), int(match[2])) if match else None
    except ValueError:
        return None


def _said(root: Element) -> Said:
    numbers = root.find("RestingECGMeasurements")
    beats = [parse_number(text_at(each, "Time")) for each in root.findall("QRSTimesTypes/QRS")]
    return Said(
        subject_id=text_at(root, "PatientDemographics/PatientID"),
        report=_diagnosis(root, "Diagnosis") or _diagnosis(root, "OriginalDiagnosis") or None,
        annotations=tuple(
            Annotation(time_ms / 1000.0, "QRS", "beat") for time_ms in beats if time_ms is not None
        ),
        measurements=measured((name, text_at(numbers, tag)) for tag, name in _MEASUREMENTS.items()),
    )


def _diagnosis(root: Element, name: str) -> str:
    """Joins the pieces of statements; a line ends where its flag says so."""
    text = ""
    for each in root.findall(f"{name}/DiagnosisStatement"):
        flags = [(flag.text or "").strip() for flag in each.findall("StmtFlag")]
        text += text_at(each, "StmtText") + ("\n" if "ENDSLINE" in flags else " ")
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
