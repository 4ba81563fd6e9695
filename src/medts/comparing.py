"""Comparing: recipes side by side on one's own data, with paired intervals and controls.

A cell is one recipe trained with one seed on one sample of the training records. Every recipe sees
the same sample for a label fraction and seed. A finished cell is a small file: the same call goes
on where a killed one stopped, and a recipe that is added later trains only its own cells. A recipe
that fails does not take the others along.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from medts.api import evaluate, train
from medts.core.errors import ConfigError, MedtsError, unknown_name
from medts.core.files import write_whole
from medts.core.progress import RateColumn
from medts.core.versions import versions
from medts.data.splits import Split, Subsample, labelled_part, parse_folds, present_folds
from medts.data.store import Store
from medts.evaluation import settings_kind
from medts.evaluation.comparison import Cell, Comparison, Failure
from medts.evaluation.controls import random_encoder
from medts.evaluation.files import PREDICTIONS
from medts.evaluation.pairing import Group, Measured, differences_of, row_of
from medts.evaluation.result import Result
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Task, make_task
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.stored import Compute
from medts.metrics.checks import few_positives, match_records
from medts.recipes import find_recipe
from medts.report.comparison import comparison_page
from medts.report.page import write_page
from medts.training.folder import identity
from medts.training.recipe import Recipe

HELD_OUT = "fine_tune"
"""Protocol that measures a trained bundle as it is."""

_LENGTHS = ("epochs", "min_updates", "patience", "max_minutes")
"""Training settings that a run may be continued with, but that make another cell."""


@dataclass(frozen=True)
class _Plan:
    """What is the same for all cells.

    Args:
        task: Training, validation and test records.
        split: Their folds, but those of the test.
        digest: Of all these records.
        out: Folder of the comparison.
        compute: Device and workers.
    """

    task: Task
    split: Split
    digest: str
    out: Path
    compute: Compute


@dataclass(frozen=True)
class _Slot:
    """One cell to be: which recipe, how many labels, which seed, whether labels are permuted."""

    recipe: Recipe
    label_fraction: float
    seed: int
    is_shuffled: bool

    @property
    def words(self) -> str:
        """What the bar says of it."""
        control = ", labels shuffled" if self.is_shuffled else ""
        return f"{self.recipe.name}, {self.label_fraction:g}, seed {self.seed}{control}"

    def name(self, plan: _Plan) -> str:
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


def compare(
    data: Store | str | Path | Sequence[str | Path],
    *,
    recipes: Sequence[str | Recipe],
    labels: str,
    folds: str | Sequence[str],
    out: str | Path,
    split: Split | None = None,
    label_fractions: Sequence[float] = (1.0,),
    seeds: int = 3,
    device: str = "auto",
    n_workers: int = 0,
    max_minutes: float | None = None,
    shuffle_labels: bool = False,
    show_progress: bool = True,
    command: str = "",
) -> Comparison:
    """Compares recipes on the same records: paired bootstrap by subject, Holm-corrected.

    >>> medts.compare(  # doctest: +SKIP
    ...     "stores/own",
    ...     recipes=["xresnet1d_small", "s4_small"],
    ...     labels="own/rhythm",
    ...     folds="9",
    ...     out="runs/compared",
    ... ).difference("s4_small")

    Args:
        data: A store, or paths of stores.
        recipes: Recipes or their names, the first of which is the reference; a name may carry
            overrides, such as ``dlinear:training.epochs=5,encoder.window=250``.
        labels: Label set, such as ``ptb-xl/super``.
        folds: Test folds, which neither train nor choose.
        out: Folder for ``compare.html``, ``compare.csv``, ``compare.json``, cells and runs; a
            comparison that was killed there goes on.
        split: Folds that train and folds that choose epoch and operating points.
        label_fractions: Shares of the training records, or their numbers where above 1.
        seeds: Number of seeds; a seed decides the weights and the sample of records.
        device: Where to compute: auto, cpu or gpu.
        n_workers: Processes that prepare recordings beside this one.
        max_minutes: Time budget of each training; none leaves that of the recipe.
        shuffle_labels: Trains each recipe on permuted labels too: a control at chance.
        show_progress: Whether to draw a bar over the cells.
        command: Command line to print on the page.

    Raises:
        ConfigError: If recipes have no names or one name twice, or there are too few records.
        UnknownNameError: If there is no such recipe, field or label set.
        LeakError: If a subject is in two of the parts.
        StoreError: If a part has no labelled record.
    """
    chosen = _named(recipes)
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds", field="seeds", remedy="Give 1 or more")
    store = data if isinstance(data, Store) else Store(*_paths(data))
    compute = Compute(device=device, n_workers=n_workers)
    plan = _plan(store, labels, split or Split(), folds, Path(out), compute)
    fractions = tuple(dict.fromkeys(float(each) for each in label_fractions))
    n_records = {each: _n_labelled(plan.task, each) for each in fractions}
    here = {"device": device, "n_workers": n_workers}
    if max_minutes is not None:
        here["max_minutes"] = max_minutes
    slots = [
        _Slot(recipe.but(training=recipe.training.but(**here)), fraction, seed, is_shuffled)
        for fraction in fractions
        for seed in range(seeds)
        for recipe in chosen
        for is_shuffled in ((False, True) if shuffle_labels else (False,))
    ]
    cells, failures = _run(plan, slots, show_progress=show_progress)
    groups = [
        _group(plan, recipe.name, fraction, n_records[fraction], cells)
        for fraction in fractions
        for recipe in chosen
    ]
    found = _comparison(plan, chosen, fractions, [g for g in groups if g.trained], failures)
    write_page(plan.out / "compare.html", comparison_page(found, command=command))
    found.write_csv(plan.out / "compare.csv")
    found.write(plan.out / "compare.json")
    return found


def recipe_with_overrides(text: str) -> Recipe:
    """Returns a recipe by its name, with fields set by dotted names behind a colon.

    >>> recipe_with_overrides("xresnet1d_test:training.epochs=5").training.epochs
    5

    Raises:
        UnknownNameError: If there is no such recipe or field.
        ConfigError: If a field is not written as NAME=VALUE, or its value is not valid.
    """
    name, _, overrides = text.partition(":")
    recipe = find_recipe(name)
    for each in filter(None, overrides.split(",")):
        path, equals, value = each.partition("=")
        if not (path and equals):
            raise ConfigError(
                f"{each!r} sets no field",
                field=name,
                remedy="Write RECIPE:FIELD=VALUE[,FIELD=VALUE], such as dlinear:training.epochs=5",
            )
        try:
            recipe = _replaced(recipe, path.strip(), _value(value))
        except ValidationError as error:
            problem = "; ".join(each["msg"] for each in error.errors())
            raise ConfigError(f"{value!r}: {problem}", field=f"{name}:{path}") from error
    return recipe.but(name=text)


def _replaced(config: Any, path: str, value: Any) -> Any:
    head, _, rest = path.partition(".")
    if not isinstance(config, BaseModel) or head not in type(config).model_fields:
        known = type(config).model_fields if isinstance(config, BaseModel) else ()
        raise unknown_name("field", head, known)
    inner = _replaced(getattr(config, head), rest, value) if rest else value
    return type(config)(**{**dict(config), head: inner})


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _named(recipes: Sequence[str | Recipe]) -> list[Recipe]:
    found = [recipe_with_overrides(each) if isinstance(each, str) else each for each in recipes]
    names = [each.name for each in found]
    if not found or "" in names or len(set(names)) < len(names):
        raise ConfigError(
            f"recipes are named {', '.join(map(repr, names)) or 'nothing'}",
            field="recipes",
            remedy="Give one or more, each with a name of its own: recipe.but(name=...)",
        )
    for each in found:
        if each.objective.learns_from != "labels":
            raise ConfigError(
                f"objective {each.objective.kind!r} learns without labels: nothing to compare",
                field=each.name,
                remedy="Compare recipes that are trained on labels",
            )
    return found


def _plan(
    store: Store,
    labels: str,
    split: Split,
    folds: str | Sequence[str],
    out: Path,
    compute: Compute,
) -> _Plan:
    split = Split(
        train=present_folds(store, split.train, field="train_folds"),
        validation=present_folds(store, split.validation, field="val_folds"),
    )
    names = parse_folds(folds) if isinstance(folds, str) else folds
    task = make_task(
        store,
        labels,
        test_folds=present_folds(store, names),
        train_folds=split.train,
        val_folds=split.validation,
    )
    parts = (task.training(), task.choosing(), task.test)
    rows = np.concatenate([part.rows for part in parts])
    return _Plan(task, split, store.digest(rows, labels), out, compute)


def _n_labelled(task: Task, fraction: float) -> int:
    return len(labelled_part(task.training().target, fraction=fraction, seed=0))


def _run(
    plan: _Plan, slots: Sequence[_Slot], *, show_progress: bool
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


def _kept(plan: _Plan, slot: _Slot) -> Measured | None:
    """Returns a cell that was finished before; one that is damaged counts as none."""
    try:
        text = _cell_path(plan, slot).read_text(encoding="utf-8")
        cell = Cell.model_validate_json(text).but(recipe=slot.recipe.name)
        return _measured(plan, cell)
    except (OSError, ValueError, KeyError):
        return None


def _make(plan: _Plan, slot: _Slot) -> Measured:
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


def _untrained(plan: _Plan, bundle: Bundle, out: Path, slot: _Slot) -> Result:
    """Linear probing of the same encoder with random weights, on the same training records."""
    made = random_encoder(bundle, slot.seed).save(out / "bundle")
    return _evaluate(plan, made, out, "label_fraction", slot)


def _evaluate(plan: _Plan, made: Path, out: Path, protocol: str, slot: _Slot) -> Result:
    settings = None
    if protocol == "label_fraction":
        # The sample of its first draw is the one that training takes with the same seed.
        settings = settings_kind(protocol).model_validate(
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
        compute=plan.compute,
    )


def _cell_path(plan: _Plan, slot: _Slot) -> Path:
    return plan.out / "cells" / f"{slot.name(plan)}.json"


def _measured(plan: _Plan, cell: Cell) -> Measured:
    folder = plan.out / cell.folder
    untrained = None
    if cell.untrained:
        untrained = _scored(plan, cell, folder / "untrained", cell.untrained_thresholds)
    return Measured(cell, _scored(plan, cell, folder / "test", cell.thresholds), untrained)


def _scored(plan: _Plan, cell: Cell, folder: Path, thresholds: dict[str, float]) -> Scored:
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


def _group(
    plan: _Plan, recipe: str, fraction: float, n_records: int, cells: Sequence[Measured]
) -> Group:
    own = [
        each for each in cells if (each.cell.recipe, each.cell.label_fraction) == (recipe, fraction)
    ]
    return Group(
        recipe=recipe,
        label_fraction=fraction,
        n_train_records=n_records,
        trained=[each for each in own if not each.cell.is_shuffled],
        shuffled=[each for each in own if each.cell.is_shuffled],
    )


def _comparison(
    plan: _Plan,
    recipes: Sequence[Recipe],
    fractions: tuple[float, ...],
    groups: Sequence[Group],
    failures: Sequence[Failure],
) -> Comparison:
    task, store = plan.task, plan.task.store
    notes = [note for group in groups for each in group.trained for note in _notes(each.cell)]
    subjects = set(store.subject_ids[task.test.rows].tolist())
    differences = (
        [
            difference
            for fraction in fractions
            for difference in differences_of(
                [each for each in groups if each.label_fraction == fraction], recipes[0].name
            )
        ]
        if len(subjects) > 1
        else []
    )
    return Comparison(
        label_set=task.label_set.name,
        recipes=tuple(each.name for each in recipes),
        label_fractions=fractions,
        folds={
            "train": plan.split.train,
            "validation": plan.split.validation,
            "test": task.test.folds,
        },
        rows=tuple(row_of(group) for group in groups),
        differences=tuple(differences),
        failures=tuple(failures),
        n_records=len(task.test),
        n_subjects=len(subjects),
        few_positives=tuple(few_positives(task.test.target, task.label_set.classes)),
        data_digest=plan.digest,
        versions=versions(),
        synthetic=any(
            store.corpora[name].card.synthetic for name in set(store.corpus_of_row[task.test.rows])
        ),
        notes=tuple(dict.fromkeys(notes)),
    )


def _notes(cell: Cell) -> Iterator[str]:
    for note in cell.notes:
        yield f"{cell.recipe}, {cell.label_fraction:g}, seed {cell.seed}: {note}"


def _paths(data: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [data] if isinstance(data, str | Path) else data


@contextmanager
def _bar(n_cells: int, n_done: int, *, is_shown: bool) -> Iterator[Any]:
    """Draws a bar over cells on standard error; yields what says that one began or ended."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(" cells"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not is_shown) as bar:
        task = bar.add_task("", total=n_cells, completed=n_done)
        yield lambda words, n: bar.update(task, description=words, advance=n)
