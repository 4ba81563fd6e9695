"""WFDB (PhysioNet): header (`.hea`), signal files (`.dat`, `.mat`) and annotations (`.atr`).

A record may be named by its header, one of its signal files, or its bare name. A header of more or
fewer samples than its files hold is refused. As in the WFDB standard, a missing unit means mV; a
missing gain means uncalibrated, and is refused. Writing is in `medts.formats.wfdb_writing`.

Axes: T samples in time.
"""

import re
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.montage import canonical_channel
from medts.core.records import Annotation, Fact, Record
from medts.formats.base import Channel, Format, Hints, gather, settle_rate
from medts.formats.wfdb_annotations import read_annotations
from medts.formats.wfdb_header import Header, find_header, parse, parse_signals, unreadable
from medts.formats.wfdb_segments import join_segments
from medts.formats.wfdb_signals import not_recorded, read_samples, to_physical
from medts.formats.wfdb_writing import write

_OLDEST_CREDIBLE = 120


def recognises(path: Path) -> bool:
    """Whether ``path`` is a WFDB header, belongs to one, or is a record's bare name."""
    return find_header(path) is not None


def read(path: Path, hints: Hints) -> Record:
    """Reads a record with its ``.atr`` annotations, and age and sex where the header has them.

    Raises:
        ReadError: If a file is missing, its length contradicts the header, the header is
            garbled, or names and units do not suffice.
    """
    text = find_header(path)
    if text is None:
        raise ReadError("no WFDB header", path=path, remedy="Keep the .hea beside the .dat")
    try:
        return _read(parse(text), hints)
    except OSError as error:
        raise unreadable(error, path) from error


FORMAT = Format("wfdb", "WFDB", (".hea", ".dat"), recognises, read, write, order=10)


def _read(header: Header, hints: Hints) -> Record:
    if header.n_segments is not None:
        rate, channels = join_segments(header, hints)
    else:
        rate = settle_rate(header.path, header.rate, hints)
        channels = _read_channels(header, rate, hints)
    annotations: tuple[Annotation, ...] = ()
    if header.path.with_suffix(".atr").is_file():
        end_s = max(len(channel.values) / channel.sampling_rate for channel in channels)
        annotations = read_annotations(header.path.with_suffix(""), rate, end_s)
    facts = _facts(header.text.comments)
    if header.start is not None:
        facts["start"] = header.start.isoformat()
    return Record(
        record_id=header.path.stem,
        streams=gather(header.path, channels, hints),
        annotations=annotations,
        facts=facts,
    )


def _read_channels(header: Header, rate: float, hints: Hints) -> list[Channel]:
    signals = parse_signals(header)
    n_frames, samples = read_samples(header, signals)
    names = [canonical_channel(signal.name) for signal in signals]
    wanted = set(hints.channels or names)
    if not hints.rename and wanted <= set(names) and len(set(names)) == len(names):
        # An unwanted channel may be uncalibrated, or be of an unknown unit.
        kept = [row for row, name in enumerate(names) if name in wanted]
        signals, samples = [signals[row] for row in kept], [samples[row] for row in kept]
    return [
        Channel(
            name=signal.name,
            values=not_recorded(n_frames * signal.per_frame, header.path)
            if each is None
            else to_physical(each, signal, header.path),
            sampling_rate=rate * signal.per_frame,
            unit=signal.unit,
            resolution=None if signal.gain is None else 1.0 / abs(signal.gain),
        )
        for signal, each in zip(signals, samples, strict=True)
    ]


def _facts(comments: tuple[str, ...]) -> dict[str, Fact]:
    """Finds age and sex in ``<age>: 51``, ``Sex: Female`` or MIT-BIH's ``69 M …``."""
    text = "\n".join(comments)
    facts: dict[str, Fact] = {}
    short = re.search(r"^(\d{1,3})\s+([MF])\b", text, re.MULTILINE)
    age = re.search(r"\bage>?\s*[:=]\s*(\d{1,3}(?:\.\d+)?)\b", text, re.IGNORECASE) or short
    sex = re.search(r"\b(?:sex|gender)>?\s*[:=]\s*([MF])(?:ale|emale)?\b", text, re.IGNORECASE)
    if age is not None and float(age[1]) <= _OLDEST_CREDIBLE:
        facts["age"] = float(age[1]) if "." in age[1] else int(age[1])
    if sex is not None or short is not None:
        facts["sex"] = (sex[1] if sex is not None else short[2]).upper()  # pyright: ignore
    return facts
