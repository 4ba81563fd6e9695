"""Reading helpers of datasets: CSV tables, recordings, refused entries, folds by hash."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medts.core.errors import ReadError
from medts.core.files import read_table_text
from medts.core.records import Fact, Record
from medts.data.sources.base import Entry

_SEX = {"M": "male", "F": "female"}
_SHARES = {"train": 0.6, "validation": 0.8, "test": 1.0}
_MISSING = ["", " ", "NaN", "nan", " NaN", "NA"]


def refuse(error: ReadError) -> Record:
    """Raises ``error``; as ``partial(refuse, error)`` it is the `load` of an unreadable record."""
    raise error


def refused(record_id: str, subject_id: str, fold: str, error: ReadError) -> Entry:
    """Returns the entry of an unreadable record."""
    return Entry(record_id, subject_id, fold, partial(refuse, error))


def wrong_folder(problem: str, path: Path, corpus: str) -> ReadError:
    """Builds the error for a folder or file that is not the official distribution of a corpus."""
    remedy = f"Point to the folder of the official {corpus} distribution"
    return ReadError(problem, path=path, remedy=remedy)


def require_file(path: Path, *, corpus: str) -> Path:
    """Returns ``path`` if it is a file.

    Raises:
        ReadError: If it is not; the remedy names the corpus that was expected there.
    """
    if not path.is_file():
        raise wrong_folder("no such file", path, corpus)
    return path


def read_rows(
    path: Path,
    columns: Sequence[str],
    *,
    corpus: str,
    delimiter: str = ",",
    is_ragged: bool = True,
) -> list[dict[str, str]]:
    """Reads a CSV table, rows by column name.

    Args:
        path: The file.
        columns: Those that it must have.
        corpus: For the error.
        delimiter: Between cells.
        is_ragged: Whether cells that a row lacks are empty; else such a row is refused.

    Raises:
        ReadError: If it is missing, no such table, or lacks a column, or a cell where none may be
            missing.
    """
    text = read_table_text(require_file(path, corpus=corpus))
    heading = text.partition("\n")[0]
    if delimiter == "," and "," not in heading:  # saved by a program of another country
        delimiter = max(",;\t", key=heading.count)
    empty = "" if is_ragged else None
    try:
        lines = io.StringIO(text, newline="")
        reader = csv.DictReader(lines, delimiter=delimiter, restval=empty, restkey="rest")
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        rows = list(reader)
    except csv.Error as error:
        raise ReadError(f"not a CSV table: {error}", path=path) from error
    if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
        remedy = f"Use the table of the official {corpus} distribution"
        problem = f"no column {', '.join(map(repr, missing))}"
        raise ReadError(problem, path=path, field="header", remedy=remedy)
    if not is_ragged and (
        cut := [n for n, row in enumerate(rows, start=2) if None in row.values()]
    ):
        remedy = f"Fetch the table of the official {corpus} distribution again"
        raise ReadError(
            "the row has too few cells", path=path, field=f"row {cut[0]}", remedy=remedy
        )
    return rows


def read_file(path: Path, **hints: Any) -> Record:
    """Reads a recording; imports the readers only now, since listing needs none of them."""
    import medts.formats

    return medts.formats.read(path, **hints)


def hashed_fold(corpus: str, record_id: str, ends: Mapping[str, float] | None = None) -> str:
    """Returns the fold that a hash of the id gives: 60 % train, 20 % validation, 20 % test.

    It never depends on which part of the corpus is at hand. Other shares are given by where each
    fold ends on the way from 0 to 1.

    >>> hashed_fold("ludb", "1"), hashed_fold("ludb", "4"), hashed_fold("ludb", "5")
    ('train', 'validation', 'test')
    """
    digest = hashlib.sha256(f"{corpus}/{record_id}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return next(fold for fold, end in (ends or _SHARES).items() if place < end)


def spell_out_sex(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Returns facts with the sex ``M`` or ``F`` of a header or table written out."""
    sex = facts.get("sex")
    return {**facts, "sex": _SEX[sex]} if isinstance(sex, str) and sex in _SEX else dict(facts)


def read_numbers(
    path: Path,
    *,
    names: Sequence[str] | None = None,
    delimiter: str = ",",
    kinds: Mapping[str, type] | None = None,
    drop: bytes = b"",
) -> dict[str, np.ndarray]:
    """Returns the columns of a table by name, the blanks around names taken off.

    Args:
        path: The table.
        names: Of the columns, where the file has no row of names.
        delimiter: Character between cells.
        kinds: Columns that hold ``int`` or ``str``; all others hold floating-point numbers.
        drop: A character that is taken out of the file first.
    """
    import pyarrow as pa
    import pyarrow.csv as table_reader

    if not path.is_file():
        raise ReadError("no such file", path=path)
    content = path.read_bytes()
    content = content.replace(drop, b"") if drop else content
    if names is None:
        heading, _, content = content.partition(b"\n")
        names = [name.strip() for name in heading.decode("utf-8-sig", "replace").split(delimiter)]
    kind_of = {int: pa.int64(), str: pa.string()}
    types = {name: kind_of.get((kinds or {}).get(name, float), pa.float64()) for name in names}
    try:
        table = table_reader.read_csv(
            io.BytesIO(content),
            read_options=table_reader.ReadOptions(column_names=list(names)),
            parse_options=table_reader.ParseOptions(delimiter=delimiter),
            convert_options=table_reader.ConvertOptions(column_types=types, null_values=_MISSING),
        )
    except pa.ArrowInvalid as error:
        problem = f"not a table of {len(names)} columns of numbers: {error}"
        raise ReadError(problem, path=path, remedy="Fetch the file again") from error
    if not table.num_rows:
        raise ReadError("the table has no rows", path=path)
    return {name: table[name].to_numpy() for name in names}
