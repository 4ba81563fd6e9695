"""`medts predict BUNDLE FILE …`: apply a bundle to recordings."""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.cli.encoding import print_json
from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.core.answer import Answer
from medts.core.errors import MedtsError
from medts.core.labels import LabelSet


@dataclass(frozen=True)
class Predict:
    """Apply a bundle to recordings, in any format that `medts list formats` shows."""

    paths: tyro.conf.Positional[tuple[str, ...]]
    """Recordings; without --model the first one is the bundle."""

    model: str | None = None
    """Bundle, the run folder that holds one, or the name of a shipped one."""

    labels: str | None = None
    """Label set to predict, where the bundle has several; its first one if not given."""

    json: bool = False
    """Print JSON, one object per recording."""

    compute: Computing = field(default_factory=DeviceFlags)

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and predicts; a file that cannot be read does not stop the others."""
    flags = tyro.cli(Predict, prog="medts predict", args=arguments)
    bundle, files = flags.model, flags.paths
    if bundle is None and files:
        bundle, *files = files
    if bundle is None or not files:
        raise MedtsError("no recording given", remedy="medts predict FILE ... --model BUNDLE")
    files = [Path(file) for file in files]
    from medts.inference.predictor import load

    hints = flags.reading.hints()
    model = load(bundle, device=flags.compute.device, precision=flags.compute.precision)
    label_set = model.backend.resolve(flags.labels)

    def predict(file: Path) -> Answer | MedtsError:
        try:
            return model.predict(file, label_set, **hints)
        except MedtsError as error:
            return error

    failures = 0
    # Threads, since reading and the network release the interpreter's lock.
    with ThreadPoolExecutor(max(1, flags.compute.workers)) as pool:
        for file, found in zip(files, pool.map(predict, files), strict=True):
            if isinstance(found, MedtsError):
                failures += 1
                print(f"medts: {found}", file=sys.stderr)
            elif flags.json:
                print_json({"file": str(file), **found.as_json()})
            else:
                _show(file, found, label_set)
    if failures:
        raise MedtsError(f"{failures} of {len(files)} recordings could not be read")


def _show(file: Path, answer: Answer, label_set: LabelSet) -> None:
    table = Table(title=f"{file} · {label_set.name}", title_justify="left")
    console = make_console()
    if answer.is_judged:
        (_add_numbers if label_set.has_numbers else _add_classes)(table, answer, label_set)
        console.print(table)
    else:
        console.print(f"{file}: no prediction", markup=False)
    if answer.missing_channels:
        console.print(f"not in the recording: {', '.join(answer.missing_channels)}")
    for reason in answer.not_judged:
        console.print(f"not judged: {reason}", markup=False)
    for warning in answer.warnings:
        console.print(warning, style="yellow", markup=False)


def _add_classes(table: Table, answer: Answer, label_set: LabelSet) -> None:
    unset = "likeliest" if label_set.kind == "single" else "–"
    for heading in ("class", "meaning", "probability", "operating point", "stated"):
        table.add_column(heading, justify="right" if "p" in heading[:2] else "left")
    for name, each in answer.classes.items():
        threshold = unset if each.threshold is None else f"{each.threshold:.3f}"
        stated = "yes" if each.decision == "yes" else ""
        table.add_row(name, label_set.phrase(name), f"{each.probability:.4f}", threshold, stated)


def _add_numbers(table: Table, answer: Answer, label_set: LabelSet) -> None:
    for heading in ("number", "meaning", "value", "unit"):
        table.add_column(heading, justify="right" if heading == "value" else "left")
    for name, each in answer.classes.items():
        table.add_row(name, label_set.phrase(name), f"{each.value:.4g}", each.unit)
