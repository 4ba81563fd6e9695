"""`medts demo`: the whole life of a model in a few minutes, on recordings made on the spot.

Synthetic records → WFDB file and store → training → evaluation with controls → prediction for a
file. What it shows works the same on real corpora; what it measures says nothing about patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.console import make_console
from medts.cli.progress import progress

LABELS = "synthetic/findings"


@dataclass(frozen=True)
class Demo:
    """Make a synthetic corpus, train, evaluate and predict.

    Given again, it goes on where it stopped; remove the folder to start anew.
    """

    out: Path = Path("runs/demo")
    """Folder for everything."""

    subjects: int = 400
    """Synthetic persons; each has several records."""

    recipe: str = "xresnet1d_small"
    """Recipe to train; see `medts list recipes`."""

    seed: int = 0
    """Seed of the records and of training."""


def run(arguments: Sequence[str]) -> None:
    """Parses and runs every step."""
    asked = tyro.cli(Demo, prog="medts demo", args=arguments)
    from medts.api import evaluate, train
    from medts.cli import evaluate as evaluate_verb
    from medts.cli import ingest as ingest_verb
    from medts.cli import predict as predict_verb
    from medts.cli import train as train_verb
    from medts.data.ingest import ingest
    from medts.data.sources.synthetic import Synthetic
    from medts.data.splits import Split
    from medts.data.store import Store
    from medts.formats import FORMATS

    console = make_console()
    console.rule("1 · recordings")
    source = Synthetic(n_subjects=asked.subjects, seed=asked.seed)
    report = ingest(
        source,
        "-",
        asked.out / "store",
        progress=lambda items, total: progress(items, total, "making records"),
    )
    ingest_verb.show(report, asked.out / "store")
    store = Store(asked.out / "store")

    console.rule(f"2 · training {asked.recipe} on folds 1-7, chosen on fold 8")
    bundle = train(
        asked.recipe,
        store,
        labels=LABELS,
        split=Split(train=tuple("1234567"), validation=("8",)),
        out=asked.out,
        seed=asked.seed,
    )
    train_verb.show(bundle)

    console.rule("3 · evidence from folds 9 and 10")
    result = evaluate(bundle, store, folds="9-10", out=asked.out, command="medts demo")
    evaluate_verb.show(result)

    console.rule("4 · prediction for a file")
    record = store.record(int(store.select(["10"])[0]))
    file = asked.out / "example.hea"
    FORMATS["wfdb"].write(record, file)
    predict_verb.run([str(bundle), str(file)])
    console.print(f"report said: {record.report}", markup=False)
    console.rule("done")
    for name, path in (
        ("report", asked.out / "report.html"),
        ("metrics", asked.out / "metrics.json"),
        ("model", bundle),
    ):
        console.print(f"{name}: {path}")
