"""`python -m research SUITE`: compare methods on a grid of questions, as resumable jobs."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.core.errors import ConfigError
from medts.data.ingest import ingest
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from research.bench import run_suite
from research.ledger import Bench, cells, comparisons, majority, write_page
from research.suites import labels_in_words
from research.tables import find_suite


@dataclass(frozen=True)
class BenchVerb:
    """Compare methods on a grid of questions, as independent jobs that can be resumed.

    A job that has ended is not run again. What the time did not allow is printed as skipped.
    """

    suite: tyro.conf.Positional[str]
    """Name of the suite; `medts list suites` names them."""

    out: Path
    """Folder for outcomes, ledger.parquet and report.html."""

    data: tuple[Path, ...] = ()
    """Stores made by `medts ingest`; the synthetic suite makes its own."""

    models: Path | None = None
    """Folder of pretrained and taught models that several tables share; that of --out if none."""

    jobs: int = max(1, os.cpu_count() or 1)
    """Jobs at a time, one thread each."""

    table_minutes: float = 180.0
    """No job is started after this long."""

    only: tuple[str, ...] = ()
    """Run only jobs whose name holds one of these texts, such as `ptb-xl-super-`."""

    minutes_per_job: float | None = None
    """Time budget of a job, in place of the suite's."""


def run(arguments: Sequence[str]) -> None:
    """Parses and runs."""
    asked = tyro.cli(BenchVerb, prog="python -m research", args=arguments)
    suite = find_suite(asked.suite)
    if asked.minutes_per_job is not None:
        suite = suite.but(minutes_per_job=asked.minutes_per_job)
    stores = asked.data
    if not stores:
        if any(question.corpus != "synthetic" for question in suite.questions):
            raise ConfigError(
                f"suite {suite.name!r} needs recordings", remedy="Give stores with --data"
            )
        ingest(Synthetic(n_subjects=100, records_per_subject=4), "-", asked.out / "store")
        stores = (asked.out / "store",)
    bench = run_suite(
        suite,
        Store(*stores),
        asked.out,
        models=asked.models,
        n_jobs=asked.jobs,
        table_minutes=asked.table_minutes,
        only=asked.only,
    )
    show(bench)
    report = write_page(bench, command=f"python -m research {shlex.join(arguments)}")
    print(f"ledger: {asked.out / 'ledger.parquet'}\nreport: {report}")


def show(bench: Bench) -> None:
    """Prints a table for every label set and number of labels, and what was skipped."""
    console, suite = make_console(), bench.suite
    found, said_of_majority = cells(bench), majority(bench)
    against = {(r["label_set"], r["label_fraction"], r["method"]): r for r in comparisons(bench)}
    controls = {method.name for method in suite.methods if method.is_control}
    for label_set, fraction in sorted({key[:2] for key in found}):
        labels = labels_in_words(fraction, suite.label_unit)
        table = Table(title=f"{suite.name}: {label_set}, {labels}", title_justify="left")
        table.add_column("method", overflow="fold")
        metric, beside = (f"{n.replace('_', ' ')} [95 %]" for n in (suite.metric, suite.beside))
        for heading in (metric, beside, "runs", "difference", "p (Holm)"):
            table.add_column(heading, justify="right", no_wrap=True)
        block = [(key, cell) for key, cell in found.items() if key[:2] == (label_set, fraction)]
        for key, cell in sorted(block, key=lambda each: -each[1].mean):
            row = against.get(key)
            compared = (
                ("", "") if row is None else (f"{row['value']:+.3f}", f"{row['p_value']:.3f}")
            )
            name = f"{key[2]} (control)" if key[2] in controls else key[2]
            interval = f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]"
            other = "" if cell.beside is None else str(cell.beside)
            table.add_row(name, interval, other, str(cell.n_runs), *compared)
        if score := said_of_majority.get((label_set, fraction)):
            table.add_row("majority (control)", str(score), "", "1", "", "")
        console.print(table)
    if against:
        what = suite.metric.replace("_", " ")
        console.print(f"differences are to {suite.reference}, in {what}")
    console.print("an interval of one run holds the spread of test subjects alone")
    for name, reason in bench.skipped.items():
        console.print(f"skipped {name}: {reason}", markup=False)
