"""Label table from CSV, columns by class name only: wrong column orders become impossible.

Published label tables order their columns differently from file to file: PTB-XL's sub-classes, as
MERL and MELP ship them, stand in another order for training than for validation and test. Read by
position, three of 23 classes are scored on the wrong column. Reading by position is left to
`medts.evaluation.legacy`, where published mistakes are repeated on purpose.

Axes: R records, K classes.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import ReadError, unknown_name
from medts.core.files import read_table_text


class LabelTable:
    """Rows of zeros and ones under class names.

    Args:
        path: CSV file with a header.
        id_column: Column that holds the record ids.
        facts: Columns besides it that are no classes.

    Raises:
        ReadError: If the file is missing or malformed, names a column twice, lacks the id
            column, or holds a label that is not 0 or 1.
    """

    def __init__(self, path: str | Path, *, id_column: str, facts: Sequence[str] = ()) -> None:
        self._path = Path(path)
        header, rows = rows_in_file_order(self._path)
        for name in (id_column, *facts):
            if name not in header:
                remedy = f"Columns: {', '.join(header)}"
                problem = f"no column {name!r}"
                raise ReadError(problem, path=self._path, field="header", remedy=remedy)
        columns = {name: [row[at] for row in rows] for at, name in enumerate(header)}
        self.record_ids: tuple[str, ...] = tuple(columns.pop(id_column))
        self._facts = {name: tuple(columns.pop(name)) for name in facts}
        self._labels = {name: self._numbers(name, values) for name, values in columns.items()}

    def __len__(self) -> int:
        return len(self.record_ids)

    @property
    def classes(self) -> frozenset[str]:
        """Names of the classes, in no order."""
        return frozenset(self._labels)

    def fact(self, name: str) -> tuple[str, ...]:
        """Returns a column that is no class, as text."""
        if name not in self._facts:
            raise unknown_name(f"fact of {self._path.name}", name, self._facts)
        return self._facts[name]

    def target(self, classes: Sequence[str]) -> Float[np.ndarray, "R K"]:
        """Returns zeros and ones in the order of the given names (multi-hot encoding)."""
        for name in classes:
            if name not in self._labels:
                raise unknown_name(f"class of {self._path.name}", name, self._labels)
        return np.stack([self._labels[name] for name in classes], axis=1)

    def _numbers(self, name: str, values: Sequence[str]) -> Float[np.ndarray, "R"]:
        odd = next((value for value in values if value not in ("0", "1", "0.0", "1.0")), None)
        if odd is not None:
            remedy = "Name the columns that are no classes as facts"
            raise ReadError(f"{odd!r} is not 0 or 1", path=self._path, field=name, remedy=remedy)
        return np.array([float(value) for value in values])


def rows_in_file_order(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns header and rows of a CSV file; empty lines, also before the header, are skipped."""
    if not path.is_file():
        raise ReadError("no such file", path=path)
    text = io.StringIO(read_table_text(path), newline="")
    lines = [row for row in csv.reader(text) if row]
    if not lines:
        raise ReadError("the file is empty", path=path)
    header, rows = lines[0], lines[1:]
    if doubled := sorted({name for name in header if header.count(name) > 1}):
        raise ReadError(f"column {', '.join(doubled)} occurs twice", path=path, field="header")
    short = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if short is not None:
        problem = f"row {short + 1} has {len(rows[short])} cells, the header {len(header)}"
        raise ReadError(problem, path=path)
    return header, rows
