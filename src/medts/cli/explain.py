"""`medts explain BUNDLE FILE`: which samples and channels an answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.table import Table

from medts.cli.console import make_console

if TYPE_CHECKING:
    from medts.inference.explain import Explanation


@dataclass(frozen=True)
class Explain:
    """Draw which samples and channels an answer rests on, and measure how far that is true."""

    bundle: tyro.conf.Positional[Path]
    """Bundle, or the run folder that holds one."""

    file: tyro.conf.Positional[Path]
    """Recording, in any format that `medts list formats` shows."""

    out: Path
    """Folder for explanation.html and explanation.json."""

    labels: str | None = None
    """Label set to answer, where the bundle answers several; its first one if not given."""

    label: str | None = None
    """Class to explain; the likeliest if not given."""

    method: Literal["attention", "gradient"] | None = None
    """attention (Sparseformer only) or gradient; the first of them that works if not given."""

    seconds: float = 10.0
    """Seconds drawn, at most."""

    steps: int = 10
    """Steps from nothing to everything when pieces are taken away or put back."""

    random: int = 5
    """Random orders to compare with."""

    seed: int = 0
    """Seed of the random orders."""

    sampling_rate: float | None = None
    """Samples per second, Hz, where the file does not say."""

    unit: str | None = None
    """Unit of the values, where the file does not say."""


def run(arguments: Sequence[str]) -> None:
    """Parses, explains and writes."""
    asked = tyro.cli(Explain, prog="medts explain", args=arguments)
    import numpy as np

    from medts.evaluation.explanation import explained
    from medts.evaluation.faithfulness import compare_orders
    from medts.formats import read
    from medts.inference.explain import explain_record, probabilities, relevance_of
    from medts.inference.predictor import load
    from medts.report.explanation import write_explanation

    bundle = load(asked.bundle).bundle
    bundle = bundle.answering(asked.labels) if asked.labels else bundle
    record = read(asked.file, sampling_rate=asked.sampling_rate, unit=asked.unit)
    found = explain_record(bundle, record, label=asked.label, method=asked.method)
    k = bundle.label_set.classes.index(found.label)
    relevances = {found.method: found.relevance}
    if found.method != "gradient":
        relevances["gradient"], _ = relevance_of(
            bundle, found.batch, class_index=k, method="gradient"
        )
    curves = compare_orders(
        lambda batch: probabilities(bundle, batch)[:, k],
        found.batch,
        relevances,
        n_steps=asked.steps,
        n_random=asked.random,
        seed=asked.seed,
    )
    shown = explained(found, bundle, record, curves)
    written = write_explanation(asked.out, shown, seconds=asked.seconds)
    scores = {name: float(np.mean([e.score for e in each])) for name, each in curves.items()}
    _show(found, scores, written)


def _show(found: "Explanation", scores: dict[str, float], written: Sequence[Path]) -> None:
    console = make_console()
    words = f"{found.record_id}: {found.label}, probability {found.probability:.3f}"
    console.print(words, markup=False)
    for stream, shares in found.of_channels().items():
        largest = sorted(shares, key=lambda name: -shares[name])[:6]
        words = ", ".join(f"{name} {100 * shares[name]:.0f} %" for name in largest)
        console.print(f"{stream}: {words}", markup=False)
    table = Table("order", "faithfulness (higher is better)")
    for name, score in scores.items():
        table.add_row(name, f"{score:.3f}")
    console.print(table)
    for path in written:
        console.print(f"written: {path}", markup=False, soft_wrap=True)
