"""Validation of targets and scores before any metric is computed.

Targets are zeros and ones, scores are finite, shapes agree, rows are matched by record id and
never by position. A class without, or with few, positives is legitimate: it is listed, not refused.

Axes: R records, K classes, S subjects.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from medts.core.errors import MedtsError

FEW_POSITIVES = 10
"""Classes with fewer positive test records than this are flagged: their intervals are wide."""


def check_scores(
    target: Shaped[np.ndarray, "..."],
    score: Shaped[np.ndarray, "..."],
    *,
    classes: Sequence[str] | None = None,
) -> None:
    """Checks that metrics can be computed from targets and scores.

    Args:
        target: Zeros and ones.
        score: The higher, the likelier; as many rows and columns as ``target``.
        classes: Names of the columns, for the message.

    Raises:
        MedtsError: If shapes differ, there are no records, targets are not zeros and ones, or
            scores are NaN or infinite; the class is named with a count.
    """
    if target.ndim != 2 or target.shape != score.shape:
        raise MedtsError(
            f"targets have shape {target.shape}, scores {score.shape}",
            remedy="Both need one row per record and one column per class, in the same order",
        )
    names = class_names(target.shape[1], classes)
    if not len(target):
        raise MedtsError("there are no records to score")
    if not np.isin(target, (0, 1)).all():
        odd = target[~np.isin(target, (0, 1))][0]
        raise MedtsError(f"a target is {odd}, not 0 or 1", field="target")
    n_bad = (~np.isfinite(score)).sum(axis=0)
    if n_bad.any():
        listed = ", ".join(f"{names[k]} ({n_bad[k]} records)" for k in np.flatnonzero(n_bad))
        raise MedtsError(
            f"scores are NaN or infinite for {listed}",
            remedy="Look for a diverged training or an empty window; nothing is imputed here",
        )


def check_probability(probability: Float[np.ndarray, "R K"]) -> None:
    """Refuses numbers outside [0, 1], as logits would be.

    Raises:
        MedtsError: If any is outside; the range is quoted.
    """
    low, high = float(probability.min()), float(probability.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise MedtsError(
            f"probabilities reach from {low:.4g} to {high:.4g}",
            remedy="Give probabilities, not logits",
        )


def check_single_target(target: Shaped[np.ndarray, "R K"]) -> None:
    """Refuses rows of a ``single`` label set that do not hold exactly one class.

    Raises:
        MedtsError: If there are such rows; they are counted.
    """
    n_bad = int((target.sum(axis=1) != 1).sum())
    if n_bad:
        raise MedtsError(
            f"{n_bad} records do not have exactly one class, as a single-label set wants",
            field="target",
        )


def class_names(n_classes: int, classes: Sequence[str] | None) -> list[str]:
    """Returns the given names, or ``class 0``, ``class 1``, … where there are none.

    Raises:
        MedtsError: If there are more or fewer names than columns.
    """
    if classes is None:
        return [f"class {k}" for k in range(n_classes)]
    if len(classes) != n_classes:
        raise MedtsError(f"{n_classes} columns but {len(classes)} class names")
    return list(classes)


def subject_index(subjects: Sequence[str] | Shaped[np.ndarray, "R"], n_records: int) -> np.ndarray:
    """Numbers the subjects from zero; entry r is the subject of record r.

    Raises:
        MedtsError: If there is not one subject per record.
    """
    if len(subjects) != n_records:
        raise MedtsError(
            f"{n_records} records but {len(subjects)} subject ids",
            field="subjects",
            remedy="Give the subject of each record; where persons are unknown, the record id",
        )
    return np.unique(np.asarray(subjects), return_inverse=True)[1]


def match_records(record_ids: Sequence[str], other_ids: Sequence[str]) -> Int[np.ndarray, "R"]:
    """Finds the rows of another table by record id, so that ``other[rows]`` is in our order.

    Raises:
        MedtsError: If ids are doubled, or the two tables do not hold the same records.
    """
    for ids in (record_ids, other_ids):
        if len(set(ids)) != len(ids):
            doubled = sorted(name for name in set(ids) if list(ids).count(name) > 1)
            raise MedtsError(f"record ids occur twice: {_few(doubled)}", field="record_ids")
    missing = sorted(set(record_ids) - set(other_ids))
    extra = sorted(set(other_ids) - set(record_ids))
    if missing or extra:
        raise MedtsError(
            f"{len(missing)} records are only in the first table ({_few(missing)}), "
            f"{len(extra)} only in the second ({_few(extra)})",
            field="record_ids",
            remedy="Compare models on the same records",
        )
    row_of = {name: row for row, name in enumerate(other_ids)}
    return np.array([row_of[name] for name in record_ids], dtype=np.int64)


def undefined_classes(target: Shaped[np.ndarray, "R K"], classes: Sequence[str]) -> list[str]:
    """Lists the classes without a positive or without a negative record; no macro counts them."""
    n_positive = target.sum(axis=0)
    is_defined = (n_positive > 0) & (n_positive < len(target))
    return _pick(classes, ~is_defined)


def few_positives(target: Shaped[np.ndarray, "R K"], classes: Sequence[str]) -> list[str]:
    """Lists the classes with fewer than `FEW_POSITIVES` positive records, none included."""
    return _pick(classes, target.sum(axis=0) < FEW_POSITIVES)


def _pick(classes: Sequence[str], is_picked: Bool[np.ndarray, "K"]) -> list[str]:
    return [name for name, picked in zip(classes, is_picked, strict=True) if picked]


def _few(names: Sequence[str], n_shown: int = 3) -> str:
    shown = ", ".join(names[:n_shown]) or "none"
    return f"{shown}, …" if len(names) > n_shown else shown
