"""Inspection of a folder: what is in it, what would be quarantined, and a command to ingest it.

Columns are proposed by their names, as a person would; nothing is ingested by a proposal.
"""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record
from medts.data.folders.files import Listing, list_files
from medts.data.folders.reading import Hints, frozen, read_with
from medts.data.folders.settings import flag_of
from medts.data.folders.table import Row, Table

_NAMED = {
    "--subject-column": r"(subject|patient|participant|person)(id|no|number|code)?|pid|mrn",
    "--fold-column": r"(strat)?fold|split",
    "--start-column": r"(start|begin|onset)(s|sec|time|times)?",
    "--end-column": r"(end|stop)(s|sec|time|times)?",
    "--age-column": r"age(years)?",
    "--sex-column": r"sex|gender",
    "--report-column": r"report(text)?",
}
"""Usual names of columns, without blanks and punctuation, by the flag that takes them."""

_LABELS = r"(label|class|diagnosis|dx|finding|rhythm|stage|activity|event|annotation)(e?s)?\d*"
_PLACEHOLDER = {"sampling_rate": "HZ", "unit": "UNIT"}


@dataclass(frozen=True)
class Kind:
    """Recordings of one format with the same streams."""

    format: str
    streams: tuple[tuple[str, float, str, tuple[str, ...]], ...]
    """Modality, Hz, unit and channels of each."""


@dataclass(frozen=True)
class Inspection:
    """What a folder holds.

    Args:
        durations_s: Length of every recording by its name, by kind.
        refused: Files that would be quarantined, by the reason.
        table: The table that names most files, where there is one.
        n_named: How many files it names.
        command: What to type.
        hints: What a person must decide or find out first.
    """

    durations_s: dict[Kind, dict[str, float]]
    refused: dict[str, list[str]]
    table: Table | None
    n_named: int
    command: str
    hints: tuple[str, ...]


def inspect(
    folder: Path,
    hints: dict[str, Any],
    *,
    progress: Callable[[Iterable[str], int], Iterator[str]] = lambda names, _: iter(names),
) -> Inspection:
    """Reads every recording of a folder and proposes how to ingest it.

    Args:
        folder: Where they are.
        hints: Reading hints, as for `medts.read`.
        progress: Called as ``progress(names, total)``; yields the names unchanged.

    Raises:
        ReadError: If there is no such folder, or it holds nothing that looks like a recording.
    """
    listing, fixed = list_files(folder), frozen(hints)
    durations_s: dict[Kind, dict[str, float]] = {}
    faults: dict[str, ReadError] = {}
    for name in progress(listing.files, len(listing.files)):
        try:
            record = read_with(listing.files[name], fixed)
        except ReadError as error:
            faults[name] = error
        else:
            kind = _kind_of(record, listing.format_of[name])
            durations_s.setdefault(kind, {})[name] = record.duration_s
    alone = [name for each in durations_s.values() if len(each) == 1 for name in each]
    table, column, n_named = _find_table(listing, [*faults, *alone])
    if table is not None:  # which hints may have made a recording of numbers
        own = table.path.relative_to(folder).as_posix()
        faults.pop(own, None)
        durations_s = {kind: each for kind, each in durations_s.items() if list(each) != [own]}
    refused: dict[str, list[str]] = {}
    for name, error in faults.items():
        refused.setdefault(_reason(error), []).append(name)
    proposed = _flags(table, column)
    missing = _missing(faults.values(), fixed)
    words = ["medts", "ingest", "folder", str(folder), "STORE"]
    for flag, values in {**proposed, **missing, **_given(hints)}.items():
        words += [flag, *values]
    return Inspection(
        durations_s, refused, table, n_named, shlex.join(words), _advice(table, proposed, missing)
    )


def _kind_of(record: Record, format_name: str) -> Kind:
    streams = ((s.modality, s.sampling_rate, s.unit, s.channels) for s in record.streams.values())
    return Kind(format_name, tuple(streams))


def _reason(error: ReadError) -> str:
    """Returns what is wrong and the remedy, without the file and its numbers."""
    return f"{error.problem}. {error.remedy}" if error.remedy else error.problem


def _find_table(listing: Listing, candidates: Iterable[str]) -> tuple[Table | None, str, int]:
    """Finds the table and the column whose cells name most files, at least half of them."""
    best: tuple[Table | None, str, int] = (None, "", 0)
    for name in candidates:
        path = listing.folder / name
        if path.suffix.lower() not in (".csv", ".tsv"):
            continue
        try:
            table = Table(path)
        except MedtsError:
            continue
        for column in table.columns:
            cells = {row.cells[column] for row in table.rows}
            named = {found[0] for cell in cells if len(found := listing.find(cell)) == 1} - {name}
            if len(named) > best[2]:
                best = (table, column, len(named))
    return best if best[2] >= max(1, (len(listing.files) - 1) / 2) else (None, "", 0)


def _flags(table: Table | None, file_column: str) -> dict[str, list[str]]:
    """Proposes flags from the names and cells of the columns."""
    if table is None:
        return {"--subject-is-file": []}
    flags = {"--labels": [str(table.path)], "--file-column": [file_column]}
    free = [column for column in table.columns if column != file_column]
    for flag, pattern in _NAMED.items():
        if (column := next((c for c in free if _is_called(c, pattern)), None)) is not None:
            flags[flag] = [column]
            free.remove(column)
    codes = {row.known(column) for row in table.rows for column in flags.get("--sex-column", ())}
    if any(code.isdigit() for code in codes):
        flags["--sex-codes"] = ["CODE=male", "CODE=female"]
    flags.setdefault("--subject-column", ["COLUMN"])
    is_repeated = len({row.cells[file_column] for row in table.rows}) < len(table.rows)
    if is_repeated and "--start-column" in flags:
        flags["--window-s"] = ["SECONDS"]
    else:
        flags.pop("--start-column", None)
        flags.pop("--end-column", None)
    named = [column for column in free if _is_called(column, _LABELS)]
    binary = [column for column in free if _is_binary(table.rows, column)]
    flags["--label-columns"] = named or binary or ["COLUMN"]
    if len(named) == 1 and any(";" in row.cells[named[0]] for row in table.rows):
        flags["--label-separator"] = [";"]
    return flags


def _is_called(column: str, pattern: str) -> bool:
    return re.fullmatch(pattern, re.sub(r"[^a-z0-9]", "", column.lower())) is not None


def _is_binary(rows: tuple[Row, ...], column: str) -> bool:
    return {row.known(column) for row in rows} - {""} == {"0", "1"}


def _missing(faults: Iterable[ReadError], given: Hints) -> dict[str, list[str]]:
    """Returns the reading flag that most of the refused files lack."""
    known = {name for name, _ in given}
    wanted = Counter(
        name
        for error in faults
        for name in _PLACEHOLDER
        if name not in known and flag_of(name) in (error.remedy or "")
    )
    return {flag_of(name): [_PLACEHOLDER[name]] for name, _ in wanted.most_common(1)}


def _given(hints: dict[str, Any]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for name, value in hints.items():
        if name == "rename":
            words[flag_of(name)] = [f"{old}={new}" for old, new in value.items()]
        else:
            words[flag_of(name)] = list(value) if isinstance(value, tuple) else [str(value)]
    return words


def _advice(
    table: Table | None, flags: dict[str, list[str]], missing: dict[str, list[str]]
) -> tuple[str, ...]:
    lines = []
    if table is not None:
        lines.append(f"columns of {table.path.name}: {', '.join(table.columns)}")
    if flags.get("--subject-column") == ["COLUMN"]:
        lines.append(
            "no column looks like the subject: name it, or --same-subject-column, or pass "
            "--subject-is-file where persons are unknown"
        )
    if flags.get("--label-columns") == ["COLUMN"]:
        lines.append("no column looks like labels: name --label-columns or --target-columns")
    if table is None:
        lines.append("no table names these files, so there are no labels: this is for pretraining")
    lines += [f"{f} is what files lack; `medts info FOLDER {f} ...` tries a value" for f in missing]
    return tuple(lines)
