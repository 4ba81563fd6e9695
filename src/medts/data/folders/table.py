"""Label tables as people keep them: any delimiter, byte order mark, Latin-1, decimal commas.

Rows are numbered as an editor shows them, so that an error can name one.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from medts.core.errors import ReadError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "<na>", "#n/a"})
"""Cells, in lower case, that hold nothing."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+")


@dataclass(frozen=True)
class Row:
    """One row of a table: its line in the file, and its cells by column, trimmed."""

    number: int
    cells: Mapping[str, str]

    def known(self, column: str) -> str:
        """Returns a cell, empty if it holds nothing."""
        cell = self.cells[column]
        return "" if cell.lower() in MISSING else cell


class Table:
    """Columns and rows of a CSV file.

    Args:
        path: The file.

    Raises:
        ReadError: If it is missing, no table of text, names a column twice, or has a row of
            another length.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines, self._has_decimal_commas = _lines(path)
        header, *body = lines
        blank = [at for at, name in enumerate(header[1]) if not name]
        for at in blank:  # a trailing delimiter makes a column of nothing
            filled = next((n for n, cells in body if at < len(cells) and cells[at]), None)
            if filled is not None:
                problem = f"column {at + 1} has no name, but a value in row {filled}"
                raise ReadError(problem, path=path, field="header")
        self.columns = tuple(name for name in header[1] if name)
        if doubled := sorted({name for name in self.columns if self.columns.count(name) > 1}):
            raise ReadError(f"column {doubled[0]!r} occurs twice", path=path, field="header")
        for number, cells in body:
            if len(cells) != len(header[1]):
                problem = f"{len(cells)} cells where the header has {len(header[1])}"
                remedy = "Put quotes around cells that hold the delimiter"
                raise ReadError(problem, path=path, field=f"row {number}", remedy=remedy)
        self.rows = tuple(
            Row(number, {name: cell for name, cell in zip(header[1], cells, strict=True) if name})
            for number, cells in body
        )
        if not self.rows:
            raise ReadError("the table has no rows", path=path)

    def require(self, flags: Mapping[str, str]) -> None:
        """Checks that the named columns are there.

        Args:
            flags: For each column the flag that names it.

        Raises:
            ReadError: If one is not.
        """
        for column, flag in flags.items():
            if column not in self.columns:
                remedy = f"Columns: {', '.join(self.columns)}"
                problem = f"no column {column!r}"
                raise ReadError(problem, path=self.path, field=flag, remedy=remedy)

    def number(self, row: Row, column: str, flag: str) -> float:
        """Returns a cell as a number, NaN where it holds nothing.

        Raises:
            ReadError: If it is anything else.
        """
        text = row.known(column)
        if not text:
            return math.nan
        if self._has_decimal_commas and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            raise self.fault(f"{text!r} is not a number", (row,), column, flag)
        return value

    def fault(
        self,
        problem: str,
        rows: Iterable[Row],
        column: str,
        flag: str,
        remedy: str | None = None,
    ) -> ReadError:
        """Builds an error that names file, rows, column and flag."""
        field = f"{rows_in_words(rows)}, column {column} ({flag})"
        return ReadError(problem, path=self.path, field=field, remedy=remedy)


def rows_in_words(rows: Iterable[Row], n_shown: int = 5) -> str:
    """Returns the numbers of some rows, the first few and how many there are."""
    numbers = sorted({row.number for row in rows})
    text = ", ".join(map(str, numbers[:n_shown]))
    more = f", … ({len(numbers)} in all)" if len(numbers) > n_shown else ""
    return f"row{'s' if len(numbers) > 1 else ''} {text}{more}"


def _lines(path: Path) -> tuple[list[tuple[int, list[str]]], bool]:
    """Returns the rows that hold anything, with their numbers, and whether commas are decimal."""
    if not path.is_file():
        raise ReadError("no such file", path=path, field="--labels")
    text = _decode(path)
    delimiter, skipped = _delimiter(text), 0
    if (first := text.partition("\n"))[0].lower().startswith("sep="):
        text, skipped = first[2], 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num + skipped, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise ReadError(f"not a CSV table: {error}", path=path, field="--labels") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        raise ReadError("the table is empty", path=path, field="--labels")
    return lines, delimiter != ","


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if data.startswith(b"PK\x03\x04") or b"\0" in data[:65_536]:
        remedy = "Save it as CSV"
        raise ReadError("not a table of text", path=path, field="--labels", remedy=remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    if first.lower().startswith("sep=") and len(first) > 4:
        return first[4]
    return max(",;\t|", key=first.count)
