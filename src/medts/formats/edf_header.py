"""The header of EDF, EDF+, BDF and BDF+: fixed-width ASCII fields of the file and its signals.

Sizes are compared with the size of the file before anything else is believed. The patient's name
is never read.
"""

import math
import re
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.records import Fact
from medts.formats.ecg import age_at

_BLOCK = 256
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8)
_ANNOTATIONS = ("edf annotations", "bdf annotations")
_UNKNOWN_BIRTHS = (datetime(1800, 1, 1), datetime(1900, 1, 1))
_UNKNOWN_START = datetime(1985, 1, 1).date()
"""What stands for a date that was taken out."""

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


@dataclass(frozen=True)
class Signal:
    """What the header says about one signal; ranges are physical and digital."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    per_record: int

    @property
    def is_annotation(self) -> bool:
        """Whether it holds texts and times instead of samples."""
        return self.label.casefold() in _ANNOTATIONS


@dataclass(frozen=True)
class Header:
    """The header of a file whose size agrees with it.

    Args:
        n_bytes: Where the data records begin.
        n_records: Data records in the file.
        duration_s: Length of one.
        sample_bytes: 2 in EDF, 3 in BDF.
        kind: ``EDF+C``, ``BDF+D``, …; empty in files without annotations.
        patient: EDF+: code, sex, birth date; empty where unknown.
        start: Date and time of the recording.
        device: EDF+: the equipment.
    """

    n_bytes: int
    n_records: int
    duration_s: Fraction
    sample_bytes: int
    kind: str
    patient: tuple[str, str, str]
    start: datetime | None
    device: str
    signals: tuple[Signal, ...]

    @property
    def facts(self) -> dict[str, Fact]:
        """What is known about the recording; EDF without + keeps free text instead."""
        facts: dict[str, Fact] = {}
        if self.start is not None:
            facts["start"] = self.start.isoformat()
        _, sex, birth_text = self.patient
        birth = _long_date(birth_text)
        if sex in ("F", "M"):
            facts["sex"] = sex
        age = age_at(birth, self.start)
        if age is not None and birth not in _UNKNOWN_BIRTHS:
            facts["age"] = age
        if self.device:
            facts["device"] = self.device
        return facts


def read_header(path: Path) -> Header:
    """Reads and checks the header.

    Raises:
        ReadError: If it is garbled, or the file is longer or shorter than it says.
    """
    with path.open("rb") as file:
        head = file.read(_BLOCK)
        sample_bytes = 3 if head.startswith(b"\xffBIOSEMI") else 2
        try:
            n_bytes, n_signals = int(head[184:192]), int(head[252:256])
            n_stated = int(head[236:244])
            duration_s = Fraction(decode_text(head[244:252]).replace(",", "."))
            if n_signals < 0 or n_bytes != _BLOCK * (1 + n_signals) or duration_s < 0:
                raise ValueError(f"{n_signals} signals in a header of {n_bytes} bytes")
            signals = _signals(file.read(_BLOCK * n_signals), n_signals)
        except (ValueError, ZeroDivisionError) as error:
            raise ReadError(
                f"the header is garbled or cut short: {error}", path=path, remedy="Fetch it again"
            ) from error
    per_record = sample_bytes * sum(each.per_record for each in signals)
    n_held = Fraction(path.stat().st_size - n_bytes, per_record) if per_record else Fraction(0)
    if n_held.denominator != 1 or n_stated not in (-1, n_held):
        raise ReadError(
            f"holds {float(n_held):g} data records, the header says {n_stated}",
            path=path,
            field="number of data records",
            remedy="Fetch the file again, or correct the header if it is complete",
        )
    if duration_s == 0 and not all(each.is_annotation for each in signals):
        raise ReadError("data records of 0 s give no sampling rate", path=path, field="duration")
    kind = head[192:197].decode("latin-1")
    is_plus = kind[3:4] == "+"
    patient, recording = (decode_text(head[a:b]).split() for a, b in ((8, 88), (88, 168)))
    known = [each if each != "X" else "" for each in (*patient, "X", "X", "X")[:3]]
    return Header(
        n_bytes=n_bytes,
        n_records=int(n_held),
        duration_s=duration_s,
        sample_bytes=sample_bytes,
        kind=kind if is_plus else "",
        patient=(known[0], known[1], known[2]) if is_plus else ("", "", ""),
        start=_start(head, recording if is_plus else []),
        device=recording[4] if is_plus and len(recording) > 4 and recording[4] != "X" else "",
        signals=signals,
    )


def _signals(block: bytes, n_signals: int) -> tuple[Signal, ...]:
    if len(block) < _BLOCK * n_signals:
        raise ValueError(f"{len(block)} bytes describe {n_signals} signals")
    fields: list[list[str]] = []
    at = 0
    for width in _WIDTHS:
        part = block[at : at + width * n_signals]
        fields.append([decode_text(part[n * width :][:width]) for n in range(n_signals)])
        at += width * n_signals
    labels, _, units, *ranges, _, counts = fields
    signals: list[Signal] = []
    for row, (label, unit) in enumerate(zip(labels, units, strict=True)):
        low, high, least, most = (_number(each[row]) for each in ranges)
        count = int(counts[row]) if counts[row].isdecimal() else -1
        if count < 0:
            raise ValueError(f"{counts[row]!r} samples of signal {row + 1}, {label}")
        signals.append(Signal(label, unit, (low, high), (least, most), count))
    return tuple(signals)


def decode_text(field: bytes) -> str:
    """Reads UTF-8, cut at the width of the field or not, else Latin-1; EDF knows ASCII alone."""
    field = field.strip(b" \0")
    try:
        return field.decode().strip()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.start > 0:
            return field[: error.start].decode()
        return field.decode("latin-1").strip()


def _number(text: str) -> float:
    """Reads a number with a point or a comma; NaN, which leaves its signal out, for other texts."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _start(head: bytes, recording: list[str]) -> datetime | None:
    """Reads date and time (None where the date was taken out); EDF+ has all digits of the year."""
    found = re.fullmatch(rb"(\d\d)\.(\d\d)\.(\d\d)(\d\d)[.:](\d\d)[.:](\d\d)", head[168:184])
    if found is None:
        return None
    day, month, year, hour, minute, second = map(int, found.groups())
    long = _long_date(recording[1]) if len(recording) > 1 else None
    try:
        short = datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None
    start = long.replace(hour=hour, minute=minute, second=second) if long else short
    return None if start.date() == _UNKNOWN_START else start


def _long_date(text: str) -> datetime | None:
    """Reads ``02-AUG-1951``."""
    match = re.fullmatch(r"(\d\d)-([A-Z]{3})-(\d{4})", text.upper())
    try:
        return (
            datetime(int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1])) if match else None
        )
    except ValueError:
        return None


def channel_labels(path: Path) -> list[str]:
    """Returns the names of the channels as the header spells them, without reading signals."""
    with path.open("rb") as file:
        count = file.read(_BLOCK)[252:].strip()
        labels = file.read(16 * int(count) if count.isdigit() else 0).decode("latin-1")
    return [labels[at : at + 16].strip() for at in range(0, len(labels), 16)]
