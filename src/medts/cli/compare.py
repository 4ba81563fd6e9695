"""`medts compare STORE …`: recipes side by side on one's own data."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from medts.cli.console import make_console
from medts.core.errors import ConfigError
from medts.evaluation.comparison import PRIMARY, Comparison, Row, fraction_name


@dataclass(frozen=True)
class Compare:
    """Train recipes on the same records and compare them on folds they have never met.

    Differences to the first recipe are paired by subject. A comparison that was killed goes on
    when the same command is given again; a recipe added later trains only its own runs. Exit
    status 1 if a recipe failed beside others that did not, 2 if there is no result.
    """

    data: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Stores made by `medts ingest`."""

    recipes: tuple[str, ...]
    """Recipes, the first of which is the reference; fields behind a colon, such as
    dlinear:training.epochs=5."""

    labels: str
    """Label set, such as ptb-xl/super."""

    folds: str
    """Test folds, such as 9 or test."""

    out: Path
    """Folder for compare.html, compare.csv, compare.json and the runs."""

    train_folds: str = "1-7,train"
    """Folds that train."""

    val_folds: str = "8,validation"
    """Folds on which everything is chosen."""

    label_fractions: tuple[float, ...] = (1.0,)
    """Shares of the training records whose labels are used, or their numbers where above 1."""

    seeds: int = 3
    """Number of seeds; each decides initial weights and the sample of training records."""

    shuffle_labels: bool = False
    """Train each recipe on permuted labels too: a control that must end at chance."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""

    workers: int = 0
    """Processes that read and prepare recordings beside this one."""

    max_minutes: float | None = None
    """Time budget of each training, minutes; that of the recipe if not given."""


def run(arguments: Sequence[str]) -> int:
    """Parses and compares; returns the exit code."""
    flags = tyro.cli(Compare, prog="medts compare", args=arguments)
    if not flags.data:
        raise ConfigError("no store is given", field="STORE", remedy="medts compare STORE ...")
    from medts.comparing import compare
    from medts.data.splits import Split, parse_folds

    found = compare(
        flags.data,
        recipes=flags.recipes,
        labels=flags.labels,
        folds=flags.folds,
        out=flags.out,
        split=Split(train=parse_folds(flags.train_folds), validation=parse_folds(flags.val_folds)),
        label_fractions=flags.label_fractions,
        seeds=flags.seeds,
        device=flags.device,
        n_workers=flags.workers,
        max_minutes=flags.max_minutes,
        shuffle_labels=flags.shuffle_labels,
        command=f"medts compare {shlex.join(arguments)}",
    )
    show(found)
    print(f"page: {flags.out / 'compare.html'}")
    for each in found.failures:
        where = f"{each.recipe} at {fraction_name(each.label_fraction)}, seed {each.seed}"
        print(f"medts: {where} failed: {each.problem}", file=sys.stderr)
    if not found.failures:
        return 0
    print(f"medts: failed: {', '.join(found.failed)}", file=sys.stderr)
    return 1 if found.rows else 2


def show(found: Comparison) -> None:
    """Prints a row per recipe and label fraction, with its controls and paired difference."""
    console = make_console()
    counted = f"{found.n_records} records of {found.n_subjects} subjects"
    folds = ", ".join(found.folds["test"])
    console.print(f"{found.label_set} · fold {folds} · {counted} · 95 % intervals", markup=False)
    if found.synthetic:
        console.print("[yellow]synthetic recordings: says nothing about patients[/]")
    for note in found.notes:
        console.print(note, style="red", markup=False)
    table = Table()
    table.add_column("recipe", overflow="fold")
    reference = escape(found.recipes[0])
    for heading in ("records", PRIMARY.replace("_", " "), f"minus {reference}", "p (Holm)"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for heading in ("untrained", "majority"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        table.add_row(*_line(found, row))
    console.print(table)


def _line(found: Comparison, row: Row) -> list[str]:
    difference = found.difference(row.recipe, row.label_fraction)
    compared = ["", "", "reference" if row.recipe == found.recipes[0] else ""]
    if difference is not None:
        p_value = "–" if difference.p_holm is None else f"{difference.p_holm:.3f}"
        compared = [str(difference.measure), p_value, difference.verdict]
    controls = [row.controls.get(name, {}).get(PRIMARY) for name in ("random_encoder", "majority")]
    return [
        escape(row.recipe),
        f"{row.n_train_records}",
        str(row.metrics[PRIMARY]),
        *compared,
        *("–" if each is None or each.value is None else f"{each.value:.3f}" for each in controls),
    ]
