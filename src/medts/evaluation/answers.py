"""Answers: what a model with a head says of the records of a task, with columns matched by name.

Protocols that train nothing share this: the model's classes are brought into the order of the
task's label set, and its operating points, chosen on its own validation records, come along.

Axes: R records, K classes.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.evaluation.result import Measure, Measures
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Origin, Task, origin_of
from medts.inference.bundle import Bundle
from medts.inference.stored import predict_store
from medts.metrics.comparison import Comparison

NEVER = 2.0
"""Threshold of a class that has none, because no training record held it: never stated."""


def answer(model: Bundle, task: Task) -> Scored:
    """Predicts the test records of a task.

    Raises:
        MedtsError: If the model answers other classes than the task asks.
    """
    label_set, own = task.label_set, own_set(model, task)
    if set(own.classes) != set(label_set.classes) or own.kind != label_set.kind:
        raise MedtsError(
            f"the model answers {own.name} ({', '.join(own.classes)}), not {label_set.name}",
            field="label_set",
            remedy="Use the protocol `transfer` where classes differ",
        )
    columns = [own.classes.index(name) for name in label_set.classes]
    is_single = label_set.kind == "single"
    thresholds, shares = model.thresholds(own), model.prevalence(own)
    return Scored(
        store=task.store,
        label_set=label_set,
        test=task.test,
        probability=probabilities(model, task, task.test.rows)[:, columns],
        thresholds=None
        if is_single
        else np.array([thresholds.get(name, NEVER) for name in label_set.classes]),
        prevalence=np.array([shares[name] for name in label_set.classes]),
    )


def own_set(model: Bundle, task: Task) -> LabelSet:
    """Returns the model's own label set of the task's name; its leading one if it has none.

    Raises:
        BundleError: If the model has no head.
    """
    return model.resolve(task.label_set.name if task.label_set.name in model.label_sets else None)


def probabilities(model: Bundle, task: Task, rows: np.ndarray) -> Float[np.ndarray, "R K"]:
    """Predicts rows of a task's store, in the order of the model's own classes."""
    found = predict_store(
        model, task.store, rows.tolist(), label_set=own_set(model, task), compute=task.compute
    )
    return found.astype(np.float64)


def head_origin(
    model: Bundle, task: Task, protocol: str, *, seed: int, notes: tuple[str, ...] = ()
) -> Origin:
    """Says which model was measured, and on which parts it was itself trained and chosen.

    A class of which training held no example is named in the notes.
    """
    learnt = model.prevalence(own_set(model, task)) if model.head is not None else {}
    unseen = [name for name in task.label_set.classes if learnt.get(name) == 0]
    if unseen:
        notes += (f"no training record holds {', '.join(unseen)}: the model cannot know them",)
    origin = origin_of(model, task, protocol, seed=seed, notes=notes)
    return replace(origin, splits={**model.provenance.splits, **origin.splits})


def differences(compared: dict[str, Comparison]) -> Measures:
    """Returns each difference under the metric's name with ``_difference`` behind it."""
    return {
        f"{name}_difference": Measure(value=each.difference, low=each.low, high=each.high)
        for name, each in compared.items()
    }


def thresholds_of(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    """Returns the bundle's operating points in the order of its classes."""
    if bundle.label_set.kind == "single":
        return None
    thresholds = bundle.thresholds()
    return np.array([thresholds.get(name, NEVER) for name in bundle.label_set.classes])
