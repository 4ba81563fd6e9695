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
from medts.core.errors import ConfigError
from medts.data.store import Store
from medts.evaluation.files import write_evaluation, write_predictions
from medts.evaluation.result import Result
from medts.evaluation.scoring import Origin, Scored, score
from medts.evaluation.task import Task, make_task, model_digest
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.predictor import predict_store


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
    started = time.monotonic()
    bundle = load_bundle(model)
    task = make_task(store, bundle.label_set.name, test_folds=folds, allow_leak=allow_leak)
    result, scored = _measured(bundle, task, started)
    write_evaluation(Path(out), result, scored, model=model, command=command)
    return result


def run(
    model: Bundle, task: Task, settings: FineTuneConfig | None = None, *, seed: int = 0
) -> Result:
    """Measures a bundle on the test records of a task; nothing is trained, chosen or drawn.

    Args:
        model: Encoder with its head and operating points.
        task: Train and validation records are not looked at: the bundle has met its own.
        settings: There are none.
        seed: Not used; the result bears the seed of the bundle's run.

    Raises:
        LeakError: If the model has seen test records and the task does not allow it.
        ConfigError: If the task asks for another label set.
    """
    result, scored = _measured(model, task, time.monotonic())
    if task.out is not None:
        write_predictions(task.out, [("test", 0, scored)])
    return result


def _measured(bundle: Bundle, task: Task, started: float) -> tuple[Result, Scored]:
    label_set, provenance = bundle.label_set, bundle.provenance
    if task.label_set.classes != label_set.classes or task.label_set.name != label_set.name:
        raise ConfigError(
            f"the model answers {label_set.name}, the task asks {task.label_set.name}",
            field="labels",
            remedy="Ask for the model's own label set, or use the protocol `transfer`",
        )
    notes = task.check(bundle)
    scored = Scored(
        store=task.store,
        label_set=label_set,
        test=task.test,
        probability=predict_store(bundle, task.store, task.test.rows.tolist()).astype(np.float64),
        thresholds=thresholds_of(bundle),
        prevalence=np.array([provenance.prevalence[name] for name in label_set.classes]),
    )
    origin = Origin(
        protocol="fine_tune",
        recipe=provenance.recipe,
        seed=provenance.seed,
        bundle_digest=model_digest(bundle),
        splits=dict(provenance.splits),
        tuning_trials=provenance.settings["recipe"]["tuning_trials"],
        notes=notes,
    )
    return score(scored, origin, seconds=time.monotonic() - started), scored


def thresholds_of(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    """Returns the bundle's operating points in the order of its classes."""
    if bundle.label_set.kind == "single":
        return None
    return np.array([bundle.thresholds[name] for name in bundle.label_set.classes])
