"""WFDB header parser (`.hea`): record line, signal or segment lines, comments.

`find_header` recognises and never complains; `parse` and `parse_signals` read the fields and name
the one that is impossible. What follows the number of samples is free text to this reader: a date
of any clear spelling is used, and none makes a record unreadable.
"""

import codecs
import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medts.core.errors import ReadError

# Digits are limited, as Python converts no longer numbers; real headers stay far below.
_WHOLE = r"[-+]?\d{1,15}(?:\.0*)?(?![\d.])"
_NUMBER = r"[-+]?(?:\d{1,15}\.?\d{0,20}|\.\d{1,20})(?:[eE][-+]?\d{1,3})?"

_RECORD_LINE = re.compile(r"(?P<name>[-\w]+)(?:/(?P<n_segments>\d+))?[ \t]+[-+]?\d+(?:[ \t].*)?")
_RATE = re.compile(rf"(?P<rate>{_NUMBER})(?:/(?:{_NUMBER})?)?(?:\((?:{_NUMBER})?\))?")
_SIGNAL_LINE = re.compile(
    r"(?P<file>\S+)[ \t]+(?P<code>\d{1,4})(?P<layout>(?:[x:+]\d{1,15})*)(?:[ \t]+(?P<rest>.*))?"
)
_GAIN = re.compile(
    rf"(?P<gain>{_NUMBER})(?:[ \t]*\([ \t]*(?P<baseline>{_WHOLE})[ \t]*\))?"
    r"(?:[ \t]*/(?P<unit>\S*))?(?=[ \t]|$)"
)
_FIELD = re.compile(rf"[ \t]*({_WHOLE})(?=[ \t]|$)")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)(?!\d)")
_DAY_FIRST = re.compile(
    r"(?<!\d)(?P<day>\d\d?)[-/. ](?P<month>\d\d?|[A-Za-z]{3,9})[-/. ](?P<year>\d{4})(?!\d)"
)
_TIME = re.compile(
    r"(?<![\d:])(?:(?P<hour>\d\d?):)?(?P<minute>\d\d?):(?P<second>\d\d?)(?:\.(?P<part>\d+))?"
)

CODES = ("8", "16", "24", "32", "61", "80", "160", "212", "310", "311", "508", "516", "524")
"""The storage formats of signal files; 508, 516 and 524 are FLAC."""

NULL_FILE = "~"
"""Stands for a signal or a segment of which nothing is stored."""


@dataclass(frozen=True)
class HeaderText:
    """The lines of a header, not yet parsed."""

    path: Path
    lines: tuple[str, ...]
    comments: tuple[str, ...]

    @property
    def is_multi_segment(self) -> bool:
        """Whether the lines after the first name segments instead of signals."""
        return "/" in self.lines[0].split()[0]

    @property
    def signal_files(self) -> list[str]:
        """File names in the order of the signal lines; empty for a multi-segment header."""
        return [] if self.is_multi_segment else [line.split()[0] for line in self.lines[1:]]


@dataclass(frozen=True)
class Header:
    """Fields of the record line; None where it has none, or 0.

    Args:
        text: The lines.
        n_segments: None for a record of one piece.
        n_channels: At least 1.
        rate: Frames per second, Hz.
        n_frames: Length of the record.
        start: Date and time of the first sample, where both are clear.
    """

    text: HeaderText
    n_segments: int | None
    n_channels: int
    rate: float | None
    n_frames: int | None
    start: datetime | None

    @property
    def path(self) -> Path:
        """Where the header was read."""
        return self.text.path


@dataclass(frozen=True)
class Signal:
    """A signal line: where the samples are, and ``value = (sample - baseline) / gain``.

    Args:
        line: Which of the signal lines, from 1; for errors.
        file: Name of the signal file.
        code: Storage format.
        per_frame: Samples per frame.
        skew: Frames by which this signal lies too late in its file.
        offset: Bytes before the first sample; in FLAC files samples.
        gain: Steps per unit; None where the signal is uncalibrated.
        baseline: The sample that stands for 0.
        unit: As spelt in the header; a missing unit means mV.
        initial: The sample before the first one, which format 8 counts from.
        name: The description, empty where there is none.
    """

    line: int
    file: str
    code: str
    per_frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int
    unit: str
    initial: int
    name: str

    @property
    def field(self) -> str:
        """How errors call it."""
        return f"signal line {self.line}"


def find_header(path: Path) -> HeaderText | None:
    """Returns the header that ``path`` is, belongs to, or is the bare record name of."""
    if not path.name:
        return None
    try:
        if path.is_file():
            text = load(path)
            if text is not None:
                return text
        elif (text := load(path.with_name(path.name + ".hea"))) is not None:
            return text
        text = load(path.with_suffix(".hea"))
    except OSError as error:
        raise unreadable(error, path) from error
    return text if text is not None and path.name in text.signal_files else None


def unreadable(error: OSError, path: Path) -> ReadError:
    """Builds the error for a file that the operating system refuses."""
    problem = f"cannot be read: {error.strerror or error}"
    remedy = "Check the rights, and the folder or drive"
    return ReadError(problem, path=error.filename or path, remedy=remedy)


def load(path: Path) -> HeaderText | None:
    """Reads the lines of a header; None if the file is missing or is something else."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(4096)
        first = next(iter(_split(_decode(head))[0]), "")
        if _RECORD_LINE.fullmatch(first) is None:
            return None
        data = head + file.read()
    lines, comments = _split(_decode(data))
    text = HeaderText(path, tuple(lines), tuple(comments))
    if path.suffix != ".hea":  # a line of two words may be a table as well
        second = _SIGNAL_LINE.fullmatch(lines[1]) if len(lines) > 1 else None
        if text.is_multi_segment or second is None or second["code"] not in CODES:
            return None
    return None if any("\0" in line for line in lines) else text


def _decode(data: bytes) -> list[str]:
    """Decodes each line by itself: headers mix UTF-8 comments with Latin-1 units."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace").split("\n")
    lines: list[str] = []
    for line in data.removeprefix(codecs.BOM_UTF8).splitlines():
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("latin-1"))
    return lines


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    """Separates the lines that count from the comments."""
    stripped = [line.strip() for line in lines if line.strip()]
    comments = [line.lstrip("#").strip() for line in stripped if line.startswith("#")]
    return [line for line in stripped if not line.startswith("#")], comments


def parse(text: HeaderText) -> Header:
    """Reads the record line."""
    name, n_channels, *words = text.lines[0].split()
    rate, n_frames = None, None
    if words:
        match = _RATE.fullmatch(words[0])
        rate = float(match["rate"]) if match is not None else math.nan
        if not 0 <= rate < math.inf:
            raise _impossible(words[0], text.path, "sampling rate")
        words = words[1:]
    if words and re.fullmatch(_NUMBER, words[0]) is not None:
        n_frames = _count(words[0], text.path, "number of samples")
        words = words[1:]
    n_segments = name.partition("/")[2]
    header = Header(
        text=text,
        n_segments=_count(n_segments, text.path, "number of segments") if n_segments else None,
        n_channels=_count(n_channels, text.path, "number of channels"),
        rate=rate or None,
        n_frames=n_frames or None,
        start=parse_start(" ".join(words)),
    )
    if header.n_channels == 0:
        raise ReadError("the header describes no signal", path=text.path)
    return header


def parse_start(text: str) -> datetime | None:
    """Parses date and time in any order and unambiguous spelling.

    >>> parse_start("05-May-2020 09:49:17") == parse_start("09:49:17 05/05/2020")
    True
    """
    day = _YEAR_FIRST.search(text) or _DAY_FIRST.search(text)
    clock = _TIME.search(text)
    if day is None or clock is None:
        return None
    month = day["month"].lower()
    if month.isalpha() and month[:3] not in _MONTHS:
        return None
    microsecond = int((clock["part"] or "0")[:6].ljust(6, "0"))
    try:
        return datetime(
            int(day["year"]),
            _MONTHS.index(month[:3]) + 1 if month.isalpha() else int(month),
            int(day["day"]),
            int(clock["hour"] or 0),
            int(clock["minute"]),
            int(clock["second"]),
            microsecond,
        )
    except ValueError:  # such as 00/00/0000, which some write for an unknown date
        return None


def parse_signals(header: Header) -> list[Signal]:
    """Reads the signal lines."""
    lines = header.text.lines[1:]
    if len(lines) != header.n_channels:
        problem = f"{header.n_channels} channels are promised, {len(lines)} described"
        raise ReadError(problem, path=header.path)
    return [_parse_signal(line, row, header.path) for row, line in enumerate(lines, start=1)]


def _parse_signal(line: str, row: int, path: Path) -> Signal:
    field = f"signal line {row}"
    match = _SIGNAL_LINE.fullmatch(line)
    if match is None:
        raise ReadError(f"cannot be understood: {line!r}", path=path, field=field)
    if match["code"] not in CODES and match["file"] != NULL_FILE:
        raise ReadError(f"unknown storage format {match['code']}", path=path, field=field)
    layout = dict(re.findall(r"([x:+])(\d+)", match["layout"]))
    rest = match["rest"] or ""
    gain = _GAIN.match(rest)
    if gain is None and re.match(r"[-+.\d(/]", rest):
        raise ReadError(f"cannot be understood: {rest!r}", path=path, field=field)
    fields: list[int] = []  # resolution and zero of the converter, initial value, checksum, block
    at = 0 if gain is None else gain.end()
    while gain is not None and len(fields) < 5 and (found := _FIELD.match(rest, at)):
        fields.append(int(float(found[1])))
        at = found.end()
    zero = fields[1] if len(fields) > 1 else 0
    signal = Signal(
        line=row,
        file=match["file"],
        code=match["code"],
        per_frame=int(layout.get("x", 1)),
        skew=int(layout.get(":", 0)),
        offset=int(layout.get("+", 0)),
        gain=(float(gain["gain"]) or None) if gain is not None else None,
        baseline=int(float(gain["baseline"])) if gain is not None and gain["baseline"] else zero,
        unit=(gain["unit"] if gain is not None else None) or "mV",
        initial=fields[2] if len(fields) > 2 else 0,
        name=rest[at:].strip(),
    )
    if signal.per_frame == 0:
        raise ReadError("0 samples per frame", path=path, field=field)
    if signal.gain is not None and not 1e-25 < abs(signal.gain) < 1e25:
        raise ReadError(f"a gain of {signal.gain:g} is impossible", path=path, field=field)
    return signal


def parse_segments(header: Header) -> list[tuple[str, int | None]]:
    """Reads the segment lines: names and lengths in frames, None where a line has no length."""
    lines = header.text.lines[1:]
    if len(lines) != header.n_segments:
        problem = f"{header.n_segments} segments are promised, {len(lines)} listed"
        raise ReadError(problem, path=header.path)
    segments: list[tuple[str, int | None]] = []
    for row, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([-\w]+|~)(?:[ \t]+(\S+)(?:[ \t].*)?)?", line)
        if match is None or (match[1] == NULL_FILE and match[2] is None):
            problem = f"cannot be understood: {line!r}"
            raise ReadError(problem, path=header.path, field=f"segment line {row}")
        field = f"segment line {row}, number of samples"
        n_frames = None if match[2] is None else _count(match[2], header.path, field)
        segments.append((match[1], n_frames))
    return segments


def _count(word: str, path: Path, field: str) -> int:
    if re.fullmatch(_WHOLE, word) is None or float(word) < 0:
        raise _impossible(word, path, field)
    return int(float(word))


def _impossible(word: str, path: Path, field: str) -> ReadError:
    return ReadError(f"{word!r} is impossible", path=path, field=field, remedy="Correct the header")
