"""BrainVision: a text header (`.vhdr`), samples beside it (`.eeg`) and markers (`.vmrk`).

A missing unit means µV. A channel whose unit is no voltage is no electrode, whatever its name; a
unit that nobody knows does not take the other channels along.

Axes: C channels, T samples in time.
"""

import re
from datetime import datetime
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Annotation, Fact, Record
from medts.core.units import canonical_unit, conversion_factor
from medts.formats.base import Channel, Format, Hints, gather, settle_rate

_MAGIC = re.compile(rb"\xef?\xbb?\xbf?Brain ?Vision (Data Exchange|V-Amp Data) Header File", re.I)
_MOST_BYTES = 16 * 2**20
_TYPES = {"INT_16": "<i2", "UINT_16": "<u2", "INT_32": "<i4", "IEEE_FLOAT_32": "<f4"}
_SECTION = re.compile(r"\[(.+)\]\s*")


def recognises(path: Path) -> bool:
    """Whether the file is a BrainVision header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MAGIC.match(file.read(64)) is not None


def read(path: Path, hints: Hints) -> Record:
    """Reads the samples and markers that a header names.

    Raises:
        ReadError: If a file is missing or does not fit the header, or names and units do not
            suffice.
    """
    sections = _read_sections(path)
    common = sections.get("common infos", {})
    interval_us = _number(path, common, "samplinginterval")
    rate = settle_rate(path, 1e6 / interval_us, hints)
    samples = _read_samples(path, common, sections.get("binary infos", {}))
    described = sections.get("channel infos", {})
    channels = [
        _channel(path, described.get(f"ch{row}", ""), row, values, rate)
        for row, values in enumerate(samples, 1)
    ]
    marks, facts = _read_markers(path, common, rate)
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, hints),
        annotations=marks,
        facts=facts,
    )


FORMAT = Format("brainvision", "BrainVision", (".vhdr",), recognises, read)


def _read_sections(path: Path) -> dict[str, dict[str, str]]:
    """Returns the keys of each section; section and key in lower case."""
    if path.stat().st_size > _MOST_BYTES:
        raise ReadError("a text file of this size is no header", path=path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    sections: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        if match := _SECTION.fullmatch(line):
            current = sections.setdefault(match[1].strip().lower(), {})
        elif "=" in line and not line.startswith(";"):
            key, _, value = line.partition("=")
            current.setdefault(key.strip().lower(), value.strip())
    return sections


def _number(path: Path, common: dict[str, str], key: str) -> float:
    text = common.get(key, "")
    if not re.fullmatch(r"\d{1,9}(\.\d+)?", text) or float(text) <= 0:
        raise ReadError(f"{text!r} is no positive number", path=path, field=key)
    return float(text)


def _beside(path: Path, name: str, suffix: str) -> Path | None:
    """Returns a file that the header names, or one called like the header itself.

    Only the folder of the header is looked into, whatever path the name holds.
    """
    plain = re.split(r"[/\\]", name.replace("$b", path.stem))[-1]
    for each in (plain, f"{path.stem}{suffix}"):
        if each and (path.parent / each).is_file():
            return path.parent / each
    return None


def _read_samples(
    path: Path, common: dict[str, str], binary: dict[str, str]
) -> Shaped[np.ndarray, "C T"]:
    n_channels = int(_number(path, common, "numberofchannels"))
    layout = common.get("dataorientation", "MULTIPLEXED").upper()
    kind = _TYPES.get(binary.get("binaryformat", "INT_16").upper())
    if common.get("dataformat", "BINARY").upper() != "BINARY" or kind is None:
        raise ReadError(
            f"samples as {common.get('dataformat')} {binary.get('binaryformat', '')} are not read",
            path=path,
            field="DataFormat",
        )
    file = _beside(path, common.get("datafile", ""), ".eeg")
    if file is None:
        raise ReadError(
            f"no data file {common.get('datafile', '')!r} beside the header",
            path=path,
            field="DataFile",
            remedy="Keep the .eeg beside the .vhdr",
        )
    raw = np.fromfile(file, kind)
    if raw.size == 0 or raw.size % n_channels or raw.nbytes != file.stat().st_size:
        raise ReadError(
            f"{file.stat().st_size} bytes do not hold {n_channels} channels of equal length",
            path=file,
            remedy="Fetch the file again",
        )
    return raw.reshape(-1, n_channels).T if layout == "MULTIPLEXED" else raw.reshape(n_channels, -1)


def _channel(
    path: Path, described: str, row: int, raw: Shaped[np.ndarray, "T"], rate: float
) -> Channel:
    """Reads ``name,reference,resolution,unit``."""
    name, _, scale, unit = [*described.split(","), "", "", "", ""][:4]
    name, unit = name.replace("\\1", ",").strip(), unit.strip() or "µV"
    try:
        step = float(scale) if scale.strip() else 1.0
    except ValueError:
        step = 0.0
    if not 0 < abs(step) < 1e18:
        raise ReadError(f"{scale!r} is no resolution", path=path, field=f"Ch{row}")
    if raw.dtype.kind == "f":
        values, resolution = raw.astype(np.float64) * step, None
    else:
        values, resolution = raw * step, abs(step)
    try:
        unit = canonical_unit(unit)
        conversion_factor(unit, "µV")
        modality = ""
    except MedtsError:
        modality = "other"
    if modality:
        unit = unit if _is_known(unit) else ""
    return Channel(name or f"Ch{row}", values, rate, unit, resolution, modality)


def _is_known(unit: str) -> bool:
    try:
        canonical_unit(unit)
    except MedtsError:
        return False
    return True


def _read_markers(
    path: Path, common: dict[str, str], rate: float
) -> tuple[tuple[Annotation, ...], dict[str, Fact]]:
    """Reads the markers; the first segment says when the recording began."""
    file = _beside(path, common.get("markerfile", ""), ".vmrk")
    listed = {} if file is None else _read_sections(file).get("marker infos", {})
    marks: list[Annotation] = []
    facts: dict[str, Fact] = {}
    for key, text in listed.items():
        kind, label, place, size, _, stamp = [*text.split(","), "", "", "", "", "", ""][:6]
        if not re.fullmatch(r"mk\d+", key) or not re.fullmatch(r"\d{1,15}", place):
            continue
        if kind == "New Segment" and "start" not in facts and (start := _time(stamp)) is not None:
            facts["start"] = start.isoformat()
        if kind == "New Segment" and int(place) <= 1:
            continue
        length_s = int(size) / rate if re.fullmatch(r"\d{1,15}", size) and int(size) > 1 else 0.0
        at_s = max(int(place) - 1, 0) / rate
        label = (label or kind).replace("\\1", ",").strip()
        marks.append(Annotation(at_s, label, kind.strip().lower(), duration_s=length_s))
    return tuple(marks), facts


def _time(stamp: str) -> datetime | None:
    """Reads ``20131113161403794232``."""
    try:
        return datetime.strptime(stamp.strip()[:20], "%Y%m%d%H%M%S%f")
    except ValueError:
        return None
