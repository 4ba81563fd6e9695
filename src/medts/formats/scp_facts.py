"""What an SCP-ECG says besides its samples: sections 1, 7, 8 and 11 of EN 1064."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from medts.core.records import Fact, Measurement, Statement
from medts.formats.ecg import Said, age_at, isoformat, measured, parse_age

_YEARS_OF_UNIT = {1: 1.0, 2: 1 / 12, 3: 7 / 365.25, 4: 1 / 365.25, 5: 1 / 8766}
_CENTIMETRES = {1: 1.0, 2: 2.54, 3: 0.1}
_KILOGRAMS = {1: 1.0, 2: 0.001, 3: 0.45359237, 4: 0.028349523}
_UNKNOWN = 19_999
"""19999, 29998 and 29999 say that a measurement was not made (5.10.3)."""


def find_facts(section: bytes) -> dict[str, Fact]:
    """Reads section 1; what is cut short there is left out."""
    tags = dict(_tags(section))
    start = _start(tags)
    birth = _date(tags.get(5, b""))
    age = _scaled(tags.get(4, b""), _YEARS_OF_UNIT)
    facts: dict[str, Fact] = {
        "start": isoformat(start),
        "age": age_at(birth, start) if age is None else parse_age(str(age)),
        "sex": {1: "M", 2: "F"}.get(tags.get(8, b"\0")[:1][0] if tags.get(8) else 0),
        "height_cm": _scaled(tags.get(6, b""), _CENTIMETRES),
        "weight_kg": _scaled(tags.get(7, b""), _KILOGRAMS),
        **_device(tags.get(14, b"")),
    }
    facts["high_pass_hz"] = _word(tags.get(27, b"")) / 100.0 or None  # 5.4.3.27: in 0.01 Hz
    facts["low_pass_hz"] = float(_word(tags.get(28, b""))) or None
    notch = tags.get(29, b"\0")[:1] or b"\0"
    facts["notch_hz"] = 60 if notch[0] & 1 else 50 if notch[0] & 2 else None
    return facts


def find_said(sections: dict[int, bytes]) -> Said:
    """Reads the subject, statements and global measurements; damaged ones are left out."""
    tags = dict(_tags(sections.get(1, b"")))
    texts = [_text(each) for each in _statements(sections.get(8, b""))]
    codes: list[Statement] = []
    for each in _statements(sections.get(11, b"")):
        kind, parts = each[:1], [_text(part) for part in each[1:].split(b"\0")]
        if kind == b"\1":  # 5.14.3: a coded statement with its modifiers
            codes += [Statement(parts[0].upper(), "scp-ecg")] if parts[0] else []
        elif kind == b"\2" and not sections.get(8):
            texts += parts
    return Said(
        subject_id=_text(tags.get(2, b"")),
        report="\n".join(text for text in texts if text) or None,
        statements=tuple(codes),
        measurements=_measurements(sections.get(7, b"")),
    )


def _tags(section: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the fields of section 1: tag, length, content."""
    at = 0
    while at + 3 <= len(section) and section[at] != 255:
        length = struct.unpack_from("<H", section, at + 1)[0]
        yield section[at], section[at + 3 : at + 3 + length]
        at += 3 + length


def _statements(section: bytes) -> Iterator[bytes]:
    """Yields the statements of section 8 or 11: number, length, content."""
    count = section[8] if len(section) > 8 else 0
    at = 9
    for _ in range(count):
        if at + 3 > len(section):
            return
        length = struct.unpack_from("<H", section, at + 1)[0]
        yield section[at + 3 : at + 3 + length]
        at += 3 + length


def _text(raw: bytes) -> str:
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


def _date(raw: bytes) -> datetime | None:
    with suppress(struct.error, ValueError):
        return datetime(*struct.unpack_from("<HBB", raw))
    return None


def _start(tags: dict[int, bytes]) -> datetime | None:
    date, time = _date(tags.get(25, b"")), tags.get(26, b"")
    if date is None or len(time) < 3:
        return date
    with suppress(ValueError):
        return date.replace(hour=time[0], minute=time[1], second=time[2])
    return date


def _word(raw: bytes) -> int:
    return struct.unpack_from("<H", raw)[0] if len(raw) >= 2 else 0


def _scaled(raw: bytes, factors: dict[int, float]) -> float | None:
    if len(raw) < 3:
        return None
    value, unit = struct.unpack_from("<HB", raw)
    return round(value * factors[unit], 3) if unit in factors and value else None


def _device(raw: bytes) -> dict[str, Fact]:
    """Reads tag 14 (5.4.5): model, and after the fixed part the software and the maker."""
    if len(raw) < 36:
        return {}
    length = raw[35]
    strings = raw[36 + length :].split(b"\0")
    names = [_text(each) for each in strings]
    return {
        "device": _text(raw[8:14]),
        "software": names[1] if len(names) > 1 else None,
        "manufacturer": names[3] if len(names) > 3 else None,
    }


def _measurements(section: bytes) -> tuple[Measurement, ...]:
    """Reads section 7: intervals and axes of the whole recording come first (5.10)."""
    if len(section) < 22 or section[0] == 0:
        return ()
    rr, pp, p_on, p_off, qrs_on, qrs_off, t_off = struct.unpack_from("<7H", section, 2)
    axes = struct.unpack_from("<3h", section, 16)
    values: list[tuple[str, float | None]] = [
        ("rr", _known(rr)),
        ("pp", _known(pp)),
        ("p_duration", _between(p_on, p_off)),
        ("pr", _between(p_on, qrs_on)),
        ("qrs", _between(qrs_on, qrs_off)),
        ("qt", _between(qrs_on, t_off)),
        *zip(("p_axis", "qrs_axis", "t_axis"), map(_axis, axes), strict=True),
    ]
    at = 6 + 16 * section[0] + 10 * section[1]  # spikes: 4 bytes each, then 6 bytes each
    with suppress(struct.error):
        at += 2 + struct.unpack_from("<H", section, at)[0]
        ventricular, atrial, qtc = struct.unpack_from("<3H", section, at)
        names = ("heart_rate", "atrial_rate", "qtc")
        values += zip(names, map(_known, (ventricular, atrial, qtc)), strict=True)
    return measured(values)


def _known(value: int) -> float | None:
    return float(value) if 0 < value < _UNKNOWN else None


def _between(start: int, end: int) -> float | None:
    return float(end - start) if 0 < end < _UNKNOWN and start < end else None


def _axis(value: int) -> float | None:
    return float(value) if abs(value) <= 180 else None
