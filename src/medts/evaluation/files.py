"""The files of an evaluation: numbers, scores of every record, and the page to look at.

``predictions.parquet`` holds what each record was given, so that two models can later be compared
on the same records. `medts.report.files.write_result` makes the page from it and writes
``metrics.json`` last, as the sign that the others are there.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from medts.core.files import write_whole
from medts.core.labels import LabelSet
from medts.evaluation.details import Details, Example
from medts.evaluation.result import Result
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Task, only_classes
from medts.inference.folder import find_bundle

PREDICTIONS = "predictions.parquet"


def write_predictions(out: Path, protocol: str, repeats: Sequence[tuple[str, int, Scored]]) -> None:
    """Writes the predictions of every record, once per repeat.

    Args:
        out: Folder.
        protocol: Name of the protocol, kept in the file's metadata.
        repeats: Name and number of each repeat with its scores; with several the table has the
            columns ``condition`` and ``draw``.
    """
    tables = []
    for name, number, scored in repeats:
        table = predictions(scored)
        if len(repeats) > 1:
            table = table.append_column("condition", pa.array([name] * len(table)))
            table = table.append_column("draw", pa.array([number] * len(table)))
        tables.append(table)
    whole = pa.concat_tables(tables).replace_schema_metadata({"protocol": protocol})
    with write_whole(out / PREDICTIONS) as target:
        pq.write_table(whole, target)


def column_of(label_set: LabelSet) -> str:
    """Returns how columns of predictions are named: ``probability``, or ``value`` of numbers."""
    return "value" if label_set.has_numbers else "probability"


def predictions(scored: Scored) -> pa.Table:
    """Returns ids, labels and probabilities, or numbers, of every test record."""
    rows = scored.test.rows
    columns = {"record_id": scored.store.record_ids[rows].tolist(), "subject_id": scored.subjects}
    for k, name in enumerate(scored.label_set.classes):
        columns[f"target:{name}"] = scored.test.target[:, k].tolist()
        columns[f"{column_of(scored.label_set)}:{name}"] = scored.probability[:, k].tolist()
    return pa.table(columns)


def details_of(task: Task, result: Result, *, model: str | Path | None = None) -> Details | None:
    """Collects what a page shows beside the numbers; None unless every record has one prediction.

    Args:
        task: What was measured; its ``out`` holds the predictions.
        result: Every number.
        model: Bundle or run folder, for the history of its training; none where there is none.
    """
    assert task.out is not None, "a task without a folder has no files"
    predicted = _single_predictions(task.out / PREDICTIONS, result, column_of(task.label_set))
    if predicted is None:
        return None
    task = only_classes(task, list(predicted))  # a protocol may have left out rare ones
    probability = np.stack(list(predicted.values()), axis=1)
    history = None if model is None else find_bundle(model).parent / "history.json"
    shown = [] if task.label_set.has_numbers else _chosen(task.test.target)
    return Details(
        target=task.test.target,
        probability=probability,
        classes=task.label_set.classes,
        history=tuple(json.loads(history.read_text(encoding="utf-8")))
        if history and history.is_file()
        else (),
        examples=tuple(_example(task, result, probability, index) for index in shown),
        units=task.label_set.units if task.label_set.has_numbers else None,
    )


def _single_predictions(
    path: Path, result: Result, column: str
) -> dict[str, Float[np.ndarray, "R"]] | None:
    """Reads the predictions of this protocol by class; None if each record has several or none."""
    if not path.is_file():
        return None
    table = pq.read_table(path)
    protocol = (table.schema.metadata or {}).get(b"protocol", b"").decode()
    if protocol != result.protocol or "condition" in table.column_names:
        return None
    head = f"{column}:"
    names = [name.removeprefix(head) for name in table.column_names if name.startswith(head)]
    return {name: table[f"{head}{name}"].to_numpy() for name in names}


def _chosen(target: Float[np.ndarray, "R K"], n_examples: int = 3) -> list[int]:
    """Picks records to draw, without looking at how well the model does on them.

    The first record of each of the most frequent classes, in the order of the store.
    """
    chosen: list[int] = []
    for k in np.argsort(-target.sum(axis=0), kind="stable"):
        positives = [i for i in np.flatnonzero(target[:, k]) if i not in chosen]
        chosen += [int(i) for i in positives[:1]]
        if len(chosen) == n_examples:
            return chosen
    rest = [i for i in range(len(target)) if i not in chosen]
    return chosen + rest[: n_examples - len(chosen)]


def _example(
    task: Task, result: Result, probability: Float[np.ndarray, "R K"], index: int
) -> Example:
    label_set, values = task.label_set, probability[index].tolist()
    return Example(
        record=task.store.record(int(task.test.rows[index])),
        probability=dict(zip(label_set.classes, values, strict=True)),
        labels=tuple(label_set.decode(task.test.target[index : index + 1])[0]),
        thresholds=result.thresholds,
    )
