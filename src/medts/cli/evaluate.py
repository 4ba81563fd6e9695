"""`medts evaluate`: test a model on held-out folds, by an evaluation protocol.

Every setting of the chosen protocol is a flag, with its sentence as help.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.console import Console

from medts.cli.console import make_console, table_of
from medts.cli.flags import Computing, DeviceFlags, with_fields_of
from medts.evaluation.protocols.base import Protocol

if TYPE_CHECKING:
    from medts.evaluation.result import Result

DEFAULT = "held_out"
"""Protocol where none is named."""


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a model on folds it has never met; writes a report.

    A fold or subject that the model was trained or selected on is refused. With `--protocol NAME
    --help` the settings of a protocol are shown.
    """

    model: Path
    """Bundle, or the run folder that holds one."""

    data: tuple[Path, ...]
    """Stores made by `medts ingest`."""

    folds: str
    """Test folds, such as 9 or test; of a range such as 9-51 those that exist."""

    out: Path
    """Folder for metrics.json, predictions.parquet and report.html."""

    protocol: str = DEFAULT
    """Evaluation protocol; see `medts list protocols`."""

    labels: str | None = None
    """Label set, such as ptb-xl/super; the model's own if not given."""

    train_folds: str | None = None
    """Folds that a probe is trained on, such as 1-7."""

    val_folds: str | None = None
    """Folds on which a protocol chooses, such as 8."""

    seed: int = 0
    """Seed of whatever the protocol samples."""

    allow_leak: bool = False
    """Go on although the model has seen test records; the report is stamped."""

    allow_unchecked: bool = False
    """Go on although leaks cannot be checked, because the site key of the training is not here."""

    compute: Computing = field(default_factory=DeviceFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and evaluates."""
    is_chosen = any(each.startswith("--protocol") for each in arguments)
    if {"-h", "--help"} & set(arguments) and not is_chosen:
        tyro.cli(Evaluate, prog="medts evaluate", args=arguments)  # prints it and ends
    name = protocol_name(arguments)
    kind = with_settings_of(name)
    flags = tyro.cli(kind, prog="medts evaluate", args=arguments)
    from medts.api import evaluate

    result = evaluate(
        flags.model,
        flags.data,
        folds=flags.folds,
        out=flags.out,
        protocol=name,
        settings=flags.settings,
        labels=flags.labels,
        train_folds=flags.train_folds or (),
        val_folds=flags.val_folds or (),
        seed=flags.seed,
        allow_leak=flags.allow_leak,
        allow_unchecked=flags.allow_unchecked,
        device=flags.compute.device,
        precision=flags.compute.precision,
        n_workers=flags.compute.workers,
        command=f"medts evaluate {shlex.join(arguments)}",
    )
    show(result)
    for file in (flags.out / "report.html", flags.out / "metrics.json"):
        if file.is_file():
            print(f"{file.stem}: {file}")


def protocol_name(arguments: Sequence[str]) -> str:
    """Finds the protocol, which decides the flags, among the arguments."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, _, value = argument.partition("=")
        if flag == "--protocol":
            return value or following
    return DEFAULT


def with_settings_of(protocol: str) -> Any:
    """Returns `Evaluate` with the settings of a protocol as further flags.

    Raises:
        UnknownNameError: If there is no such protocol.
    """
    found = Protocol.find(protocol)
    sentence = (found.__doc__ or "").partition("\n")[0]
    doc = f"\n    Protocol {protocol}: {sentence}"
    return with_fields_of(Evaluate, found.Config(), "settings", doc=doc)


def show(result: "Result") -> None:
    """Prints every measure with its interval, beside the controls and by class."""
    console = make_console()
    counted = f"{result.n_records} records of {result.n_subjects} subjects"
    folds = ", ".join(result.splits.test["folds"])
    is_drawn = any(each.draw is not None for each in result.conditions)
    chance = "subjects and draws" if is_drawn else "subjects"
    console.print(
        f"{result.recipe} · {result.label_set} · fold {folds} · {counted}, "
        f"{result.excluded_records} without label · 95 % intervals over {chance}"
    )
    if result.synthetic:
        console.print("[yellow]synthetic recordings: says nothing about patients[/]")
    for note in result.notes:
        console.print(f"[red]{note}[/]")
    controls = (name.replace("_", " ") for name in result.controls)
    table = table_of("measure", "model", *controls)
    for name, measure in result.metrics.items():
        controls = [str(control.get(name, "–")) for control in result.controls.values()]
        table.add_row(name, str(measure), *controls)
    console.print(table)
    if result.conditions:
        _show_conditions(result, console)
    if result.per_class:
        has_numbers = any("r2" in each for each in result.per_class.values())
        (_show_numbers if has_numbers else _show_classes)(result, console)


def _show_conditions(result: "Result", console: Console, n_measures: int = 3) -> None:
    """Prints the first measures under each condition; single draws are left to the file."""
    shown = [each for each in result.conditions if each.draw is None] or result.conditions
    names = list(dict.fromkeys(name for each in shown for name in each.metrics))[:n_measures]
    table = table_of("condition", *names)
    for each in shown:
        if not any(name in each.metrics for name in names):
            continue  # such as a bin of a reliability curve, which has measures of its own
        table.add_row(each.name, *(str(each.metrics.get(name, "–")) for name in names))
    console.print(table)


def _show_numbers(result: "Result", console: Console) -> None:
    shown = ("r2", "mae", "rmse", "pearson_r", "bias", "limit_low", "limit_high")
    table = table_of("number", "records", *shown)
    for name, measures in result.per_class.items():
        n_records = f"{measures['n_records'].value:.0f}"
        table.add_row(name, n_records, *(str(measures.get(each, "–")) for each in shown))
    console.print(table)


def _show_classes(result: "Result", console: Console) -> None:
    shown = ("auroc", "auprc", "f1")
    unknown = "by draw" if "exact_match" in result.metrics else "likeliest"
    table = table_of("class", "positives", *shown, "operating point")
    for name, measures in result.per_class.items():
        flag = " (excluded)" if name in result.excluded_classes else ""
        flag = " (few)" if name in result.few_positives and not flag else flag
        threshold = result.thresholds.get(name)
        table.add_row(
            name + flag,
            f"{measures['n_positive'].value:.0f}" if "n_positive" in measures else "–",
            *(str(measures.get(metric, "–")) for metric in shown),
            unknown if threshold is None else f"{threshold:.3f}",
        )
    console.print(table)
