"""`medts demo`: the whole life of a model in a few minutes, on simulated recordings.

Synthetic records → WFDB file and store → training → evaluation with controls → prediction for a
file. The same works on real corpora; the measures mean nothing for patients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.console import make_console
from medts.core.progress import progress

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
    flags = tyro.cli(Demo, prog="medts demo", args=arguments)
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
    source = Synthetic(n_subjects=flags.subjects, seed=flags.seed)
    report = ingest(
        source,
        "-",
        flags.out / "store",
        progress=lambda items, total: progress(items, total, "making records"),
    )
    ingest_verb.show(report, flags.out / "store")
    store = Store(flags.out / "store")

    console.rule(f"2 · training {flags.recipe} on folds 1-7, chosen on fold 8")
    bundle = train(
        flags.recipe,
        store,
        labels=LABELS,
        split=Split(train=tuple("1234567"), validation=("8",)),
        out=flags.out,
        seed=flags.seed,
    )
    train_verb.show(bundle)

    console.rule("3 · evidence from folds 9 and 10")
    result = evaluate(bundle, store, folds="9-10", out=flags.out, command="medts demo")
    evaluate_verb.show(result)

    console.rule("4 · prediction for a file")
    record = store.record(int(store.select(["10"])[0]))
    file = flags.out / "example.hea"
    FORMATS["wfdb"].write(record, file)
    predict_verb.run([str(bundle), str(file)])
    console.print(f"report: {record.report}", markup=False)
    console.rule("done")
    for name, path in (
        ("report", flags.out / "report.html"),
        ("metrics", flags.out / "metrics.json"),
        ("model", bundle),
    ):
        console.print(f"{name}: {path}")
