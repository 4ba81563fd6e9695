"""Cells of a comparison: each trained model, cached in a small file and never trained again.

A cell is one recipe trained with one seed on one sample of the training records, and measured on
the test records beside a linear probe on its untrained encoder. Its name holds a digest of the
recipe's settings, the data, the folds, the label fraction and the seed.

Axes: K classes.
"""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from medts.api import evaluate, train
from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.core.progress import progress_bar
from medts.data.splits import Split, Subsample
from medts.evaluation.comparison import Cell, Failure
from medts.evaluation.controls import random_encoder
from medts.evaluation.files import PREDICTIONS
from medts.evaluation.pairing import Measured
from medts.evaluation.protocols.base import Protocol
from medts.evaluation.result import Result
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle, load_bundle
from medts.metrics.checks import match_records
from medts.training.folder import identity
from medts.training.recipe import Recipe

HELD_OUT = "held_out"
"""Protocol that measures a trained bundle as it is."""

_LENGTHS = ("epochs", "min_updates", "patience", "max_minutes")
"""Training settings that a run may be continued with, but that make another cell."""


@dataclass(frozen=True)
class Plan:
    """What is the same for all cells.

    Args:
        task: Training, validation and test records.
        split: Their folds, but those of the test.
        digest: Of all these records.
        out: Folder of the comparison.
        device: Where to measure.
        n_workers: Processes that prepare recordings.
    """

    task: Task
    split: Split
    digest: str
    out: Path
    device: str
    n_workers: int


@dataclass(frozen=True)
class Slot:
    """One cell to be: which recipe, how many labels, which seed, whether labels are permuted."""

    recipe: Recipe
    label_fraction: float
    seed: int
    is_shuffled: bool

    @property
    def words(self) -> str:
        """Its description beside the bar."""
        control = ", labels shuffled" if self.is_shuffled else ""
        return f"{self.recipe.name}, {self.label_fraction:g}, seed {self.seed}{control}"

    def name(self, plan: Plan) -> str:
        """Returns a name that the settings, the data, the fraction and the seed decide."""
        dumped = self.recipe.model_dump(mode="json")
        content = {
            "recipe": identity(self.recipe, dumped) | {"name": ""},
            "length": [dumped["training"][name] for name in _LENGTHS],
            "labels": plan.task.label_set.name,
            "data": plan.digest,
            "folds": [plan.split.train, plan.split.validation, plan.task.test.folds],
            "fraction": self.label_fraction,
            "seed": self.seed,
            "is_shuffled": self.is_shuffled,
        }
        key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.recipe.name)[:60].strip(".-")
        return f"{readable}-{self.label_fraction:g}-seed{self.seed}-{key}"


def run_cells(
    plan: Plan, slots: Sequence[Slot], *, show_progress: bool
) -> tuple[list[Measured], list[Failure]]:
    """Trains what is not there yet; what fails is remembered and passed over."""
    found: dict[int, Measured] = {}
    for index, slot in enumerate(slots):
        cell = _kept(plan, slot)
        if cell is not None:
            found[index] = cell
    failures = []
    waiting = [index for index in range(len(slots)) if index not in found]
    with _bar(len(slots), len(found), is_shown=show_progress) as advance:
        for index in waiting:
            slot = slots[index]
            advance(slot.words, 0)
            try:
                found[index] = _kept(plan, slot) or _make(plan, slot)
            except Exception as error:  # another package's recipe may raise anything
                words = str(error) if isinstance(error, MedtsError) else repr(error)
                failures.append(
                    Failure(
                        recipe=slot.recipe.name,
                        label_fraction=slot.label_fraction,
                        seed=slot.seed,
                        problem=words,
                    )
                )
            advance(slot.words, 1)
    return [found[index] for index in sorted(found)], failures


def _kept(plan: Plan, slot: Slot) -> Measured | None:
    """Returns a cell that was finished before; one that is damaged counts as none."""
    try:
        text = _cell_path(plan, slot).read_text(encoding="utf-8")
        cell = Cell.model_validate_json(text).but(recipe=slot.recipe.name)
        return _measured(plan, cell)
    except (OSError, ValueError, KeyError):
        return None


def _make(plan: Plan, slot: Slot) -> Measured:
    """Trains and measures one cell, and writes it last."""
    started = time.monotonic()
    folder = plan.out / "runs" / slot.name(plan)
    task, labels = plan.task, plan.task.label_set.name
    made = train(
        slot.recipe,
        task.store,
        labels=labels,
        split=plan.split,
        subsample=Subsample(fraction=slot.label_fraction, seed=slot.seed),
        seed=slot.seed,
        shuffle_labels=slot.is_shuffled,
        out=folder,
        show_progress=False,
    )
    result = _evaluate(plan, made, folder / "test", HELD_OUT, slot)
    bundle = load_bundle(made)
    untrained, notes = None, list(result.notes)
    if not slot.is_shuffled:
        try:
            untrained = _untrained(plan, bundle, folder / "untrained", slot)
        except MedtsError as error:
            notes.append(f"the untrained encoder could not be probed: {error}")
    cell = Cell(
        recipe=slot.recipe.name,
        label_fraction=slot.label_fraction,
        seed=slot.seed,
        is_shuffled=slot.is_shuffled,
        folder=folder.relative_to(plan.out).as_posix(),
        prevalence=bundle.prevalence(bundle.resolve(labels)),
        thresholds=result.thresholds,
        metrics=result.metrics,
        untrained={} if untrained is None else untrained.metrics,
        untrained_thresholds={} if untrained is None else untrained.thresholds,
        seconds=time.monotonic() - started,
        notes=tuple(notes),
    )
    with write_whole(_cell_path(plan, slot)) as target:
        target.write_text(cell.model_dump_json(indent=1), encoding="utf-8")
    return _measured(plan, cell)


def _untrained(plan: Plan, bundle: Bundle, out: Path, slot: Slot) -> Result:
    """Linear probing of the same encoder with random weights, on the same training records."""
    made = random_encoder(bundle, slot.seed).save(out / "bundle")
    return _evaluate(plan, made, out, "label_fraction", slot)


def _evaluate(plan: Plan, made: Path, out: Path, protocol: str, slot: Slot) -> Result:
    settings = None
    if protocol == "label_fraction":
        # Its first sample of records is the one that training takes with the same seed.
        settings = Protocol.find(protocol).Config.model_validate(
            {"fractions": (slot.label_fraction,), "draws": 1, "controls": ()}
        )
    return evaluate(
        made,
        plan.task.store,
        folds=plan.task.test.folds,
        out=out,
        protocol=protocol,
        settings=settings,
        labels=plan.task.label_set.name,
        train_folds=plan.split.train,
        val_folds=plan.split.validation,
        seed=slot.seed,
        device=plan.device,
        n_workers=plan.n_workers,
    )


def _cell_path(plan: Plan, slot: Slot) -> Path:
    return plan.out / "cells" / f"{slot.name(plan)}.json"


def _measured(plan: Plan, cell: Cell) -> Measured:
    folder = plan.out / cell.folder
    untrained = None
    if cell.untrained:
        untrained = _scored(plan, cell, folder / "untrained", cell.untrained_thresholds)
    return Measured(cell, _scored(plan, cell, folder / "test", cell.thresholds), untrained)


def _scored(plan: Plan, cell: Cell, folder: Path, thresholds: dict[str, float]) -> Scored:
    """Reads what each test record was given, in the order of the task."""
    task, classes = plan.task, plan.task.label_set.classes
    table = pq.read_table(folder / PREDICTIONS)
    wanted = task.store.record_ids[task.test.rows].tolist()
    order = match_records(wanted, table["record_id"].to_pylist())
    columns = [table[f"probability:{name}"].to_numpy()[order] for name in classes]
    is_single = task.label_set.kind == "single"
    return Scored(
        store=task.store,
        label_set=task.label_set,
        test=task.test,
        probability=np.stack(columns, axis=1).astype(np.float64),
        thresholds=None if is_single else np.array([thresholds[name] for name in classes]),
        prevalence=np.array([cell.prevalence[name] for name in classes]),
    )


@contextmanager
def _bar(n_cells: int, n_done: int, *, is_shown: bool) -> Iterator[Callable[[str, int], None]]:
    """Shows a progress bar over cells on standard error; yields what advances it."""
    with progress_bar(" cells", is_shown=is_shown) as bar:
        task = bar.add_task("", total=n_cells, completed=n_done)
        yield lambda words, n: bar.update(task, description=words, advance=n)
