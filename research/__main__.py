"""`python -m research SUITE`: prints the table of a suite, after running what is missing.

Without a suite it lists them. Without recordings it prints what the ledger holds.
"""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.core.errors import MedtsError
from medts.data.store import Store
from research.comparing import Cell, parts_of, table_of
from research.ledger import FIRST_ROUND, LEDGERS
from research.running import Bench, run_suite
from research.suites import Suite, labels_in_words
from research.tables import SUITES, find_suite


@dataclass(frozen=True)
class Research:
    """Print the table of a suite from its ledger; with --data, first run the missing cells."""

    suite: tyro.conf.Positional[str] = ""
    """Name of the suite; none lists them."""

    data: tuple[Path, ...] = ()
    """Stores made by `medts ingest`: runs missing cells, each kept in the ledger when it ends."""

    parts: bool = False
    """Print controls and conditions of protocols instead, such as missing modalities."""

    runs: bool = False
    """Print every sample of labels and every seed in a row of its own."""

    only: tuple[str, ...] = ()
    """Run only jobs whose name holds one of these texts, such as `ptb-xl-super-`."""

    again: bool = False
    """Run cells anew whose settings have changed since they were measured."""

    jobs: int = max(1, os.cpu_count() or 1)
    """Jobs at a time, one thread each."""

    table_minutes: float = 180.0
    """No job is started after this long."""

    work: Path = Path("runs/research")
    """Folder of pretrained and taught models, shared by all suites."""

    ledgers: Path = LEDGERS
    """Folder of the ledgers."""


def run(arguments: Sequence[str]) -> None:
    """Parses and runs."""
    options = tyro.cli(Research, prog="python -m research", args=arguments)
    if not options.suite:
        for name in SUITES:
            n_runs = len(Bench.read(find_suite(name), options.ledgers).runs)
            print(f"{name:31} {n_runs:3} runs  {find_suite(name).sentence}")
        return
    bench = Bench.read(find_suite(options.suite), options.ledgers)
    if options.data:
        run_suite(
            bench,
            Store(*options.data),
            options.work,
            n_jobs=options.jobs,
            table_minutes=options.table_minutes,
            only=options.only,
            again=options.again,
        )
    if options.runs:
        bench.runs = {
            key: run.but(method=f"{run.method} d{run.draw} s{run.seed}")
            for key, run in bench.runs.items()
        }
    show_parts(bench) if options.parts else show(bench)


def show_parts(bench: Bench) -> None:
    """Prints what was measured beside the table: controls, conditions of protocols."""
    console, suite = make_console(), bench.suite
    found = parts_of(suite, bench.runs.values())
    for (label_set, fraction), parts in found.items():
        metrics = list(dict.fromkeys(each for row in parts.values() for each in row))
        shown = _table(suite, label_set, fraction)
        for heading in ("method", "beside"):
            shown.add_column(heading, overflow="fold")
        for metric in metrics:
            shown.add_column(metric.replace("_", " "), justify="right", no_wrap=True)
        for (method, name), row in parts.items():
            shown.add_row(method, name, *(str(row.get(each, "")) for each in metrics))
        console.print(shown)


def show(bench: Bench) -> None:
    """Prints a table for every label set and number of labels, and what is missing."""
    console, suite = make_console(), bench.suite
    table = table_of(suite, bench.runs.values())
    for (label_set, fraction), cells in table.items():
        shown = _table(suite, label_set, fraction)
        shown.add_column("method", overflow="fold")
        metric, beside = (f"{n.replace('_', ' ')} [95 %]" for n in (suite.metric, suite.beside))
        for heading in (metric, beside, "runs", "difference", "p (Holm)"):
            shown.add_column(heading, justify="right", no_wrap=True)
        for method, cell in cells.items():
            shown.add_row(*_row(method, cell))
        console.print(shown)
    if any(cell.difference for cells in table.values() for cell in cells.values()):
        what = suite.metric.replace("_", " ")
        console.print(f"differences are to {suite.reference}, in {what}")
    console.print("an interval of one run holds the spread of test subjects alone")
    n_first = sum(run.commit == FIRST_ROUND for run in bench.runs.values())
    console.print(f"{n_first} of {len(bench.runs)} runs are of the first round")
    if missing := Counter(job.method.name for job in bench.missing()):
        rows = ", ".join(f"{method} {n}" for method, n in missing.items())
        console.print(f"cells not measured: {rows}", markup=False)
    for name, reason in bench.skipped.items():
        console.print(f"skipped {name}: {reason}", markup=False)


def _table(suite: Suite, label_set: str, label_fraction: float) -> Table:
    labels = labels_in_words(label_fraction, suite.label_unit)
    return Table(title=f"{suite.name}: {label_set}, {labels}", title_justify="left")


def _row(method: str, cell: Cell) -> tuple[str, ...]:
    name = f"{method} (control)" if cell.is_control else method
    compared = ("", "")
    if cell.difference is not None:
        compared = (f"{cell.difference.value:+.3f}", f"{cell.p_value:.3f}")
    beside = "" if cell.beside is None else str(cell.beside)
    return (name, str(cell.score), beside, str(cell.n_runs), *compared)


if __name__ == "__main__":
    try:
        run(sys.argv[1:])
    except MedtsError as error:
        sys.exit(str(error))
