"""Philips Sierra XML (`restingecgdata`, 1.03 to 1.04.02): PageWriter, TraceMaster, HeartStart.

Waveforms are Base64 of 16-bit integers, as they are or compressed (`sierra_xli`), where III to aVF
are kept as what is left after Einthoven's equations. The second at the end with a calibration pulse
is cut off. Names are never read.

Axes: T samples in time.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from jaxtyping import Int

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Fact, Measurement, Record, Statement
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
from medts.formats.sierra_xli import decode
from medts.formats.xml_tree import from_base64, parse_xml, root_of, text_at

_TYPES = ("SierraECG", "PhilipsECG")
_VERSIONS = ("1.03", "1.04")
_MEASUREMENTS = {
    "heartrate": "heart_rate",
    "meanventrate": "heart_rate",
    "atrialrate": "atrial_rate",
    "rrint": "rr",
    "pdur": "p_duration",
    "print": "pr",
    "meanprint": "pr",
    "qrsdur": "qrs",
    "meanqrsdur": "qrs",
    "qtint": "qt",
    "meanqtint": "qt",
    "meanqtc": "qtc",
    "qtcb": "qtc_bazett",
    "qtcf": "qtc_fridericia",
    "pfrontaxis": "p_axis",
    "qrsfrontaxis": "qrs_axis",
    "tfrontaxis": "t_axis",
}


def recognises(path: Path) -> bool:
    """Whether the file is an XML document of Philips' electrocardiographs."""
    return root_of(path) == "restingecgdata"


def read(path: Path, hints: Hints) -> Record:
    """Reads the waveforms, statements and measurements.

    Raises:
        ReadError: If the type or version is another, or the waveforms are damaged.
    """
    root = parse_xml(path)
    kind = text_at(root, "documentinfo/documenttype")
    version = text_at(root, "documentinfo/documentversion")
    if kind not in _TYPES or not version.startswith(_VERSIONS):
        raise ReadError(
            f"a document of type {kind or 'unknown'} {version} is not read",
            path=path,
            field="documentinfo",
            remedy=f"Known: {', '.join(_TYPES)} of version {' and '.join(_VERSIONS)}",
        )
    return ecg_record(path, _channels(path, root), hints, _facts(root), _said(root))


FORMAT = Format("sierra", "Philips Sierra XML", (".xml",), recognises, read)


def _channels(path: Path, root: Element) -> list[Channel]:
    waves, signal = root.find(".//parsedwaveforms"), _signal(root)
    if waves is None:
        raise ReadError("holds no waveform", path=path, field="parsedwaveforms")
    rate = parse_number(waves.get("samplespersecond") or text_at(signal, "samplingrate"))
    length_ms = parse_number(waves.get("durationperchannel"))
    step = waves.get("resolution") or text_at(signal, "signalresolution")
    step_uv = parse_number(step or text_at(signal, "resolution"))
    if not rate or not length_ms or not step_uv or min(rate, length_ms, step_uv) <= 0:
        raise ReadError("no rate, duration or resolution", path=path, field="parsedwaveforms")
    names = _names(waves, signal)
    rows = _decode(path, waves, round(length_ms * rate / 1000.0), names)
    zero = parse_number(waves.get("signaloffset") or text_at(signal, "signaloffset")) or 0.0
    return [
        Channel(name, (row - zero) * step_uv, rate, "µV", step_uv, modality="ecg")
        for name, row in zip(names, rows, strict=True)
    ]


def _signal(root: Element) -> Element | None:
    return root.find("dataacquisition/signalcharacteristics")


def _names(waves: Element, signal: Element | None) -> list[str]:
    """Returns the leads; version 1.03 has none and means the twelve in their order."""
    names = waves.get("leadlabels", "").split()
    count = parse_number(waves.get("numberofleads") or text_at(signal, "numberchannelsvalid"))
    count = int(count or 12)
    return names[:count] if names else list(STANDARD_12_LEADS[: max(count, 1)])


def _decode(
    path: Path, waves: Element, n_samples: int, names: list[str]
) -> list[Int[np.ndarray, "T"]]:
    where = "parsedwaveforms"
    method = waves.get("compressmethod") or waves.get("compression") or ""
    encoding, text = waves.get("dataencoding", "Base64"), waves.text or ""
    n_leads = len(names)
    if encoding != "Base64" or method not in ("", "None", "Uncompressed", "XLI"):
        raise ReadError(
            f"data in {encoding}, compressed by {method or 'nothing'}, are not read",
            path=path,
            field=where,
        )
    data = from_base64(path, where, text)
    if method == "XLI":
        # LZW of ten-bit codes makes of a byte less than 1,000.
        if n_samples > 500 * len(data):
            raise ReadError(
                f"{n_samples} samples cannot be in {len(data)} bytes", path=path, field=where
            )
        rows = decode(path, data, n_samples, n_leads)
        return _with_limb_leads(rows) if tuple(names[:6]) == STANDARD_12_LEADS[:6] else rows
    if 2 * n_leads * n_samples > len(data) or n_samples < 1:
        raise ReadError(
            f"{n_leads} leads of {n_samples} samples do not fit {len(data)} bytes",
            path=path,
            field=where,
        )
    values = np.frombuffer(data, "<i2", n_leads * n_samples).astype(np.int64)
    return list(values.reshape(n_leads, n_samples))


def _with_limb_leads(rows: list[Int[np.ndarray, "T"]]) -> list[Int[np.ndarray, "T"]]:
    """Turns what is left of III, aVR, aVL and aVF into the leads, by whole numbers rounded down."""
    first, second, third, right, left, foot = rows[:6]
    third = second - first - third
    right = -right - (first + second) // 2
    left = (first - third) // 2 - left
    foot = (second + third) // 2 - foot
    return [first, second, third, right, left, foot, *rows[6:]]


def _facts(root: Element) -> dict[str, Fact]:
    acquired, waves = root.find("dataacquisition"), root.find(".//parsedwaveforms")
    acquired = Element("none") if acquired is None else acquired
    start = parse_time(
        f"{acquired.get('date', '')}{acquired.get('time', '')}".replace("-", "").replace(":", "")
    )
    person = root.find("patient/generalpatientdata")
    birth = parse_time(text_at(person, "age/dateofbirth").replace("-", ""))
    machine, signal = acquired.find("machine"), _signal(root)
    band = text_at(signal, "signalbandwidth").partition("-")
    high_pass = (waves.get("hipass") if waves is not None else None) or text_at(signal, "hipass")
    low_pass = (waves.get("lowpass") if waves is not None else None) or text_at(signal, "lowpass")
    return {
        "start": isoformat(start),
        "age": parse_age(text_at(person, "age/years")) or age_at(birth, start),
        "sex": parse_sex(text_at(person, "sex")),
        "manufacturer": "Philips",
        "device": text_at(acquired, "machine"),
        "software": None if machine is None else machine.get("detaildescription"),
        "high_pass_hz": parse_number(high_pass or band[0]),
        "low_pass_hz": parse_number(low_pass or band[2]),
        "notch_hz": parse_number(text_at(root, "reportinfo/reportbandwidth/notchfiltersetting")),
    }


def _said(root: Element) -> Said:
    texts: list[str] = []
    codes: list[Statement] = []
    reading = root.find("interpretations/interpretation")
    # 1.04 repeats its statements with places left open for numbers (``unparsedstatement``).
    for each in [] if reading is None else reading:
        if each.tag == "severity":
            texts.append((each.text or "").strip())
        elif each.tag == "statement":
            code = text_at(each, "statementcode")
            left, right = text_at(each, "leftstatement"), text_at(each, "rightstatement")
            texts.append(f"{left} ({right})" if left and right else left or right)
            codes += [Statement(code, "philips")] if code else []
    return Said(
        subject_id=text_at(root, "patient/generalpatientdata/patientid"),
        report="\n".join(text for text in texts if text) or None,
        statements=tuple(codes),
        measurements=_measurements(root),
    )


def _measurements(root: Element) -> tuple[Measurement, ...]:
    """Returns the global measurements; those of the interpretation count first."""
    values: dict[str, str] = {}
    for place in (
        "interpretations/interpretation/globalmeasurements",
        "interpretations/interpretation/interpretationmeasurements",
        "internalmeasurements/crossleadmeasurements",
        "measurements/globalmeasurements",
    ):
        for each in [] if (found := root.find(place)) is None else found:
            name = _MEASUREMENTS.get(each.tag)
            if name is not None and parse_number(each.text) is not None:
                values.setdefault(name, each.text or "")
    return measured(values.items())
