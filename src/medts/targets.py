"""Targets (y) as scikit-learn users hold them: classes, indicator rows, lists, numbers.

Lists, NumPy arrays, pandas Series and DataFrames, SciPy sparse matrices and tensors are read by
position; a pandas index is ignored. Missing values are refused with the row that has one, as
scikit-learn does; only numbers may be NaN.

Axes: n records, K classes or numbers.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import MultiLabelBinarizer

from medts.core.errors import ConfigError
from medts.core.labels import LabelKind, LabelSet, number_text

NAME = "memory/labels"


@dataclass(frozen=True)
class Targets:
    """Labels of every record, and what they mean.

    Args:
        labels: Class names that hold, or numbers as text, for each record.
        label_set: Classes in the order of probabilities, or names of numbers.
        values: The classes as the caller wrote them.
        is_flat: True for one value per record, False for a row of them.
    """

    labels: list[tuple[str, ...]]
    label_set: LabelSet
    values: list[Any]
    is_flat: bool


def read_classes(y: Any) -> Targets:
    """Reads one class per record, 0/1 indicator rows, or lists of labels (multi-label).

    Raises:
        ConfigError: If a value is missing, or y is none of the three.
    """
    plain = _plain(y)
    if isinstance(plain, list):
        values = sorted({label for labels in plain for label in labels}, key=_order)
        return _targets(plain, values, "multi")
    if plain.ndim == 1:
        values = sorted(set(plain.tolist()), key=_order)
        return _targets([(value,) for value in plain.tolist()], values, "single", is_flat=True)
    if not np.isin(plain, (0, 1)).all():
        raise ConfigError(
            f"rows of {plain.shape[1]} values that are not all 0 or 1",
            field="y",
            remedy="Give one class per record, rows of zeros and ones, or lists of labels",
        )
    values = list(getattr(y, "columns", range(plain.shape[1])))
    held = [tuple(values[k] for k in np.flatnonzero(row)) for row in plain.astype(int)]
    return _targets(held, values, "multi")


def read_numbers(y: Any) -> Targets:
    """Reads regression targets ``(n,)`` or ``(n, K)``; NaN where one is missing.

    Raises:
        ConfigError: If a value is no number, or infinite.
    """
    is_frame = hasattr(y, "columns")
    try:
        numbers = np.asarray(y.toarray() if hasattr(y, "toarray") else y, dtype=float)
    except (TypeError, ValueError) as error:
        raise ConfigError("not every target is a number", field="y") from error
    if numbers.ndim not in (1, 2) or np.isinf(numbers).any():
        raise ConfigError(
            "targets are numbers of shape (n,) or (n, K), NaN where one is missing", field="y"
        )
    is_flat = numbers.ndim == 1
    columns = numbers.reshape(len(numbers), -1)
    numbered = range(columns.shape[1])
    names = list(y.columns) if is_frame else ["y"] if is_flat else [f"y{k}" for k in numbered]
    labels = [tuple(map(number_text, row)) for row in columns.tolist()]
    label_set = LabelSet(name=NAME, classes=tuple(map(str, names)), kind="number")
    return Targets(labels, label_set, names, is_flat)


def indicator(y: Any, values: Sequence[Any]) -> np.ndarray:
    """Binarizes multi-label targets of any form to rows of zeros and ones over known classes.

    Raises:
        ConfigError: If a label is none of the classes.
    """
    position = {str(value): k for k, value in enumerate(values)}
    found = read_classes(y).labels
    if unknown := sorted({label for labels in found for label in labels} - set(position)):
        raise ConfigError(f"{', '.join(unknown)}: no class of this model", field="y")
    binarizer = MultiLabelBinarizer(classes=list(position))
    return np.asarray(binarizer.fit_transform(found))


def _targets(
    held: Sequence[Sequence[Any]], values: list[Any], kind: LabelKind, *, is_flat: bool = False
) -> Targets:
    labels = [tuple(map(str, names)) for names in held]
    label_set = LabelSet(name=NAME, classes=tuple(map(str, values)), kind=kind)
    return Targets(labels, label_set, values, is_flat)


def _plain(y: Any) -> np.ndarray | list[tuple[Hashable, ...]]:
    """Returns an array of one or two axes, or lists of labels; nothing in them is missing."""
    is_sparse = hasattr(y, "toarray")
    rows = list(y.toarray() if is_sparse else np.asarray(y) if hasattr(y, "__array__") else y)
    if any(isinstance(row, (list, tuple, set, frozenset)) for row in rows) and not _is_table(rows):
        for number, row in enumerate(rows):
            if not isinstance(row, (list, tuple, set, frozenset)) or any(map(_is_missing, row)):
                raise _missing(number)
        return [tuple(row) for row in rows]
    array = np.array(rows, dtype=object)
    if array.ndim > 2:
        raise ConfigError(
            f"targets of shape {array.shape}", field="y", remedy="Give (n,) or (n, K)"
        )
    for number, row in enumerate(array.reshape(len(array), -1)):
        if any(map(_is_missing, row)):
            raise _missing(number)
    if array.ndim == 2 and array.shape[1] == 1 and not is_sparse:
        array = array[:, 0]  # a column, as DataFrames and encoders give it
    return np.array([_scalar(value) for value in array.flat], dtype=object).reshape(array.shape)


def _is_table(rows: list[Any]) -> bool:
    """True for lists of equal length that hold zeros and ones alone: indicator rows."""
    if any(
        isinstance(row, (set, frozenset, str, bytes)) or not hasattr(row, "__len__") for row in rows
    ):
        return False
    flat = [value for row in rows for value in row]
    return len({len(row) for row in rows}) == 1 and all(
        not isinstance(value, str) and (_is_missing(value) or value in (0, 1)) for value in flat
    )


def _scalar(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _is_missing(value: Any) -> bool:
    value = _scalar(value)
    return value is None or type(value).__name__ == "NAType" or value != value


def _order(value: Any) -> tuple[str, Any]:
    """Sorts numbers by value and everything else as text."""
    is_number = isinstance(value, (int, float))
    return ("", value) if is_number else ("text", str(value))


def _missing(row: int) -> ConfigError:
    return ConfigError(
        f"row {row} has a missing value (None or NaN), which is no class",
        field="y",
        remedy="Leave out records without a label",
    )
