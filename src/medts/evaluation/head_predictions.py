"""Predictions of a model's own head on the records of a task, with columns matched by class name.

Operating points, chosen on the model's own validation records, come along in the task's order.

Axes: R records, K classes.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.evaluation.result import Estimate, Estimates
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Origin, Task, origin_of
from medts.inference.bundle import Bundle
from medts.inference.stored import predict_store
from medts.metrics.comparison import paired_bootstrap

NEVER = 2.0
"""Threshold of a class without an operating point, because no training record held it."""


def predict_test(model: Bundle, task: Task) -> Scored:
    """Predicts the test records of a task.

    Raises:
        MedtsError: If the model predicts other classes than the task's.
    """
    label_set, own = task.label_set, own_set(model, task)
    if set(own.classes) != set(label_set.classes) or own.kind != label_set.kind:
        raise MedtsError(
            f"the model predicts {own.name} ({', '.join(own.classes)}), not {label_set.name}",
            field="label_set",
            remedy="Use the protocol `transfer` where classes differ",
        )
    thresholds, shares = None, model.prevalence(own)
    if label_set.kind != "single":
        points = model.thresholds(own)
        thresholds = np.array([points.get(name, NEVER) for name in label_set.classes])
    return Scored(
        store=task.store,
        label_set=label_set,
        test=task.test,
        probability=predict_rows(model, task, task.test.rows),
        thresholds=thresholds,
        prevalence=np.array([shares[name] for name in label_set.classes]),
    )


def own_set(model: Bundle, task: Task) -> LabelSet:
    """Returns the model's own label set of the task's name; its leading one if it has none.

    Raises:
        BundleError: If the model has no head.
    """
    return model.resolve(task.label_set.name if task.label_set.name in model.label_sets else None)


def columns_of(own: LabelSet, label_set: LabelSet) -> list[int]:
    """Returns the columns of the model's classes in the order of another label set's."""
    return [own.classes.index(name) for name in label_set.classes]


def predict_rows(model: Bundle, task: Task, rows: np.ndarray) -> Float[np.ndarray, "R K"]:
    """Predicts rows of a task's store, in the order of the task's classes."""
    own = own_set(model, task)
    return predict_own(model, task, rows, own)[:, columns_of(own, task.label_set)]


def predict_own(
    model: Bundle, task: Task, rows: np.ndarray, own: LabelSet
) -> Float[np.ndarray, "R K"]:
    """Predicts rows of a task's store, in the order of the model's own classes."""
    found = predict_store(model, task.store, rows.tolist(), label_set=own, compute=task.compute)
    return found.astype(np.float64)


def head_origin(
    model: Bundle, task: Task, protocol: str, *, seed: int, notes: tuple[str, ...] = ()
) -> Origin:
    """Returns which model was measured, and the parts it was itself trained and chosen on.

    A class of which training held no example is named in the notes.
    """
    learnt = model.prevalence(own_set(model, task)) if model.head is not None else {}
    unseen = [name for name in task.label_set.classes if learnt.get(name) == 0]
    if unseen:
        notes += (f"no training record holds {', '.join(unseen)}: the model cannot predict them",)
    origin = origin_of(model, task, protocol, seed=seed, notes=notes)
    return replace(origin, splits={**model.provenance.splits, **origin.splits})


def paired_differences(scored: Scored, reference: Scored) -> Estimates:
    """Paired bootstrap by subject of each metric minus the reference's, as ``…_difference``."""
    compared = paired_bootstrap(scored.scorer(), reference.scorer(), scored.subjects)
    return {
        f"{name}_difference": Estimate(value=each.difference, low=each.low, high=each.high)
        for name, each in compared.items()
    }


def thresholds_of(bundle: Bundle) -> Float[np.ndarray, "K"] | None:
    """Returns the bundle's operating points in the order of its classes."""
    if bundle.label_set.kind == "single":
        return None
    thresholds = bundle.thresholds()
    return np.array([thresholds.get(name, NEVER) for name in bundle.label_set.classes])
