"""Published evaluation protocols, mistakes included: MERL's tables and Helme's crops.

Nothing else in the package uses this module. Each mistake has a name in `QUIRKS`, which goes into
the notes of the result.

Axes: R records, W windows, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.special import softmax
from torch import Tensor

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.data.label_table import LabelTable, rows_in_file_order
from medts.data.recordings import Recordings
from medts.data.splits import Part
from medts.data.windowing import Windowing
from medts.evaluation.answers import answer, own_set
from medts.evaluation.calibration import logits_of
from medts.evaluation.protocols.legacy import LegacyConfig
from medts.evaluation.result import Condition, Measure
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.inference.stored import Compute, map_windows
from medts.metrics.scores import auroc
from medts.tensors.batch import Batch, Prediction

META_COLUMNS = ("patient_id", "strat_fold", "filename_lr", "filename_hr")
"""Columns of a MERL or MELP table before the labels, beside ``ecg_id`` and the task's own."""

QUIRKS = {
    "positional columns": "label columns of the test table are taken by position, in the order "
    "of the train table",
    "softmax": "probabilities are a softmax over classes that do not exclude each other, so one "
    "class's score changes the ranking of another",
    "undefined counts 0": "a class without positives or negatives counts as AUROC 0 in the macro",
    "crops of 2.5 s": "records are cut into crops of 2.5 s that overlap by half",
    "largest of crops": "a record's probability is the largest over its crops",
    "rejecting bootstrap": "the interval is 90 % wide, from 100 resamples of records, and leaves "
    "out resamples that miss a class",
}
"""What is wrong, or unlike this package's own protocols, in a sentence each."""

_CROP_S = 2.5


@dataclass(frozen=True)
class MerlTables:
    """The label tables of one task, by name, and the places where they can be misread.

    Args:
        name: Task, such as ``sub_class``.
        train: Folds 1 to 8.
        test: Fold 9, the published validation table.
        train_path: File of ``train``.
        test_path: File of ``test``.
    """

    name: str
    train: LabelTable
    test: LabelTable
    train_path: Path
    test_path: Path

    def rows_of_folds(self, folds: Sequence[str]) -> Int[np.ndarray, "n"]:
        """Returns the rows of the train table in some folds: 1-7 train, 8 selects."""
        return np.flatnonzero(np.isin(self.train.fact("strat_fold"), list(folds)))


def read_merl_tables(folder: str | Path) -> MerlTables:
    """Reads the tables of one task, by name.

    Raises:
        ReadError: If a table is missing or malformed.
        MedtsError: If the two hold different classes.
    """
    folder = Path(folder)
    name = folder.name
    paths = [folder / f"ptbxl_{name}_{part}.csv" for part in ("train", "val")]
    facts = (*META_COLUMNS, name)
    train, test = (LabelTable(path, id_column="ecg_id", facts=facts) for path in paths)
    if train.classes != test.classes:
        odd = sorted(train.classes ^ test.classes)
        raise MedtsError(f"only one table has {', '.join(odd)}", path=folder, field="header")
    return MerlTables(name, train, test, *paths)


def columns_by_position_as_merl(
    train_path: str | Path, test_path: str | Path
) -> tuple[tuple[str, ...], Float[np.ndarray, "R K"]]:
    """Repeats a published mistake: reads the test labels by the train table's column order.

    Returns:
        Class names in the train table's order, and the test table's label columns in their own
        order, which the published code takes for the same.

    Raises:
        ReadError: If a table is missing or malformed.
    """
    n_meta = len(META_COLUMNS) + 2  # ecg_id, and the list of labels as text
    classes = tuple(rows_in_file_order(Path(train_path))[0][n_meta:])
    _, rows = rows_in_file_order(Path(test_path))
    return classes, np.array([[float(cell) for cell in row[n_meta:]] for row in rows])


def merl_macro_auroc(
    target: Float[np.ndarray, "R K"], logits: Float[np.ndarray, "R K"], *, is_softmax: bool = True
) -> float:
    """Macro AUROC as MERL and MELP compute it: softmax first, undefined classes at 0."""
    areas = auroc(target, softmax(logits, axis=1) if is_softmax else logits)
    return float(np.nan_to_num(areas, nan=0.0).mean())


def helme_interval(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    n_resamples: int = 100,
    seed: int = 0,
) -> Measure:
    """Macro AUROC with the benchmark's interval, which is too narrow for rare classes.

    Raises:
        MedtsError: If no resample holds every class.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(100 * n_resamples):
        rows = rng.integers(len(target), size=len(target))
        n_positive = target[rows].sum(axis=0)
        if ((n_positive > 0) & (n_positive < len(rows))).all():
            values.append(auroc(target[rows], probability[rows]).mean())
        if len(values) == n_resamples:
            break
    if not values:
        raise MedtsError(
            "no resample holds every class",
            field="label_set",
            remedy="This interval needs classes with more positives; ours does not",
        )
    low, high = np.quantile(values, [0.05, 0.95])
    return Measure(value=_mean_auroc(target, probability), low=float(low), high=float(high))


def run(model: Bundle, task: Task, settings: LegacyConfig, *, seed: int) -> Found:
    """Measures a model the published way; ``metrics`` hold the right way, conditions both.

    Raises:
        MedtsError: If the label set is not multi-label, or the tables hold other records.
    """
    if task.label_set.class_kind != "multi":
        raise MedtsError(
            f"{task.label_set.name} is single-label; the published protocols are multi-label",
            field="label_set",
        )
    scored = answer(model, task)
    if settings.style == "merl":
        conditions, quirks = _merl(scored, settings)
    else:
        own = own_set(model, task)
        conditions, quirks = _helme(model, scored, settings, own, seed=seed, compute=task.compute)
    found = score(scored)
    right = Condition(
        name="this package: by name, whole records, undefined classes left out",
        metrics={"macro_auroc": found.metrics["macro_auroc"]},
        n_records=len(scored.test),
    )
    return replace(
        found,
        conditions=(right, *conditions),
        notes=tuple(f"{name}: {QUIRKS[name]}" for name in quirks),
        predictions=(),
    )


def _merl(scored: Scored, settings: LegacyConfig) -> tuple[list[Condition], list[str]]:
    classes, target = scored.label_set.classes, scored.test.target
    logits, quirks = logits_of(scored.probability, "multi"), ["softmax", "undefined counts 0"]
    versions = {"by name": target}
    if settings.tables is not None:
        tables = read_merl_tables(settings.tables)
        order, by_position = columns_by_position_as_merl(tables.train_path, tables.test_path)
        rows, in_table = _same_records(scored.store, scored.test, tables.test)
        if set(order) != set(classes):
            raise MedtsError(
                f"the tables hold {', '.join(sorted(order))}, the label set "
                f"{', '.join(sorted(classes))}",
                path=settings.tables,
                field="label_set",
            )
        # The order that a model trained on the train table, column by column, would answer in.
        logits = logits[rows][:, [classes.index(name) for name in order]]
        versions = {
            "by name": tables.test.target(order)[in_table],
            "by position": by_position[in_table],
        }
        quirks = ["positional columns", *quirks]
    conditions = [
        Condition(
            name=f"columns {how}, {'softmax' if is_softmax else 'logits'}",
            metrics={
                "macro_auroc": Measure(value=merl_macro_auroc(truth, logits, is_softmax=is_softmax))
            },
            n_records=len(truth),
        )
        for how, truth in versions.items()
        for is_softmax in (False, True)
    ]
    return conditions, quirks


def _same_records(
    store: Recordings, test: Part, table: LabelTable
) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    """Matches test records and rows of a table by record id."""
    row_of = {str(int(each)): row for row, each in enumerate(table.record_ids)}
    ids = [str(each).split("/")[-1] for each in store.record_ids[test.rows]]
    pairs = [(i, row_of[each]) for i, each in enumerate(ids) if each in row_of]
    if not pairs:
        raise MedtsError(
            "none of the test records is in the published table",
            field="tables",
            remedy="Test on fold 9 of PTB-XL, which the validation table holds",
        )
    mine, theirs = np.array(pairs).T
    return mine, theirs


def _helme(
    model: Bundle,
    scored: Scored,
    settings: LegacyConfig,
    own: LabelSet,
    *,
    seed: int,
    compute: Compute | None,
) -> tuple[list[Condition], list[str]]:
    target = scored.test.target
    columns = [own.classes.index(name) for name in scored.label_set.classes]
    crops = crop_probabilities(model, scored.store, scored.test.rows, own, compute=compute)
    largest = np.stack([each.max(axis=0) for each in crops])[:, columns]
    mean = np.stack([each.mean(axis=0) for each in crops])[:, columns]
    defined = (target.sum(axis=0) > 0) & (target.sum(axis=0) < len(target))
    interval = helme_interval(target[:, defined], largest[:, defined], settings.n_resamples, seed)
    conditions = [
        Condition(
            name="crops of 2.5 s, the largest probability",
            metrics={"macro_auroc": interval},
            n_records=len(target),
        ),
        Condition(
            name="crops of 2.5 s, the mean probability",
            metrics={"macro_auroc": Measure(value=_mean_auroc(target, mean))},
            n_records=len(target),
        ),
    ]
    return conditions, ["crops of 2.5 s", "largest of crops", "rejecting bootstrap"]


def crop_probabilities(
    model: Bundle,
    store: Recordings,
    rows: Int[np.ndarray, "R"],
    label_set: LabelSet | None = None,
    *,
    compute: Compute | None = None,
) -> list[Float[np.ndarray, "W K"]]:
    """Returns the probabilities of every crop of 2.5 s of each record; crops overlap by half."""
    own = model.resolve(label_set)

    def probability(batch: Batch) -> Float[Tensor, "B K"]:
        return Prediction(model.logits(batch, own).float(), own).probability.double().cpu()

    crops = Windowing(window_s=_CROP_S, stride_s=_CROP_S / 2)
    found: dict[str, list[Tensor]] = {record: [] for record in store.record_ids[rows]}
    batches = map_windows(model, store, rows.tolist(), probability, compute, windowing=crops)
    for record_ids, values in batches:
        for record, each in zip(record_ids, values, strict=True):
            found[record].append(each)
    return [torch.stack(each).numpy() for each in found.values()]


def _mean_auroc(
    target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"]
) -> float | None:
    areas = auroc(target, probability)
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else None
