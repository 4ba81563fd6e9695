"""Protocol `fine_tune`: a bundle as it is, on test folds that it has never met.

Thresholds come from the bundle, which chose them on validation; the test records are scored once.
Besides ``metrics.json`` and ``report.html`` the scores of every record are kept, so that two
models can later be compared on the same records.

Axes: R records, K classes.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from medts.core.errors import StoreError
from medts.core.files import write_whole
from medts.core.labels import LabelSet
from medts.core.versions import versions
from medts.data.splits import describe
from medts.data.store import Store
from medts.evaluation.controls import label_shuffle, majority
from medts.evaluation.leaks import refuse_leaks
from medts.evaluation.report import Example, write_report
from medts.evaluation.result import Measure, Measures, Result, Splits
from medts.inference.bundle import Bundle, bundle_digest, find_bundle, load_bundle
from medts.inference.predictor import predict_store
from medts.metrics.table import IntervalTable, interval_table


@dataclass(frozen=True)
class Scores:
    """Labels and probabilities of the test records, in the order of ``rows``."""

    rows: Int[np.ndarray, "R"]
    target: Float[np.ndarray, "R K"]
    probability: Float[np.ndarray, "R K"]
    label_set: LabelSet


def evaluate(
    model: str | Path,
    store: Store,
    *,
    folds: Sequence[str],
    out: str | Path,
    allow_leak: bool = False,
    command: str = "",
) -> Result:
    """Measures a bundle on the test folds and writes its report.

    Args:
        model: Bundle, or run folder.
        store: Where the test records are.
        folds: Test folds; none of them may have trained or selected the model.
        out: Folder for ``metrics.json``, ``predictions.parquet`` and ``report.html``.
        allow_leak: Goes on in spite of a leak, and says so in the result.
        command: Command line to print in the report.

    Raises:
        LeakError: If the model has seen test records.
        StoreError: If no test record has a label of the set.
    """
    started = time.monotonic()
    bundle = load_bundle(model)
    label_set = bundle.label_set
    labels = store.labels(label_set.name)
    every = store.select(folds)
    rows = np.array([row for row in every if labels[row] is not None], dtype=np.int64)
    if not len(rows):
        raise StoreError(
            f"no record of folds {', '.join(folds)} has a label of {label_set.name}",
            path=store.paths[0],
        )
    notes = refuse_leaks(bundle.provenance, store, rows, folds, allow_leak=allow_leak)
    target = label_set.encode([labels[row] or () for row in rows])
    probability = predict_store(bundle, store, rows.tolist()).astype(np.float64)
    scores = Scores(rows, target, probability, label_set)

    table = _measured(scores, bundle, store)
    provenance = bundle.provenance
    splits = {**provenance.splits, "test": describe(store, rows, folds)}
    result = Result(
        metrics=_measures(table),
        per_class=_per_class(table),
        controls=_controls(scores, bundle, store),
        n_records=table.n_records,
        n_subjects=table.n_subjects,
        excluded_classes=tuple(table.excluded_classes),
        few_positives=tuple(table.few_positives),
        excluded_records=len(every) - len(rows),
        thresholds=bundle.thresholds,
        splits=Splits(**splits),
        label_set=label_set.name,
        protocol="fine_tune",
        recipe=provenance.recipe,
        tuning_trials=provenance.settings["recipe"]["tuning_trials"],
        seed=provenance.seed,
        data_digest=store.digest(rows, label_set.name),
        bundle_digest=bundle_digest(model),
        versions=versions(),
        seconds=time.monotonic() - started,
        synthetic=any(
            store.corpora[name].card.synthetic for name in set(store.corpus_of_row[rows])
        ),
        notes=notes,
    )
    _write(Path(out), model, result, scores, store, bundle, command)
    return result


def _thresholds(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    if bundle.label_set.kind == "single":
        return None
    return np.array([bundle.thresholds[name] for name in bundle.label_set.classes])


def _measured(scores: Scores, bundle: Bundle, store: Store) -> IntervalTable:
    return interval_table(
        scores.target,
        scores.probability,
        _thresholds(bundle),
        scores.label_set.kind,
        store.subject_ids[scores.rows].tolist(),
        scores.label_set.classes,
    )


def _controls(scores: Scores, bundle: Bundle, store: Store) -> dict[str, Measures]:
    kind, classes = scores.label_set.kind, scores.label_set.classes
    shares = np.array([bundle.provenance.prevalence[name] for name in classes])
    constant, half = majority(shares, len(scores.rows))
    subjects = store.subject_ids[scores.rows].tolist()
    thresholds = None if kind == "single" else half
    table = interval_table(scores.target, constant, thresholds, kind, subjects, classes)
    shuffled = label_shuffle(
        scores.target, scores.probability, _thresholds(bundle), scores.label_set
    )
    return {"majority": _measures(table), "label_shuffle": shuffled}


def _measures(table: IntervalTable) -> Measures:
    return {
        name: Measure(value=each.value, low=each.low, high=each.high)
        for name, each in table.metrics.items()
    }


def _per_class(table: IntervalTable) -> dict[str, Measures]:
    return {
        name: {
            **{
                metric: Measure(value=each.value, low=each.low, high=each.high)
                for metric, each in intervals.items()
            },
            "n_positive": Measure(value=table.n_positive[name]),
        }
        for name, intervals in table.per_class.items()
    }


def _write(
    out: Path,
    model: str | Path,
    result: Result,
    scores: Scores,
    store: Store,
    bundle: Bundle,
    command: str,
) -> None:
    """Writes the three files of an evaluation; ``metrics.json`` last, as the sign of its end."""
    classes = scores.label_set.classes
    columns = {"record_id": store.record_ids[scores.rows].tolist()}
    columns["subject_id"] = store.subject_ids[scores.rows].tolist()
    for k, name in enumerate(classes):
        columns[f"target:{name}"] = scores.target[:, k].tolist()
        columns[f"probability:{name}"] = scores.probability[:, k].tolist()
    with write_whole(out / "predictions.parquet") as target:
        pq.write_table(pa.table(columns), target)
    history = find_bundle(model).parent / "history.json"
    write_report(
        out / "report.html",
        result,
        target=scores.target,
        probability=scores.probability,
        classes=classes,
        history=json.loads(history.read_text()) if history.is_file() else (),
        examples=[_example(scores, store, bundle, index) for index in _chosen(scores)],
        command=command,
    )
    result.write(out / "metrics.json")


def _chosen(scores: Scores, n_examples: int = 3) -> list[int]:
    """Picks records to draw, without looking at how well the model does on them.

    The first record of each of the most frequent classes, in the order of the store.
    """
    chosen: list[int] = []
    for k in np.argsort(-scores.target.sum(axis=0), kind="stable"):
        positives = [i for i in np.flatnonzero(scores.target[:, k]) if i not in chosen]
        chosen += [int(i) for i in positives[:1]]
        if len(chosen) == n_examples:
            return chosen
    rest = [i for i in range(len(scores.rows)) if i not in chosen]
    return chosen + rest[: n_examples - len(chosen)]


def _example(scores: Scores, store: Store, bundle: Bundle, index: int) -> Example:
    label_set = scores.label_set
    values = scores.probability[index].tolist()
    return Example(
        record=store.record(int(scores.rows[index])),
        probability=dict(zip(label_set.classes, values, strict=True)),
        labels=tuple(label_set.decode(scores.target[index : index + 1])[0]),
        thresholds=bundle.thresholds,
    )
