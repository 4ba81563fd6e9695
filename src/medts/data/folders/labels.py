"""Label sets and labels from the columns of a table: single, multi-label, numeric targets.

A column of 0 and 1 is a class of a multi-label set. Any other label column holds names of classes:
one column makes a set of which one class holds, several columns or a separator one of which any
number may.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from medts.core.errors import unknown_name
from medts.core.labels import LabelKind, LabelSet, number_text
from medts.data.folders.settings import FolderSettings
from medts.data.folders.table import Row, Table, rows_in_words
from medts.data.sources.base import Labels

CLASSES, NUMBERS = "labels", "targets"
"""Label sets of a folder, after the slash."""

_FLAG, _TARGET_FLAG = "--label-columns", "--target-columns"
_BINARY = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


@dataclass(frozen=True)
class Labelling:
    """Label sets of a table, the labels of its rows, and what a person should look at."""

    label_sets: tuple[LabelSet, ...]
    of_row: Mapping[int, Labels]
    notes: tuple[str, ...]

    def none(self) -> Labels:
        """Returns the labels of what takes part in no set."""
        return dict.fromkeys((each.name.partition("/")[2] for each in self.label_sets), None)


def read_labels(table: Table, settings: FolderSettings, corpus: str) -> Labelling:
    """Reads the label and target columns of a table.

    Raises:
        ReadError: If a cell is no label, or no class is left.
    """
    sets: list[LabelSet] = []
    found: list[tuple[str, Mapping[int, tuple[str, ...] | None]]] = []
    notes: list[str] = []
    rows = [row for row in table.rows if not settings.start_column or _is_placed(row, settings)]
    if settings.label_columns:
        classes, kind, labels = _classes(table, rows, settings, notes)
        sets.append(LabelSet(name=f"{corpus}/{CLASSES}", classes=classes, kind=kind))
        found.append((CLASSES, labels))
    if settings.target_columns:
        names = settings.target_columns
        sets.append(LabelSet(name=f"{corpus}/{NUMBERS}", classes=names, kind="number"))
        found.append((NUMBERS, _numbers(table, rows, names, notes)))
    of_row = {row.number: {name: labels[row.number] for name, labels in found} for row in rows}
    return Labelling(tuple(sets), of_row, tuple(notes))


def _is_placed(row: Row, settings: FolderSettings) -> bool:
    """Whether a row has a time; one without it only names its file."""
    return bool(row.known(settings.start_column))


_OfRow = dict[int, tuple[str, ...] | None]


def _classes(
    table: Table, rows: list[Row], settings: FolderSettings, notes: list[str]
) -> tuple[tuple[str, ...], LabelKind, _OfRow]:
    columns = settings.label_columns
    binary = [column for column in columns if _is_binary(rows, column)]
    if set(settings.classes) - set(columns) and len(columns) == 1:
        binary = []  # the names 0 and 1 are asked for as classes
    if len(binary) == len(columns):
        return _from_binary(rows, settings, notes)
    if binary:
        odd = next(column for column in columns if column not in binary)
        row = next(row for row in rows if row.known(odd).lower() not in _BINARY)
        problem = f"{row.cells[odd]!r} is not 0 or 1, as in column {binary[0]}"
        remedy = "Name columns of 0 and 1, or columns with names of classes"
        raise table.fault(problem, (row,), odd, _FLAG, remedy)
    return _from_names(table, rows, settings, notes)


def _is_binary(rows: list[Row], column: str) -> bool:
    cells = {row.known(column).lower() for row in rows} - {""}
    return bool(cells) and cells <= set(_BINARY)


def _from_binary(
    rows: list[Row], settings: FolderSettings, notes: list[str]
) -> tuple[tuple[str, ...], LabelKind, _OfRow]:
    classes = settings.classes or settings.label_columns
    for name in classes:
        if name not in settings.label_columns:
            raise unknown_name("class among the label columns", name, settings.label_columns)
    labels: _OfRow = {}
    for row in rows:
        cells = {name: _BINARY.get(row.known(name).lower()) for name in classes}
        is_known = None not in cells.values()
        labels[row.number] = tuple(name for name in classes if cells[name]) if is_known else None
    for name in classes:
        _note_missing((row for row in rows if not row.known(name)), name, notes)
    return classes, "multi", labels


def _from_names(
    table: Table, rows: list[Row], settings: FolderSettings, notes: list[str]
) -> tuple[tuple[str, ...], LabelKind, _OfRow]:
    columns, separator = settings.label_columns, settings.label_separator
    is_single = len(columns) == 1 and not separator
    if is_single and separator is None:
        unsplit = [row for row in rows if ";" in row.cells[columns[0]]]
        if unsplit:
            problem = f"{unsplit[0].cells[columns[0]]!r} looks like several classes"
            remedy = "Pass --label-separator ';' to split them, or '' to keep them whole"
            raise table.fault(problem, unsplit, columns[0], _FLAG, remedy)
    given = {row.number: _names(row, columns, separator) for row in rows}
    counts = Counter(name for names in given.values() for name in names)
    if not counts:
        remedy = "Name columns that hold 0 and 1, or names of classes"
        raise table.fault("no row holds a class", rows, columns[0], _FLAG, remedy)
    classes = settings.classes or tuple(sorted(counts))
    labels: _OfRow = {}
    for number, names in given.items():
        kept = tuple(name for name in classes if name in names)
        is_left_out = not names or (is_single and not kept)
        labels[number] = None if is_left_out else kept
    _note_missing((row for row in rows if not given[row.number]), ", ".join(columns), notes)
    _note_classes(counts, classes, notes)
    return classes, "single" if is_single else "multi", labels


def _names(row: Row, columns: tuple[str, ...], separator: str | None) -> tuple[str, ...]:
    cells = [row.known(column) for column in columns]
    split = [cell.split(separator) if separator else [cell] for cell in cells]
    parts = [part.strip() for each in split for part in each]
    return tuple(dict.fromkeys(part for part in parts if part))


def _numbers(table: Table, rows: list[Row], names: tuple[str, ...], notes: list[str]) -> _OfRow:
    labels: _OfRow = {}
    for row in rows:
        values = [table.number(row, name, _TARGET_FLAG) for name in names]
        is_known = not all(map(math.isnan, values))
        labels[row.number] = tuple(map(number_text, values)) if is_known else None
    for name in names:
        _note_missing((row for row in rows if not row.known(name)), name, notes)
    return labels


def _note_missing(rows: Iterable[Row], column: str, notes: list[str]) -> None:
    if rows := list(rows):
        notes.append(f"no label: {rows_in_words(rows)}, column {column}")


def _note_classes(counts: Counter[str], classes: tuple[str, ...], notes: list[str]) -> None:
    others = {name: n for name, n in counts.items() if name not in classes}
    if others:
        most = sorted(others, key=lambda name: -others[name])[:5]
        shown = ", ".join(f"{name} ({others[name]})" for name in most)
        notes.append(f"{len(others)} classes are left out by --classes: {shown}")
    if absent := [name for name in classes if name not in counts]:
        notes.append(f"no row holds {', '.join(absent)}")
    folded: dict[str, list[str]] = {}
    for name in classes:
        folded.setdefault(name.casefold(), []).append(name)
    alike = [" and ".join(names) for names in folded.values() if len(names) > 1]
    if alike:
        notes.append(f"classes that differ in capital letters alone: {'; '.join(alike)}")
