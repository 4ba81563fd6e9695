"""`medts evaluate`: measure a model on folds it has never met."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.table import Table

from medts.cli.console import make_console
from medts.data.splits import parse_folds
from medts.data.store import Store
from medts.evaluation.fine_tune import evaluate
from medts.evaluation.result import Result


@dataclass(frozen=True)
class Evaluate:
    """Measure a model on folds it has never met; writes a report.

    A fold or subject that the model was trained or selected on is refused.
    """

    model: Path
    """Bundle, or the run folder that holds one."""

    data: tuple[Path, ...]
    """Stores made by `medts ingest`."""

    folds: str
    """Test folds, such as 9 or test."""

    out: Path
    """Folder for metrics.json, predictions.parquet and report.html."""

    allow_leak: bool = False
    """Go on although the model has seen test records; the report is stamped."""


def run(arguments: Sequence[str]) -> None:
    """Parses and evaluates."""
    asked = tyro.cli(Evaluate, prog="medts evaluate", args=arguments)
    result = evaluate(
        asked.model,
        Store(*asked.data),
        folds=parse_folds(asked.folds),
        out=asked.out,
        allow_leak=asked.allow_leak,
        command=f"medts evaluate {shlex.join(arguments)}",
    )
    show(result)
    print(f"report: {asked.out / 'report.html'}\nmetrics: {asked.out / 'metrics.json'}")


def show(result: Result) -> None:
    """Prints every measure with its interval, beside the controls and by class."""
    console = make_console()
    counted = f"{result.n_records} records of {result.n_subjects} subjects"
    folds = ", ".join(result.splits.test["folds"])
    console.print(
        f"{result.recipe} · {result.label_set} · fold {folds} · {counted}, "
        f"{result.excluded_records} without label · 95 % intervals over subjects"
    )
    if result.synthetic:
        console.print("[yellow]synthetic recordings: says nothing about patients[/]")
    for note in result.notes:
        console.print(f"[red]{note}[/]")
    table = Table()
    table.add_column("measure")
    table.add_column("model", justify="right")
    for name in result.controls:
        table.add_column(name.replace("_", " "), justify="right")
    for name, measure in result.metrics.items():
        controls = [str(control[name]) for control in result.controls.values()]
        table.add_row(name, str(measure), *controls)
    console.print(table)
    _show_classes(result, console)


def _show_classes(result: Result, console: Console) -> None:
    table = Table()
    shown = ("auroc", "auprc", "f1")
    for heading in ("class", "positives", *shown, "operating point"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    for name, measures in result.per_class.items():
        flag = " (excluded)" if name in result.excluded_classes else ""
        flag = " (few)" if name in result.few_positives and not flag else flag
        threshold = result.thresholds.get(name)
        table.add_row(
            name + flag,
            f"{measures['n_positive'].value:.0f}",
            *(str(measures[metric]) for metric in shown),
            "likeliest" if threshold is None else f"{threshold:.3f}",
        )
    console.print(table)
