"""CSV: a table with one column per channel, one row per sample, and names in the first row.

A first column ``time``, ``time_s``, ``t`` (seconds) or ``time_ms`` gives the sampling rate, and so
does a first column of dates with times; further such columns are left out. Units
stand beside the names, as in ``I [mV]`` or ``EEG Fp1 (uV)``. Empty cells and ``nan`` are samples
never recorded. The delimiter, comma, semicolon or tab, is found in the first row.

Axes: C channels, T samples in time.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, ReadError
from medts.core.files import write_whole
from medts.core.records import Record
from medts.formats.base import Channel, Format, Hints, gather, head_of, settle_rate
from medts.formats.layout import REMEDY, flatten

_HEADING = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^\]]*)\]|\((?P<round>[^)]*)\))?\s*")
_TIME_NAMES = ("time", "time_s", "t", "time_ms")
_MISSING = ("", "nan", "NaN", "NAN", "NA", "null")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?")
_JITTER = 0.01
"""Share of a sampling interval by which one may differ from the others."""

_ROUNDING = 0.75
"""Share of a sampling interval by which a rounded time may miss its place; a lost sample is 1."""


def recognises(path: Path) -> bool:
    """Whether the file is text whose first two rows look like names and numbers."""
    head = head_of(path, 65_536)
    if not head.strip() or b"\0" in head:
        return False
    lines = _decode(head).splitlines()[:2]
    if len(lines) < 2:
        return False
    delimiter = _delimiter(lines[0])
    names, cells = (next(csv.reader([line], delimiter=delimiter), []) for line in lines)
    return bool(names) and len(names) == len(cells) and any(_is_number(cell) for cell in cells)


def read(path: Path, hints: Hints) -> Record:
    """Reads a table of channels.

    Raises:
        ReadError: If a cell is not a number, the times are uneven, or rate, names and units do
            not suffice.
    """
    headings, table, stamped = _read_table(path, hints)
    names, units = zip(*(_split_heading(heading) for heading in headings), strict=True)
    stated: float | None = None
    first = 0
    if names[0].lower() in _TIME_NAMES or 0 in stamped:
        first = 1
        is_ms = names[0].lower() == "time_ms" or units[0].lower() == "ms"
        stated = _infer_rate(path, table[0] / (1000.0 if is_ms else 1.0), hints)
    sampling_rate = settle_rate(path, stated, hints)
    channels = [
        Channel(names[row], table[row], sampling_rate, units[row])
        for row in range(first, len(names))
        if row not in stamped
    ]
    return Record(record_id=path.stem, streams=gather(path, channels, hints))


def write(record: Record, path: Path) -> None:
    """Writes times and signals; numbers are exact, everything but the signals is left out.

    Raises:
        MedtsError: If streams differ in rate, start or length.
    """
    channels = flatten(record, path)
    rates = {channel.sampling_rate for channel in channels}
    if len(rates) > 1:
        raise MedtsError("streams of several sampling rates", path=path, remedy=REMEDY)
    times = np.arange(len(channels[0].values)) / rates.pop()
    columns = [[repr(time) for time in times.tolist()]]
    for channel in channels:
        values = channel.values.astype(np.float32)
        columns.append(["" if np.isnan(value) else str(value) for value in values])
    with write_whole(path) as target, target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time_s", *(f"{channel.name} [{channel.unit}]" for channel in channels)])
        writer.writerows(zip(*columns, strict=True))


FORMAT = Format("csv", "CSV", (".csv", ".tsv", ".txt"), recognises, read, write, order=90)


def _decode(data: bytes) -> str:
    """Reads UTF-8 with or without its mark, else Latin-1, as older devices write µ."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _split_heading(heading: str) -> tuple[str, str]:
    """Splits ``I [mV]`` into name and unit."""
    match = _HEADING.fullmatch(heading.strip())
    if match is None:
        return heading.strip(), ""
    return match["name"], (match["square"] or match["round"] or "").strip()


def _read_table(path: Path, hints: Hints) -> tuple[list[str], Float[np.ndarray, "C T"], set[int]]:
    """Returns the headings, the columns as rows, and which of them hold dates, in seconds."""
    import pyarrow as pa
    import pyarrow.csv as table_reader

    text = _decode(path.read_bytes())
    line, _, body = text.partition("\n")
    delimiter = _delimiter(line)
    headings = [cell.strip() for cell in next(csv.reader([line.strip()], delimiter=delimiter), [])]
    if all(_is_number(cell) for cell in headings):
        if hints.channels is None or len(hints.channels) != len(headings):
            problem = f"the first row holds {len(headings)} numbers instead of channel names"
            remedy = "Add a row of names, or pass channels= with one name per column"
            raise ReadError(problem, path=path, field="channels", remedy=remedy)
        headings, body = list(hints.channels), text
    columns = [f"c{number}" for number in range(len(headings))]
    cells = next(csv.reader([body.partition("\n")[0]], delimiter=delimiter), [])
    stamped = {at for at, cell in enumerate(cells) if _STAMP.fullmatch(cell.strip())}
    kinds = {
        c: pa.timestamp("ns") if at in stamped else pa.float64() for at, c in enumerate(columns)
    }
    try:
        table = table_reader.read_csv(
            io.BytesIO(body.encode()),
            read_options=table_reader.ReadOptions(column_names=columns),
            parse_options=table_reader.ParseOptions(delimiter=delimiter),
            convert_options=table_reader.ConvertOptions(
                column_types=kinds, null_values=list(_MISSING)
            ),
        )
    except pa.ArrowInvalid as error:
        raise _locate(path, text, delimiter, headings, stamped) or ReadError(
            f"the table cannot be read: {error}", path=path
        ) from error
    signal = np.stack([_numbers(column.to_numpy()) for column in table.columns])
    return headings, signal, stamped


def _numbers(column: np.ndarray) -> Float[np.ndarray, "T"]:
    """Returns a column as it is, of dates the seconds since the first of them."""
    is_time = np.issubdtype(column.dtype, np.datetime64)
    return ((column - column[0]) / np.timedelta64(1, "s") if is_time else column).astype(np.float64)


def _locate(
    path: Path, text: str, delimiter: str, headings: list[str], stamped: set[int]
) -> ReadError | None:
    """Finds the first row or cell that breaks the table, counting rows as an editor does."""
    for number, cells in _rows(text, delimiter):
        if len(cells) != len(headings):
            problem = f"{len(cells)} cells where the first row has {len(headings)}"
            remedy = "Give every row one cell per column; leave cells empty where data lack"
            return ReadError(problem, path=path, field=f"row {number}", remedy=remedy)
        for at, (heading, cell) in enumerate(zip(headings, cells, strict=True)):
            if at in stamped and _STAMP.fullmatch(cell.strip()):
                continue
            if number > 1 and cell.strip() not in _MISSING and not _is_number(cell):
                return ReadError(
                    f"{cell.strip()!r} is not a number",
                    path=path,
                    field=f"row {number}, column {heading}",
                    remedy="Leave the cell empty if the sample was not recorded",
                )
    return None


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    for cells in reader:
        if cells:
            yield reader.line_num, cells


def _infer_rate(path: Path, times: Float[np.ndarray, "T"], hints: Hints) -> float | None:
    """Returns the mean rate of evenly spaced times in Hz; None for a single row.

    With ``sampling_rate=`` given, rounded times are accepted if no sample is out of its place.
    """
    steps = np.diff(times)
    if steps.size == 0:
        return None
    average = f"on average it is {steps.size / max(float(times[-1] - times[0]), 1e-12):.6g} Hz"
    if hints.sampling_rate is not None:
        place = (times - times[0]) * hints.sampling_rate
        is_even = np.abs(place - np.arange(times.size)) < _ROUNDING
        expected = 1.0 / hints.sampling_rate
        remedy = f"Correct sampling_rate= ({average}), or resample"
    else:
        expected = float(np.median(steps))
        is_even = np.append(True, np.abs(steps - expected) <= _JITTER * abs(expected))
        remedy = (
            f"Resample to even steps; if times are only rounded, pass sampling_rate= ({average})"
        )
    if expected <= 0 or not np.all(is_even):
        sample = max(int(np.argmin(is_even)), 1)
        raise ReadError(
            f"sample {sample} follows at {times[sample]:g} s on {times[sample - 1]:g} s; "
            f"even steps would be {expected:g} s",
            path=path,
            field="time",
            remedy=remedy,
        )
    if hints.sampling_rate is not None:
        return hints.sampling_rate
    rate = steps.size / float(times[-1] - times[0])
    return float(round(rate)) if abs(rate - round(rate)) <= 1e-6 * rate else rate
