"""The files of an evaluation: numbers, scores of every record, and the page to look at.

``predictions.parquet`` keeps what each record was given, so that two models can later be compared
on the same records. ``metrics.json`` is written last, as the sign that the others are there.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medts.core.files import write_whole
from medts.evaluation.report import Example, write_report
from medts.evaluation.result import Result
from medts.evaluation.scoring import Scored
from medts.inference.bundle import find_bundle


def write_evaluation(
    out: Path, result: Result, scored: Scored, *, model: str | Path, command: str = ""
) -> None:
    """Writes the three files of an evaluation into ``out``."""
    with write_whole(out / "predictions.parquet") as target:
        pq.write_table(predictions(scored), target)
    history = find_bundle(model).parent / "history.json"
    write_report(
        out / "report.html",
        result,
        target=scored.test.target,
        probability=scored.probability,
        classes=scored.label_set.classes,
        history=json.loads(history.read_text()) if history.is_file() else (),
        examples=[_example(scored, result, index) for index in _chosen(scored)],
        command=command,
    )
    result.write(out / "metrics.json")


def predictions(scored: Scored) -> pa.Table:
    """Returns ids, labels and probabilities of every test record."""
    rows = scored.test.rows
    columns = {"record_id": scored.store.record_ids[rows].tolist(), "subject_id": scored.subjects}
    for k, name in enumerate(scored.label_set.classes):
        columns[f"target:{name}"] = scored.test.target[:, k].tolist()
        columns[f"probability:{name}"] = scored.probability[:, k].tolist()
    return pa.table(columns)


def write_predictions(out: Path, answered: Sequence[tuple[str, int, Scored]]) -> None:
    """Writes what every record was given, once per draw.

    Args:
        out: Folder.
        answered: Name and number of each draw with its scores; with several draws the table has
            the columns ``condition`` and ``draw``.
    """
    tables = []
    for name, number, scored in answered:
        table = predictions(scored)
        if len(answered) > 1:
            table = table.append_column("condition", pa.array([name] * len(table)))
            table = table.append_column("draw", pa.array([number] * len(table)))
        tables.append(table)
    with write_whole(out / "predictions.parquet") as target:
        pq.write_table(pa.concat_tables(tables), target)


def _chosen(scored: Scored, n_examples: int = 3) -> list[int]:
    """Picks records to draw, without looking at how well the model does on them.

    The first record of each of the most frequent classes, in the order of the store.
    """
    chosen: list[int] = []
    target = scored.test.target
    for k in np.argsort(-target.sum(axis=0), kind="stable"):
        positives = [i for i in np.flatnonzero(target[:, k]) if i not in chosen]
        chosen += [int(i) for i in positives[:1]]
        if len(chosen) == n_examples:
            return chosen
    rest = [i for i in range(len(target)) if i not in chosen]
    return chosen + rest[: n_examples - len(chosen)]


def _example(scored: Scored, result: Result, index: int) -> Example:
    label_set = scored.label_set
    values = scored.probability[index].tolist()
    return Example(
        record=scored.store.record(int(scored.test.rows[index])),
        probability=dict(zip(label_set.classes, values, strict=True)),
        labels=tuple(label_set.decode(scored.test.target[index : index + 1])[0]),
        thresholds=result.thresholds,
    )
