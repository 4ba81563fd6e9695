"""The calls that the package consists of, each of which spans several rooms.

The command line and Python call the same functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medts.core.config import Config
from medts.data.recordings import Recordings
from medts.data.store import Store
from medts.evaluation import find_protocol
from medts.evaluation.files import details_of
from medts.evaluation.result import Result
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.inference.stored import Compute
from medts.report.files import write_result
from medts.report.reconstructions import page_of
from medts.training.recipe import Recipe


def train(
    recipe: Recipe | str,
    data: Recordings | str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    **settings: Any,
) -> Path:
    """Trains, pretrains or fine-tunes a recipe and returns the folder of its bundle.

    >>> medts.train(  # doctest: +SKIP
    ...     "xresnet1d", "stores/ptb-xl", labels="ptb-xl/super", out="runs/a"
    ... )

    Args:
        recipe: A recipe or its name.
        data: A store, paths of stores, or records in memory.
        out: Run folder.
        settings: As for `medts.training.train.train`.
    """
    from medts.recipes import find_recipe
    from medts.training.train import train as train_recipe

    made = train_recipe(
        find_recipe(recipe) if isinstance(recipe, str) else recipe, data, out=out, **settings
    )
    examples = Path(out) / "reconstructions.npz"
    if examples.is_file():
        page_of(examples, Path(out) / "reconstructions.html")
    return made


def evaluate(
    model: str | Path,
    store: Store,
    *,
    folds: Sequence[str],
    out: str | Path,
    protocol: str = "fine_tune",
    settings: Config | None = None,
    labels: str | None = None,
    train_folds: Sequence[str] = (),
    val_folds: Sequence[str] = (),
    seed: int = 0,
    allow_leak: bool = False,
    allow_unchecked: bool = False,
    compute: Compute | None = None,
    command: str = "",
) -> Result:
    """Measures a model by a protocol and writes its report.

    Args:
        model: Bundle, or run folder.
        store: Where the records are.
        folds: Test folds; none of them may have trained or selected the model.
        out: Folder for ``metrics.json``, ``predictions.parquet`` and ``report.html``.
        protocol: Name of the protocol.
        settings: Of the protocol; its own defaults if None.
        labels: Label set; the model's own if None.
        train_folds: That a probe is trained on.
        val_folds: On which a protocol chooses.
        seed: Of whatever the protocol samples.
        allow_leak: Goes on in spite of a leak, with a note in the result.
        allow_unchecked: Goes on where leaks cannot be checked for want of the site key.
        compute: Device, arithmetic and workers.
        command: Command line to print in the report.

    Raises:
        UnknownNameError: If there is no such protocol.
        LeakError: If the model has seen test records.
        StoreError: If no test record has a label of the set.
    """
    measure = find_protocol(protocol).run
    bundle = load_bundle(model)
    task = make_task(
        store,
        labels or bundle.label_set.name,
        test_folds=folds,
        train_folds=train_folds,
        val_folds=val_folds,
        allow_leak=allow_leak,
        allow_unchecked=allow_unchecked,
        compute=compute,
        out=Path(out),
    )
    result = measure(bundle, task, settings, seed=seed)
    write_result(out, result, details_of(task, result, model=model), command=command)
    return result
