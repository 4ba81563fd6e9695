"""`medts predict BUNDLE FILE …`: apply a bundle to recordings."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.core.arithmetic import Precision
from medts.core.errors import MedtsError

if TYPE_CHECKING:
    from medts.inference.predictor import Predictor, RecordPrediction


@dataclass(frozen=True)
class Predict:
    """Apply a bundle to recordings, in any format that `medts list formats` shows."""

    bundle: tyro.conf.Positional[Path]
    """Bundle, or the run folder that holds one."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings."""

    labels: str | None = None
    """Label set to answer, where the bundle answers several; its first one if not given."""

    json: bool = False
    """Print JSON, one object per recording."""

    precision: Precision = "fp32"
    """Arithmetic; the faster kinds are not exact."""

    sampling_rate: float | None = None
    """Samples per second, Hz, where a file does not say."""

    unit: str | None = None
    """Unit of the values, where a file does not say."""


def run(arguments: Sequence[str]) -> None:
    """Parses and predicts; a file that cannot be read does not stop the others."""
    asked = tyro.cli(Predict, prog="medts predict", args=arguments)
    if not asked.files:
        raise MedtsError("no recording given", remedy="medts predict BUNDLE FILE ...")
    from medts.inference.predictor import load

    model = load(asked.bundle, precision=asked.precision)
    model = model.answering(asked.labels) if asked.labels else model
    failures = 0
    for file in asked.files:
        try:
            prediction = model.predict(file, sampling_rate=asked.sampling_rate, unit=asked.unit)
        except MedtsError as error:
            failures += 1
            print(f"medts: {error}", file=sys.stderr)
            continue
        if asked.json:
            print(json.dumps({"file": str(file), **asdict(prediction)}, ensure_ascii=False))
        else:
            _show(file, prediction, model)
    if failures:
        raise MedtsError(f"{failures} of {len(asked.files)} recordings could not be read")


def _show(file: Path, prediction: "RecordPrediction", model: "Predictor") -> None:
    label_set, thresholds = model.bundle.label_set, model.bundle.thresholds
    unset = "likeliest" if label_set.kind == "single" else "–"
    table = Table(title=f"{file} · {label_set.name}", title_justify="left")
    for heading in ("class", "meaning", "probability", "operating point", "stated"):
        table.add_column(heading, justify="right" if "p" in heading[:2] else "left")
    for name, value in prediction.probability.items():
        threshold = f"{thresholds[name]:.3f}" if name in thresholds else unset
        stated = "yes" if name in prediction.stated else ""
        table.add_row(name, label_set.phrase(name), f"{value:.4f}", threshold, stated)
    console = make_console()
    console.print(table)
    if prediction.missing_channels:
        console.print(f"not in the recording: {', '.join(prediction.missing_channels)}")
    if model.bundle.provenance.synthetic:
        console.print("[yellow]trained on synthetic recordings: says nothing about patients[/]")
