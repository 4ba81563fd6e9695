"""Python API: the functions behind `import medts`, which the command line calls too.

The command line and Python call the same functions.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medts.core.arithmetic import Precision
from medts.core.config import Config
from medts.data.recordings import Recordings
from medts.data.splits import named_folds
from medts.data.store import open_recordings
from medts.evaluation.files import details_of
from medts.evaluation.result import Result
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.predictor import Predictor
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
    model: str | Path | Predictor | Bundle,
    data: Recordings | str | Path | Sequence[str | Path],
    *,
    folds: str | Sequence[str],
    out: str | Path | None = None,
    protocol: str = "held_out",
    settings: Config | None = None,
    labels: str | None = None,
    train_folds: str | Sequence[str] = (),
    val_folds: str | Sequence[str] = (),
    seed: int = 0,
    allow_leak: bool = False,
    allow_unchecked: bool = False,
    device: str = "auto",
    precision: Precision = "fp32",
    n_workers: int = 0,
    command: str = "",
) -> Result:
    """Evaluates a model by a protocol: metrics with 95 % intervals, beside controls.

    >>> medts.evaluate(  # doctest: +SKIP
    ...     "runs/a", "stores/ptb-xl", folds="9-10", out="runs/a/test"
    ... ).metrics["macro_auroc"]

    Args:
        model: Bundle or run folder by its path, or what `medts.load` gave.
        data: A store, paths of stores, or records in memory.
        folds: Test folds, none of which may have trained or selected the model: text such as
            ``9-10``, of which those that exist are taken, or names.
        out: Folder for ``metrics.json``, ``predictions.parquet`` and ``report.html``; None writes
            nothing.
        protocol: Name of the protocol; ``medts list protocols`` has them all.
        settings: Of the protocol; its own defaults if None.
        labels: Label set; the model's own if None.
        train_folds: That a probe is trained on.
        val_folds: On which a protocol chooses.
        seed: Of whatever the protocol samples.
        allow_leak: Goes on in spite of a leak, with a note in the result.
        allow_unchecked: Goes on where leaks cannot be checked for want of the site key.
        device: auto (a CUDA GPU, else the CPU), cpu, gpu, cuda:1 or mps; a model that was handed
            over is moved back afterwards.
        precision: Arithmetic of the network; the faster kinds are not exact.
        n_workers: Processes that read and prepare recordings beside this one.
        command: Command line to print in the report.

    Raises:
        UnknownNameError: If there is no such protocol.
        LeakError: If the model has seen test records.
        StoreError: If no test record has a label of the set.
        ConfigError: If the protocol lacks records, or the device is missing or full.
    """
    path = model if isinstance(model, str | Path) else None
    store = open_recordings(data)
    bundle = _bundle_of(model)
    task = make_task(
        store,
        labels or bundle.label_set.name,
        test_folds=named_folds(store, folds),
        train_folds=named_folds(store, train_folds) if train_folds else (),
        val_folds=named_folds(store, val_folds) if val_folds else (),
        allow_leak=allow_leak,
        allow_unchecked=allow_unchecked,
        compute=Compute(device=device, precision=precision, n_workers=n_workers),
        out=None if out is None else Path(out),
    )
    result = run_protocol(protocol, bundle, task, settings, seed=seed)
    if out is not None:
        write_result(out, result, details_of(task, result, model=path), command=command)
    return result


def _bundle_of(model: str | Path | Predictor | Bundle) -> Bundle:
    if isinstance(model, str | Path):
        return load_bundle(model)
    return model.bundle if isinstance(model, Predictor) else model
