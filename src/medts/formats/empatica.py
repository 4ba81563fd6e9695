"""Empatica E4: a folder of CSV files, each with its start, its rate and its values.

`ACC.csv` is in 1/64 g, `BVP.csv` has no unit, `EDA.csv` is in µS, `TEMP.csv` in °C, `HR.csv` in
beats per minute; `IBI.csv` and `tags.csv` hold times. The folder or any of its files may be named.

Axes: T samples in time.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import ReadError
from medts.core.records import Annotation, Record
from medts.formats.base import Channel, Format, Hints, gather
from medts.formats.ecg import parse_number

_SIGNALS: dict[str, tuple[tuple[str, ...], str, str, float]] = {
    "ACC": (("acc_x", "acc_y", "acc_z"), "acc", "g", 1 / 64),
    "BVP": (("BVP",), "ppg", "a.u.", 1.0),
    "EDA": (("EDA",), "eda", "µS", 1.0),
    "TEMP": (("TEMP",), "temp", "°C", 1.0),
    "HR": (("HR",), "hr", "bpm", 1.0),
}
_OTHERS = ("IBI", "tags")
_EARLIEST_S, _LATEST_S = 1e9, 4e9
"""A start is in seconds since 1970; 2001 to 2096."""


def recognises(path: Path) -> bool:
    """Whether the path is a folder of Empatica's files, or one of them."""
    if path.is_dir():
        return any(_is_signal(path / f"{name}.csv") for name in _SIGNALS)
    if path.stem in _SIGNALS:
        return _is_signal(path)
    return path.stem in _OTHERS and path.is_file() and recognises(path.parent)


def read(path: Path, hints: Hints) -> Record:
    """Reads the signals of a folder, each at its own rate and start.

    Raises:
        ReadError: If a file is garbled.
    """
    folder = path if path.is_dir() else path.parent
    files = [folder / f"{name}.csv" for name in _SIGNALS]
    read_ones = {file.stem: _read_signal(file) for file in files if _is_signal(file)}
    first_s = min(start_s for start_s, _, _ in read_ones.values())
    channels: list[Channel] = []
    for name, (start_s, rate, values) in read_ones.items():
        names, modality, unit, scale = _SIGNALS[name]
        step = scale if scale != 1.0 else None
        if len(names) != len(values):
            raise ReadError(
                f"{len(values)} columns instead of {len(names)}", path=folder / f"{name}.csv"
            )
        channels += [
            Channel(each, row * scale, rate, unit, step, modality, start_s=start_s - first_s)
            for each, row in zip(names, values, strict=True)
        ]
    return Record(
        record_id=folder.resolve().name,
        streams=gather(folder, channels, hints),
        annotations=_marks(folder, first_s),
        facts={"start": datetime.fromtimestamp(first_s, UTC).isoformat(), "device": "E4"},
    )


FORMAT = Format("empatica", "Empatica E4 folder", (".csv",), recognises, read)


def _is_signal(file: Path) -> bool:
    """Whether a file begins with a time since 1970 and a rate in the same number of columns."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        lines = opened.read(256).splitlines()[:2]
    try:
        starts, rates = (list(map(float, line.split(b","))) for line in lines)
    except ValueError:
        return False
    is_start = all(_EARLIEST_S < each < _LATEST_S for each in starts)
    return is_start and len(starts) == len(rates) and all(0 < each <= 10_000 for each in rates)


def _read_signal(file: Path) -> tuple[float, float, Float[np.ndarray, "C T"]]:
    """Returns start, rate and values."""
    text = file.read_text("latin-1")
    starts, rates, *_ = text.split("\n", 2)
    n_columns = starts.count(",") + 1
    try:
        numbers = np.array(text.replace(",", " ").split(), np.float64)
    except ValueError as error:
        raise ReadError(f"not a number: {error}", path=file) from error
    if numbers.size % n_columns or numbers.size <= 2 * n_columns:
        raise ReadError(f"{numbers.size} numbers in {n_columns} columns", path=file)
    table = numbers.reshape(-1, n_columns)
    return float(table[0, 0]), float(rates.split(",")[0]), table[2:].T


def _marks(folder: Path, first_s: float) -> tuple[Annotation, ...]:
    """Returns the presses of the button, and the beats that the device found."""
    presses = _rows(folder / "tags.csv", 1)
    marks = [Annotation(row[0] - first_s, "tag", "annotation") for row in presses]
    beats = folder / "IBI.csv"
    if beats.is_file():
        with beats.open(encoding="latin-1") as opened:
            head = opened.readline().split(",")[0].strip()
        start_s = parse_number(head) or first_s
        marks += [
            Annotation(row[0] + start_s - first_s, "beat", "beat")
            for row in _rows(beats, 2, skip=1)
        ]
    return tuple(marks)


def _rows(file: Path, n_columns: int, skip: int = 0) -> list[list[float]]:
    if not file.is_file():
        return []
    rows: list[list[float]] = []
    for number, line in enumerate(file.read_text("latin-1").splitlines()[skip:], skip + 1):
        try:
            row = list(map(float, line.split(",")))
        except ValueError:
            row = []
        if len(row) != n_columns or not np.isfinite(row).all():
            raise ReadError(
                f"{line[:40]!r} is no row of numbers", path=file, field=f"line {number}"
            )
        rows.append(row)
    return rows
