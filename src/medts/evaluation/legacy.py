"""Protocol `legacy`: published ways to measure, mistakes included, beside the right way.

So that a published number can be repeated, and what its mistakes amount to can be seen. Nothing
else in the package uses this module. Each mistake has a name in `QUIRKS`, which goes into the
notes of the result.

* ``merl``: MERL (Liu et al., ICML 2024) and MELP (Wang et al., ICML 2025, arXiv 2506.21803) train
  on one label table and test on another, take label columns by their position, put a softmax over
  classes that do not exclude each other, and leave a class without positives in the macro at 0.
* ``helme``: the PTB-XL benchmark (Strodthoff et al., IEEE JBHI 2021, arXiv:2004.13701) cuts crops
  of 2.5 s, half overlapping, and takes the largest probability over a record; its interval comes
  from 100 resamples of records, 90 % wide, and rejects resamples that miss a class.

The published splits end in fold 10. Here the train table's folds 1-7 train, its fold 8 chooses,
and the validation table is the test.

Axes: R records, W windows, K classes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from scipy.special import softmax
from torch.utils.data import DataLoader

from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.data.label_table import LabelTable, rows_in_file_order
from medts.data.splits import Part
from medts.data.store import Store
from medts.data.windowing import Windowing
from medts.data.windows import PreparedRecords, WindowDataset, collate
from medts.evaluation.answers import answer, head_origin, own_set
from medts.evaluation.calibration import logits_of
from medts.evaluation.result import Condition, Measure, Result
from medts.evaluation.scoring import Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.scores import auroc
from medts.tensors.batch import Prediction

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


class LegacyConfig(Config):
    """Which published protocol is repeated."""

    style: Literal["merl", "helme"] = "merl"
    """``merl``: softmax, and columns by position where tables are given. ``helme``: crops."""

    tables: Path | None = None
    """Folder of one task of the MERL or MELP tables, such as ``ptb-xl-splits/sub_class``."""

    n_resamples: int = Field(default=100, ge=10)
    """Resamples of the ``helme`` interval."""

    @model_validator(mode="after")
    def _tables_belong_to_merl(self) -> "LegacyConfig":
        if self.style == "helme" and self.tables is not None:
            raise ValueError("tables are of the style merl; helme builds its own labels")
        return self


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


def run(
    model: Bundle, task: Task, settings: LegacyConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a model the published way; ``metrics`` hold the right way, conditions both.

    Raises:
        LeakError: If the model has seen test subjects.
        MedtsError: If the label set is not multi-label, or the tables hold other records.
    """
    started, settings = time.monotonic(), settings or LegacyConfig()
    notes = task.check(model)
    if task.label_set.kind != "multi":
        raise MedtsError(
            f"{task.label_set.name} is single-label; the published protocols are multi-label",
            field="label_set",
        )
    scored = answer(model, task)
    if settings.style == "merl":
        found, quirks = _merl(scored, settings)
    else:
        found, quirks = _helme(model, scored, settings, seed, own_set(model, task))
    result = score(scored, head_origin(model, task, "legacy", seed=seed), seconds=0.0)
    right = Condition(
        name="this package: by name, whole records, undefined classes left out",
        metrics={"macro_auroc": result.metrics["macro_auroc"]},
        n_records=result.n_records,
    )
    return result.but(
        conditions=(right, *found),
        settings=settings.model_dump(mode="json"),
        notes=(*notes, *(f"{name}: {QUIRKS[name]}" for name in quirks)),
        seconds=time.monotonic() - started,
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
    store: Store, test: Part, table: LabelTable
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
    model: Bundle, scored: Scored, settings: LegacyConfig, seed: int, own: LabelSet
) -> tuple[list[Condition], list[str]]:
    target = scored.test.target
    columns = [own.classes.index(name) for name in scored.label_set.classes]
    crops = crop_probabilities(model, scored.store, scored.test.rows, own)
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
    store: Store,
    rows: Int[np.ndarray, "R"],
    label_set: LabelSet | None = None,
) -> list[Float[np.ndarray, "W K"]]:
    """Returns the probabilities of every crop of 2.5 s of each record; crops overlap by half."""
    records = PreparedRecords(store, rows.tolist(), model.preprocessing, cache_gib=0.5)
    windowing = Windowing(window_s=_CROP_S, stride_s=_CROP_S / 2)
    loader = DataLoader(
        WindowDataset(records, windowing),
        batch_size=64,
        collate_fn=partial(collate, config=model.preprocessing),
    )
    own = model.resolve(label_set)
    found: dict[str, list[torch.Tensor]] = {record: [] for record in store.record_ids[rows]}
    for batch in loader:
        probability = Prediction(model.logits(batch, own).cpu(), own).probability.double()
        for record, each in zip(batch.record_ids, probability, strict=True):
            found[record].append(each)
    return [torch.stack(each).numpy() for each in found.values()]


def _mean_auroc(
    target: Float[np.ndarray, "R K"], probability: Float[np.ndarray, "R K"]
) -> float | None:
    areas = auroc(target, probability)
    return float(np.nanmean(areas)) if np.isfinite(areas).any() else None
