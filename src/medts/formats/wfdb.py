"""WFDB: PhysioNet's header (`.hea`), signal files (`.dat`, `.mat`) and annotations (`.atr`).

A record may be named by its header, one of its signal files, or its bare name. The integers are
read and scaled here, so that the recorder's resolution is known exactly. A header that promises
more or fewer samples than its files hold is refused. As the WFDB standard says, a missing unit
means mV; a missing gain means uncalibrated, and is refused.

Axes: T samples in time.
"""

import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from medts.core.errors import ReadError
from medts.core.records import Annotation, Fact, Record
from medts.formats.base import Channel, Hints, gather, settle_rate
from medts.formats.wfdb_annotations import read_annotations

_RECORD_LINE = re.compile(
    r"(?P<name>[-\w]+)(/(?P<n_segments>\d+))?[ \t]+(?P<n_channels>\d+)"
    r"([ \t]+(?P<rate>\d+\.?\d*(e[+-]?\d+)?)(/[-\d.]+)?(\([-\d.]+\))?"
    r"([ \t]+(?P<n_frames>\d+)([ \t]+(?P<clock>[\d:./ \t-]+))?)?)?[ \t]*"
)
_SIGNAL_LINE = re.compile(r"(?P<file>\S+)[ \t]+(?P<code>\d+)([x:+]\d+)*([ \t]+(?P<gain>\S+).*)?")
_GAIN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(?=[(/]|$)")
_DATE_FIRST = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ \t]+([\d:.]+)")

_COMPRESSED = ("508", "516", "524")
_PACKING = {
    "8": (1, 1),
    "16": (1, 2),
    "24": (1, 3),
    "32": (1, 4),
    "61": (1, 2),
    "80": (1, 1),
    "160": (1, 2),
    "212": (2, 3),
    "310": (3, 4),
    "311": (3, 4),
    **dict.fromkeys(_COMPRESSED, (1, 1)),
}
"""Samples and bytes of the smallest whole unit of each storage format; FLAC counts samples."""

INVALID = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    "32": -(2**31),
}
"""The integer that says "not recorded" in each storage format; format 8 has none."""


@dataclass(frozen=True)
class _Header:
    """The lines of a header and what its first one says."""

    path: Path
    lines: list[str]
    comments: list[str]
    fields: dict[str, str | None]

    @property
    def signal_files(self) -> list[str]:
        """File names in the order of the signal lines; empty for a multi-segment header."""
        if self.fields["n_segments"] is not None:
            return []
        return [line.split()[0] for line in self.lines[1:]]


def recognises(path: Path) -> bool:
    """Whether ``path`` is a WFDB header, belongs to one, or is a record's bare name."""
    return _find_header(path) is not None


def read(path: Path, hints: Hints) -> Record:
    """Reads a record with its ``.atr`` annotations, and age and sex where the header has them.

    Raises:
        ReadError: If a file is missing, its length contradicts the header, the header is
            garbled, or names and units do not suffice.
    """
    header = _find_header(path)
    if header is None:
        raise ReadError("no WFDB header", path=path, remedy="Keep the .hea beside the .dat")
    if header.fields["n_segments"] is not None:
        parsed, channels = _read_segments(header, hints)
    else:
        parsed, channels = _read_channels(header, hints)
    rate = settle_rate(path, _number(header.fields["rate"]), hints)
    annotations: tuple[Annotation, ...] = ()
    if header.path.with_suffix(".atr").is_file():
        end_s = max(len(channel.values) / channel.sampling_rate for channel in channels)
        annotations = read_annotations(header.path.with_suffix(""), rate, end_s)
    return Record(
        record_id=header.path.stem,
        streams=gather(header.path, channels, hints),
        annotations=annotations,
        facts=_facts(header.comments, getattr(parsed, "base_datetime", None)),
    )


def _find_header(path: Path) -> _Header | None:
    if not path.name:
        return None
    if path.is_file() and (header := _parse(path)) is not None:
        return header
    if not path.is_file() and (header := _parse(path.with_name(path.name + ".hea"))) is not None:
        return header
    header = _parse(path.with_suffix(".hea"))
    return header if header is not None and path.name in header.signal_files else None


def _parse(path: Path) -> _Header | None:
    """Reads the lines of a header; None if the file is missing or is something else."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(4096)
    first = next(
        (line for line in head.splitlines() if line.strip() and not line.lstrip().startswith(b"#")),
        b"",
    )
    match = _RECORD_LINE.fullmatch(first.decode("latin-1").strip())
    if match is None or b"\0" in head:
        return None
    text = path.read_text(encoding="ascii", errors="ignore")
    stripped = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in stripped if not line.startswith("#")]
    if match["n_segments"] is None and len(lines) > 1:
        signal = _SIGNAL_LINE.fullmatch(lines[1])
        if path.suffix != ".hea" and (signal is None or signal["code"] not in _PACKING):
            return None
    elif path.suffix != ".hea" and match["n_segments"] is None:
        return None
    comments = [line.lstrip("#").strip() for line in stripped if line.startswith("#")]
    return _Header(path, lines, comments, match.groupdict())


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


@contextmanager
def _openable(header: _Header) -> Iterator[str]:
    """Yields a record name that wfdb can open.

    A header of another suffix, or with the date before the time as in the CinC 2017 challenge,
    is put right in a temporary copy.
    """
    first = _DATE_FIRST.sub(r"\4 \3/\2/\1", header.lines[0])
    if header.path.suffix == ".hea" and first == header.lines[0]:
        yield str(header.path.with_suffix(""))
        return
    with TemporaryDirectory() as folder:
        for name in set(header.signal_files):
            if (header.path.parent / name).is_file():
                shutil.copy(header.path.parent / name, folder)
        target = Path(folder, "record.hea")
        target.write_text("\n".join([first, *header.lines[1:]]) + "\n", encoding="ascii")
        yield str(target.with_suffix(""))


def _read_channels(header: _Header, hints: Hints) -> tuple[Any, list[Channel]]:
    import wfdb

    rate = settle_rate(header.path, _number(header.fields["rate"]), hints)
    _check_lines(header)
    with _openable(header) as name:
        try:
            parsed: Any = wfdb.rdheader(name)
            _check_files(header, parsed)
            parsed = wfdb.rdrecord(name, physical=False, smooth_frames=False)
        except ReadError:
            raise
        except (ValueError, IndexError, TypeError, KeyError, RuntimeError) as error:
            raise ReadError(f"the header cannot be read: {error}", path=header.path) from error
    channels: list[Channel] = []
    for row, digital in enumerate(parsed.e_d_signal):
        gain, code = float(parsed.adc_gain[row]), parsed.fmt[row]
        values = (digital.astype(np.float64) - float(parsed.baseline[row] or 0)) / gain
        values[digital == INVALID.get(code)] = np.nan
        channels.append(
            Channel(
                name=parsed.sig_name[row] or "",
                values=values,
                sampling_rate=rate * (parsed.samps_per_frame[row] or 1),
                unit=parsed.units[row] or "",
                resolution=1.0 / abs(gain),
            )
        )
    return parsed, channels


def _check_lines(header: _Header) -> None:
    """Refuses signal lines that are too many, too few, garbled or without a gain."""
    n_channels = int(header.fields["n_channels"] or 0)
    lines = header.lines[1:]
    if n_channels == 0:
        raise ReadError("the header describes no signal", path=header.path)
    if len(lines) != n_channels:
        raise ReadError(
            f"{n_channels} channels are promised, {len(lines)} described", path=header.path
        )
    for number, line in enumerate(lines, start=1):
        match = _SIGNAL_LINE.fullmatch(line)
        field = f"signal line {number}"
        if match is None:
            raise ReadError(f"cannot be understood: {line!r}", path=header.path, field=field)
        if match["code"] not in _PACKING:
            raise ReadError(
                f"unknown storage format {match['code']}", path=header.path, field=field
            )
        gain = _GAIN.match(match["gain"] or "")
        if gain is None or float(gain[0]) == 0.0:
            raise ReadError(
                "no gain, so the amplitudes are uncalibrated",
                path=header.path,
                field=field,
                remedy="State gain and unit, such as 200/mV, if they are known",
            )


def _check_files(header: _Header, parsed: Any) -> None:
    """Refuses signal files that are missing, too short or too long for the header."""
    n_frames: int | None = parsed.sig_len
    for name in dict.fromkeys(parsed.file_name):
        path = header.path.parent / name
        if not path.is_file():
            raise ReadError(
                "no such file", path=path, remedy=f"{header.path.name} says it holds the signal"
            )
        rows = [row for row, each in enumerate(parsed.file_name) if each == name]
        code = parsed.fmt[rows[0]]
        offset = parsed.byte_offset[rows[0]] or 0
        samples, size = _PACKING[code]
        if code in _COMPRESSED:
            per_frame, n_bytes = parsed.samps_per_frame[rows[0]] or 1, _count_flac(path) - offset
        else:
            per_frame = sum(parsed.samps_per_frame[row] or 1 for row in rows)
            n_bytes = max(path.stat().st_size - offset, 0)
        n_held = n_bytes * samples / size / per_frame
        n_frames = int(n_held) if n_frames is None else n_frames
        if n_frames == 0:
            raise ReadError("holds no samples", path=path)
        n_samples = n_frames * per_frame
        least, most = math.ceil(n_samples * size / samples), math.ceil(n_samples / samples) * size
        if not least <= n_bytes <= most:  # formats that pack several samples may be padded
            raise ReadError(
                f"holds {n_held:g} frames, the header says {n_frames}",
                path=path,
                field="number of samples",
                remedy="Fetch the file again, or correct the header if it is complete",
            )


def _count_flac(path: Path) -> int:
    """Returns the samples per channel of a FLAC file."""
    import soundfile  # comes with wfdb

    try:
        return soundfile.info(str(path)).frames
    except soundfile.LibsndfileError as error:
        raise ReadError(f"not a FLAC file: {error}", path=path, remedy="Fetch it again") from error


def _read_segments(header: _Header, hints: Hints) -> tuple[Any, list[Channel]]:
    """Joins the segments of a record; gaps are NaN, and the resolution is left unknown."""
    import wfdb

    rate = settle_rate(header.path, _number(header.fields["rate"]), hints)
    for line in header.lines[1:]:
        name = line.split()[0]
        if name == "~":
            continue
        segment = _parse(header.path.with_name(f"{name}.hea"))
        if segment is None:
            raise ReadError(
                f"no header of segment {name!r}", path=header.path, remedy="Fetch it as well"
            )
        if set(segment.signal_files) != {"~"}:
            _check_lines(segment)
            try:
                parsed: Any = wfdb.rdheader(str(segment.path.with_suffix("")))
            except (ValueError, IndexError, TypeError, KeyError) as error:
                raise ReadError(f"the header cannot be read: {error}", path=segment.path) from error
            _check_files(segment, parsed)
            if any((n or 1) > 1 for n in parsed.samps_per_frame):
                raise ReadError(
                    "segments with several samples per frame are not supported",
                    path=header.path,
                    remedy="Read the segments one by one",
                )
    try:
        joined: Any = wfdb.rdrecord(str(header.path.with_suffix("")), m2s=True)
    except (ValueError, IndexError, TypeError, KeyError, FileNotFoundError) as error:
        raise ReadError(f"the segments cannot be joined: {error}", path=header.path) from error
    return joined, [
        Channel(name or "", joined.p_signal[:, row], rate, joined.units[row] or "")
        for row, name in enumerate(joined.sig_name)
    ]


def _facts(comments: list[str], start: Any) -> dict[str, Fact]:
    """Finds age, sex and start in ``<age>: 51``, ``Sex: Female`` or MIT-BIH's ``69 M …``."""
    text = "\n".join(comments)
    facts: dict[str, Fact] = {}
    short = re.search(r"^(\d{1,3})\s+([MF])\b", text, re.MULTILINE)
    age = re.search(r"\bage>?\s*[:=]\s*(\d{1,3}(?:\.\d+)?)\b", text, re.IGNORECASE) or short
    sex = re.search(r"\b(?:sex|gender)>?\s*[:=]\s*([MF])(?:ale|emale)?\b", text, re.IGNORECASE)
    if age is not None:
        facts["age"] = float(age[1]) if "." in age[1] else int(age[1])
    if sex is not None or short is not None:
        facts["sex"] = (sex[1] if sex is not None else short[2]).upper()  # pyright: ignore
    if start is not None:
        facts["start"] = start.isoformat()
    return facts
