"""Comparing: recipes side by side on one's own data, with paired intervals and controls.

A cell is one recipe trained with one seed on one sample of the training records. Every recipe sees
the same sample for a label fraction and seed. A finished cell is a small file: the same call goes
on where a killed one stopped, and a recipe that is added later trains only its own cells. A recipe
that fails does not take the others along.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from medts.comparing.cells import Plan, Slot, run_cells
from medts.comparing.chosen import chosen_recipes
from medts.core.errors import ConfigError
from medts.core.versions import versions
from medts.data.recordings import Recordings
from medts.data.splits import Split, labelled_part, parse_folds, present_folds
from medts.data.store import open_recordings
from medts.evaluation.comparison import Cell, Comparison, Failure
from medts.evaluation.pairing import Group, Measured, differences_of, row_of
from medts.evaluation.task import Task, make_task
from medts.metrics.checks import few_positives
from medts.report.comparison import comparison_page
from medts.report.page import write_page
from medts.training.recipe import Recipe


def compare(
    data: Recordings | str | Path | Sequence[str | Path],
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
        show_progress: Whether to show a progress bar over the cells.
        command: Command line to print on the page.

    Raises:
        ConfigError: If recipes have no names or one name twice, or there are too few records.
        UnknownNameError: If there is no such recipe, field or label set.
        LeakError: If a subject is in two of the parts.
        StoreError: If a part has no labelled record.
    """
    chosen = chosen_recipes(recipes)
    if seeds < 1:
        raise ConfigError(f"{seeds} seeds", field="seeds", remedy="Give 1 or more")
    store = open_recordings(data)
    plan = _plan(store, labels, split or Split(), folds, Path(out), device, n_workers)
    fractions = tuple(dict.fromkeys(float(each) for each in label_fractions))
    n_records = {each: _n_labelled(plan.task, each) for each in fractions}
    here = {"device": device, "n_workers": n_workers}
    if max_minutes is not None:
        here["max_minutes"] = max_minutes
    slots = [
        Slot(recipe.but(training=recipe.training.but(**here)), fraction, seed, is_shuffled)
        for fraction in fractions
        for seed in range(seeds)
        for recipe in chosen
        for is_shuffled in ((False, True) if shuffle_labels else (False,))
    ]
    cells, failures = run_cells(plan, slots, show_progress=show_progress)
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


def _plan(
    store: Recordings,
    labels: str,
    split: Split,
    folds: str | Sequence[str],
    out: Path,
    device: str,
    n_workers: int,
) -> Plan:
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
    return Plan(task, split, store.digest(rows, labels), out, device, n_workers)


def _n_labelled(task: Task, fraction: float) -> int:
    return len(labelled_part(task.training().target, fraction=fraction, seed=0))


def _group(
    plan: Plan, recipe: str, fraction: float, n_records: int, cells: Sequence[Measured]
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
    plan: Plan,
    recipes: Sequence[Recipe],
    fractions: tuple[float, ...],
    groups: Sequence[Group],
    failures: Sequence[Failure],
) -> Comparison:
    task, store = plan.task, plan.task.store
    notes = [note for group in groups for each in group.trained for note in _notes(each.cell)]
    subjects = set(store.subject_ids[task.test.rows].tolist())
    differences = []
    for fraction in fractions if len(subjects) > 1 else ():  # one person is no test of a difference
        own = [each for each in groups if each.label_fraction == fraction]
        differences += differences_of(own, recipes[0].name)
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
