"""Protocol `fine_tune`: a bundle as it is, on test folds that it has never met.

Thresholds come from the bundle, which chose them on validation; the test records are scored once.

Axes: K classes.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.config import Config
from medts.data.store import Store
from medts.evaluation.answers import answer, head_origin
from medts.evaluation.files import write_predictions, write_result
from medts.evaluation.result import Result
from medts.evaluation.scoring import score
from medts.evaluation.task import Task, make_task
from medts.inference.bundle import Bundle, load_bundle


class FineTuneConfig(Config):
    """Settings of the protocol `fine_tune`: none, for everything was settled in training."""


def evaluate(
    model: str | Path,
    store: Store,
    *,
    folds: Sequence[str],
    out: str | Path,
    allow_leak: bool = False,
    command: str = "",
) -> Result:
    """Measures a bundle on the test folds and writes its report.

    Args:
        model: Bundle, or run folder.
        store: Where the test records are.
        folds: Test folds; none of them may have trained or selected the model.
        out: Folder for ``metrics.json``, ``predictions.parquet`` and ``report.html``.
        allow_leak: Goes on in spite of a leak, and says so in the result.
        command: Command line to print in the report.

    Raises:
        LeakError: If the model has seen test records.
        StoreError: If no test record has a label of the set.
    """
    bundle = load_bundle(model)
    task = make_task(
        store, bundle.label_set.name, test_folds=folds, allow_leak=allow_leak, out=Path(out)
    )
    result = run(bundle, task)
    write_result(task, result, model=model, command=command)
    return result


def run(
    model: Bundle, task: Task, settings: FineTuneConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a bundle on the test records of a task; nothing is trained, chosen or drawn.

    Args:
        model: Encoder with its head and operating points.
        task: Its train and validation records are not looked at: the bundle has met its own.
        settings: There are none.
        seed: Not used; the result bears the seed of the bundle's run.

    Raises:
        LeakError: If the model has seen test records and the task does not allow it.
        MedtsError: If the model answers other classes than the task asks.
    """
    started = time.monotonic()
    notes = task.check(model)
    scored = answer(model, task)
    if task.out is not None:
        write_predictions(task.out, "fine_tune", [("test", 0, scored)])
    origin = head_origin(model, task, "fine_tune", seed=model.provenance.seed, notes=notes)
    return score(scored, origin, seconds=time.monotonic() - started)


def thresholds_of(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    """Returns the bundle's operating points in the order of its classes."""
    if bundle.label_set.kind == "single":
        return None
    thresholds = bundle.thresholds()
    return np.array([thresholds[name] for name in bundle.label_set.classes])
