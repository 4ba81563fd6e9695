"""CSV: a table with one column per channel, one row per sample, and names above the numbers.

A column ``time_s``, ``time [ms]``, ``t`` (seconds) or of clock times gives the sampling rate, else
a preamble such as ``# fs: 250``. Units stand beside the names, as in ``I [mV]`` or ``EEG Fp1
(uV)``, or in a row below them. Empty cells and ``nan`` are samples never recorded. Delimiter,
decimal comma and encoding are found in the file (`medts.formats.csv_layout`).

Axes: C channels, T samples in time.
"""

import csv
import io
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from medts.core.channels import canonical_channel
from medts.core.errors import MedtsError, ReadError
from medts.core.files import write_whole
from medts.core.records import Record
from medts.formats.base import Channel, Format, Hints, gather, head_of, settle_rate
from medts.formats.csv_layout import (
    HEAD,
    MISSING,
    Layout,
    decode,
    find_layout,
    is_number,
    split_heading,
)
from medts.formats.csv_times import clock_seconds, infer_rate, is_clock, time_unit
from medts.formats.layout import REMEDY, flatten

_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(?:0|\d{4,})?,\d|,\d{1,2}(?!\d)|,\d{4}")
"""A comma that cannot separate thousands."""

_AGREEMENT = 0.02
"""Share by which a rate in the preamble may differ from that of the times."""


def recognises(path: Path) -> bool:
    """Whether the file is text with rows of numbers, after whatever an export puts above them."""
    head = head_of(path, HEAD)
    if not head.strip():
        return False
    text = decode(head)
    is_text = not any(character in text for character in "\0\x01\x02\x03\x04")
    return is_text and find_layout(text) is not None


def read(path: Path, hints: Hints) -> Record:
    """Reads a table of channels; a column of words is left out and said.

    Raises:
        ReadError: If a cell is not a number, the times are uneven, or rate, names and units do
            not suffice.
    """
    text = decode(path.read_bytes())
    layout = find_layout(text[:HEAD])
    if layout is None:
        raise ReadError("no row of numbers", path=path, remedy="Write one row per sample")
    table = _read_table(path, text, replace(layout, headings=_names(path, layout, hints)), hints)
    axes = sorted(
        (each for each in table.columns if each.time_unit is not None),
        key=lambda each: str(each.time_unit).startswith("sample"),
    )
    stated = _rate(path, axes[0], layout, hints) if axes else None
    sampling_rate = settle_rate(path, stated or layout.sampling_rate, hints)
    channels = [
        Channel(each.name, each.values, sampling_rate, each.unit or layout.unit)
        for each in _without_row_numbers(table.columns, hints)
        if each.time_unit is None
    ]
    facts = {"left_out": f"not numbers: {', '.join(table.left_out)}"} if table.left_out else {}
    return Record(record_id=path.stem, streams=gather(path, channels, hints), facts={**facts})


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


@dataclass(frozen=True)
class _Column:
    """A column of numbers; ``time_unit`` is that of times (s, ms, samples), None in a channel."""

    name: str
    unit: str
    values: Float[np.ndarray, "T"]
    time_unit: str | None


@dataclass(frozen=True)
class _Table:
    columns: list[_Column] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def _names(path: Path, layout: Layout, hints: Hints) -> tuple[str, ...]:
    """Returns a name for each cell of the first row of numbers; none for those of a last comma."""
    headings, width = layout.headings, len(layout.row)
    if not headings:
        n_filled = max(n for n, cell in enumerate(layout.row, start=1) if cell)
        if hints.channels is None or len(hints.channels) not in (width, n_filled):
            problem = f"the first row holds {n_filled} numbers instead of channel names"
            remedy = "Add a row of names, or pass channels= (--channels) with one name per column"
            raise ReadError(problem, path=path, field="channels", remedy=remedy)
        headings = hints.channels
    while len(headings) > width and not headings[-1]:
        headings = headings[:-1]
    if len(headings) > width or any(layout.row[len(headings) :]):
        raise _wrong_width(path, layout.first + 1, width, len(headings), layout)
    return headings + ("",) * (width - len(headings))


def _wrong_width(path: Path, row: int, found: int, expected: int, layout: Layout) -> ReadError:
    where = "the first row" if layout.first <= 1 else "the row of names"
    remedy = "Give every row one cell per column; leave cells empty where data lack"
    if layout.delimiter == "," and found == 2 * expected:
        remedy = "If the commas are decimal, export with a decimal point or with semicolons"
    problem = f"{found} cells where {where} has {expected}"
    return ReadError(problem, path=path, field=f"row {row}", remedy=remedy)


def _read_table(path: Path, text: str, layout: Layout, hints: Hints) -> _Table:
    """Parses the rows of numbers: at once, else column by column."""
    body = _body(text, layout)
    n_named = len(layout.headings)
    while n_named and not (layout.headings[n_named - 1] or layout.row[n_named - 1]):
        n_named -= 1  # rows end in a delimiter
    clocks = [is_clock(cell) for cell in layout.row]
    is_text = [*clocks[:n_named], *[True] * (len(layout.row) - n_named)]
    cells = _parse(body, layout, is_text, ".")
    has_comma = "," in body and (layout.delimiter != "," or '"' in body)
    if cells is None and has_comma and (layout.is_listing or _DECIMAL_COMMA.search(body)):
        cells = _parse(body, layout, is_text, ",")
    if cells is None:
        cells = _parse(body, layout, [True] * len(is_text), ".")
    if cells is None:
        raise _odd_row(path, body, layout)
    if any(any(map(str.strip, column.to_pylist())) for column in cells[n_named:]):
        raise _wrong_width(path, layout.first + 1, len(cells), n_named, layout)
    table = _Table()
    for number in range(n_named):
        name, unit = split_heading(layout.headings[number])
        unit = unit or (layout.units[number] if number < len(layout.units) else "")
        column, time = cells[number], time_unit(name, unit)
        if clocks[number]:
            field = f"column {name}"
            values, time = clock_seconds(path, field, layout.first + 1, column.to_pylist()), "s"
        else:
            values = column if isinstance(column, np.ndarray) else _numbers(column)
        if values is not None:
            table.columns.append(_Column(name, unit, values, time))
        elif _is_left_out(name, column, hints):
            table.left_out.append(name)
        else:
            raise _odd_cell(path, body, layout, number)
    return _trimmed(table)


def _is_left_out(name: str, column: Any, hints: Hints) -> bool:
    """Whether a column that is not all numbers is not wanted, or without any number."""
    if hints.channels is not None:
        return canonical_channel(hints.renamed(name)) not in hints.channels
    return not any(map(is_number, map(_bare, column.to_pylist())))


def _body(text: str, layout: Layout) -> str:
    """Returns the rows of numbers."""
    at = 0
    for _ in range(layout.first):
        at = text.index("\n", at) + 1
    body = text[at:]
    if layout.is_listing:
        return "\n".join(line.strip('",; ') for line in body.split("\n"))
    if layout.delimiter == " ":
        return "\n".join(" ".join(line.split()) for line in body.split("\n"))
    return body


def _parse(body: str, layout: Layout, is_text: list[bool], decimal: str) -> list[Any] | None:
    """Returns one array per column, of numbers or of text (Arrow); None if a cell does not fit."""
    import pyarrow as pa
    import pyarrow.csv as table_reader

    columns = [f"c{number}" for number in range(len(is_text))]
    kinds = [pa.string() if each else pa.float64() for each in is_text]
    try:
        table = table_reader.read_csv(
            io.BytesIO(body.encode()),
            read_options=table_reader.ReadOptions(column_names=columns),
            parse_options=table_reader.ParseOptions(delimiter=layout.delimiter),
            convert_options=table_reader.ConvertOptions(
                column_types=dict(zip(columns, kinds, strict=True)),
                null_values=list(MISSING),
                decimal_point=decimal,
            ),
        )
    except pa.ArrowInvalid:
        return None
    pairs = zip(table.columns, is_text, strict=True)
    return [column if each else column.to_numpy().astype(np.float64) for column, each in pairs]


def _numbers(column: Any) -> Float[np.ndarray, "T"] | None:
    """Parses a column of text with points or with commas for decimals; None if a cell is none."""
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute  # its functions are made at run time
    cells = pc.replace_substring(pc.utf8_trim(column, " '\"\t"), "−", "-")
    cells = pc.if_else(pc.is_in(cells, pa.array(MISSING)), pa.scalar(None, pa.string()), cells)
    has_comma = pc.any(pc.match_substring(cells, ",")).as_py()
    if has_comma:
        joined = "\n".join(filter(None, cells.to_pylist()))
        if "." in joined or not _DECIMAL_COMMA.search(joined):
            return None
        cells = pc.replace_substring(cells, ",", ".", max_replacements=1)
    try:
        return pc.cast(cells, pa.float64()).to_numpy().astype(np.float64)
    except pa.ArrowInvalid:
        return None


def _bare(cell: str) -> str:
    return cell.strip(" '\"\t")


def _odd_row(path: Path, body: str, layout: Layout) -> ReadError:
    """Finds the first row with too few or too many cells, counting lines as an editor does."""
    reader = csv.reader(io.StringIO(body), delimiter=layout.delimiter)
    for cells in reader:
        if cells and len(cells) != len(layout.row):
            row = layout.first + reader.line_num
            return _wrong_width(path, row, len(cells), len(layout.row), layout)
    return ReadError("the table cannot be read", path=path, remedy="Save it again as CSV in UTF-8")


def _odd_cell(path: Path, body: str, layout: Layout, column: int) -> ReadError:
    """Finds the first cell of a column that is no number."""
    reader = csv.reader(io.StringIO(body), delimiter=layout.delimiter)
    odd = ""
    for cells in reader:
        cell = _bare(cells[column]) if cells else ""
        if cell not in MISSING and not re.fullmatch(
            r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", cell
        ):
            odd = cell
            break
    remedy = "Leave the cell empty if the sample was not recorded"
    if is_number(odd):
        remedy = "Write decimals with a point, and no separators of thousands"
    where = f"row {layout.first + reader.line_num}, column {layout.headings[column]}"
    return ReadError(f"{odd!r} is not a number", path=path, field=where, remedy=remedy)


def _trimmed(table: _Table) -> _Table:
    """Drops rows of empty cells at the end, as spreadsheets write them."""
    is_empty = [np.isnan(each.values) for each in table.columns]
    if not is_empty or not all(each.size and each[-1] for each in is_empty):
        return table
    n_kept = int(np.flatnonzero(~np.all(is_empty, axis=0))[-1:].sum()) + 1
    columns = [replace(each, values=each.values[:n_kept]) for each in table.columns]
    return replace(table, columns=columns)


def _without_row_numbers(columns: list[_Column], hints: Hints) -> list[_Column]:
    """Drops a first column without a name that counts the rows, as data frames write it."""
    first = columns[0]
    is_named = first.name.lower() not in ("", "unnamed: 0")
    is_counting = first.values.size > 1 and bool(np.all(np.diff(first.values) == 1))
    if is_named or not is_counting or len(hints.channels or ()) == len(columns) > 1:
        return columns
    return columns[1:]


def _rate(path: Path, axis: _Column, layout: Layout, hints: Hints) -> float | None:
    """Returns the rate of the times; where they are rounded, that of the preamble if it fits."""
    assert axis.time_unit is not None
    try:
        rate = infer_rate(path, axis.values, axis.time_unit, hints.sampling_rate)
    except ReadError:
        if hints.sampling_rate is not None or layout.sampling_rate is None:
            raise
        return infer_rate(path, axis.values, axis.time_unit, layout.sampling_rate)
    stated = layout.sampling_rate
    if hints.sampling_rate is None and rate and stated and abs(rate / stated - 1) > _AGREEMENT:
        problem = f"the preamble says {stated:g} Hz, the times {rate:g} Hz"
        remedy = "Pass sampling_rate= (--sampling-rate), or correct the file"
        raise ReadError(problem, path=path, field="sampling_rate", remedy=remedy)
    return rate
