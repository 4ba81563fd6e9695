"""`medts explain BUNDLE FILE`: attribution (saliency) of a prediction, and its faithfulness."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.cli.flags import Computing, DeviceFlags, Reading, ReadingFlags
from medts.core.errors import ConfigError

if TYPE_CHECKING:
    import medts.inference.explain


@dataclass(frozen=True)
class Explain:
    """Attribute a prediction to samples and channels, and measure the faithfulness of that."""

    bundle: tyro.conf.Positional[str]
    """Bundle, the run folder that holds one, or the name of a shipped one."""

    file: tyro.conf.Positional[Path]
    """Recording, in any format that `medts list formats` shows."""

    out: Path
    """Folder for explanation.html and explanation.json."""

    labels: str | None = None
    """Label set to predict, where the bundle has several; its first one if not given."""

    label: str | None = None
    """Class to explain; the likeliest if not given."""

    method: Literal["attention", "gradient"] | None = None
    """attention (Sparseformer only) or gradient; the first of them that works if not given."""

    seconds: float = 10.0
    """Seconds in the picture, at most."""

    steps: int = 10
    """Steps of the deletion and insertion curves."""

    random: int = 5
    """Random orders as a baseline."""

    seed: int = 0
    """Seed of the random orders."""

    compute: Computing = field(default_factory=DeviceFlags)

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses, explains and writes."""
    flags = tyro.cli(Explain, prog="medts explain", args=arguments)
    import numpy as np

    from medts.evaluation.explanation import explained
    from medts.evaluation.faithfulness import compare_orders
    from medts.formats import read
    from medts.inference.explain import explain_record, probabilities, relevance_of
    from medts.inference.predictor import load
    from medts.report.explanation import write_explanation

    if flags.compute.precision != "fp32":
        raise ConfigError("gradients are taken in fp32", field="--precision", remedy="Leave it out")
    bundle = load(flags.bundle, device=flags.compute.device).bundle
    label_set = bundle.resolve(flags.labels)
    record = read(flags.file, **flags.reading.hints())
    found = explain_record(
        bundle, record, label=flags.label, method=flags.method, label_set=label_set
    )
    k = label_set.classes.index(found.label)
    relevances = {found.method: found.relevance}
    if found.method != "gradient":
        relevances["gradient"], _ = relevance_of(
            bundle, found.batch, class_index=k, method="gradient", label_set=label_set
        )
    curves = compare_orders(
        lambda batch: probabilities(bundle, batch, label_set)[:, k],
        found.batch,
        relevances,
        n_steps=flags.steps,
        n_random=flags.random,
        seed=flags.seed,
    )
    shown = explained(found, bundle, record, curves)
    written = write_explanation(flags.out, shown, seconds=flags.seconds)
    scores = {name: float(np.mean([e.score for e in each])) for name, each in curves.items()}
    _show(found, scores, written)


def _show(
    found: "medts.inference.explain.Explanation", scores: dict[str, float], written: Sequence[Path]
) -> None:
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
