"""Protocol `fine_tune`: a bundle as it is, on test folds that it has never met.

Thresholds come from the bundle, which chose them on validation; the test records are scored once.

Axes: K classes.
"""

import time

import numpy as np
from jaxtyping import Float

from medts.core.config import Config
from medts.evaluation.answers import NEVER, answer, head_origin
from medts.evaluation.files import write_predictions
from medts.evaluation.result import Result
from medts.evaluation.scoring import score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle


class FineTuneConfig(Config):
    """Settings of the protocol `fine_tune`: none, for everything was settled in training."""


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
    return np.array([thresholds.get(name, NEVER) for name in bundle.label_set.classes])
