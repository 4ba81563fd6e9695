"""Regression metrics of predicted numbers, with intervals and controls that do not use the signal.

``training_mean`` predicts the mean of the training targets. ``age_and_sex`` is a least-squares line
on age and sex (on ``sex`` alone where age is the target), fitted on the training records of the
model. ``shuffled_targets`` are the model's own predictions against permuted targets.

Axes: R records, n records, K numbers, F features.
"""

import json

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import MedtsError
from medts.data.recordings import Recordings
from medts.data.splits import Part, take_part
from medts.evaluation.head_predictions import columns_of, own_set, predict_rows
from medts.evaluation.result import Estimate, Estimates, estimates_of, estimates_of_samples
from medts.evaluation.scoring import Found, Scored
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.regression import averaged, regression_intervals, regression_measures
from medts.models.heads import RegressionHead

FACTS = ("age", "sex")
"""Facts of a subject from which a number may be predicted without any signal."""


def score_numbers(model: Bundle, task: Task) -> Found:
    """Computes regression metrics of a model, and of controls, on the test records of a task.

    Raises:
        MedtsError: If the model predicts other numbers, or in other units.
    """
    predicted, target = predict_numbers(model, task), task.test.target
    overall, by_number = _estimates(task, predicted)
    facts = tuple(each for each in FACTS if each not in task.label_set.classes)
    linear, notes = linear_control(model, task, facts)
    mean = training_mean(model, task)
    controls = {"training_mean": _estimates(task, np.tile(mean, (len(task.test), 1)))[0]}
    if linear is not None:
        controls["_and_".join(facts)] = _estimates(task, linear)[0]
    controls["shuffled_targets"] = shuffled_targets(target, predicted)
    known = np.isfinite(target).sum(axis=0)
    scored = Scored(
        store=task.store,
        label_set=task.label_set,
        test=task.test,
        probability=predicted,
        thresholds=None,
        prevalence=mean,
    )
    return Found(
        test=task.test,
        label_set=task.label_set,
        metrics=overall,
        per_class={
            name: {**by_number[k], "n_records": Estimate(value=float(known[k]))}
            for k, name in enumerate(task.label_set.classes)
        },
        controls=controls,
        excluded_records=task.test.n_unlabelled,
        notes=notes,
        predictions=(("test", 0, scored),),
    )


def predict_numbers(model: Bundle, task: Task) -> Float[np.ndarray, "R K"]:
    """Predicts the test records, with columns matched by name.

    Raises:
        MedtsError: If the model predicts other numbers, or in other units.
    """
    own, wanted = own_set(model, task), task.label_set
    found = {name: own.units.get(name, "") for name in own.classes} if own.has_numbers else {}
    needed = {name: wanted.units.get(name, "") for name in wanted.classes}
    if found != needed:
        raise MedtsError(
            f"the model predicts {_listed(found) or own.name}, not {_listed(needed)}",
            field="label_set",
            remedy="Train a model on this label set",
        )
    return predict_rows(model, task, task.test.rows)


def training_mean(model: Bundle, task: Task) -> Float[np.ndarray, "K"]:
    """Returns the mean of the training targets, which the model's head holds, in a task's order."""
    head = model.head
    assert isinstance(head, RegressionHead)
    return head.mean.double().cpu().numpy()[columns_of(own_set(model, task), task.label_set)]


def linear_control(
    model: Bundle, task: Task, facts: tuple[str, ...] = FACTS
) -> tuple[Float[np.ndarray, "R K"] | None, tuple[str, ...]]:
    """Predicts the test records from age and sex by least squares; None, and why, if impossible."""
    names = " and ".join(facts)
    train = _training_part(model, task)
    if train is None:
        return None, (f"no training record is in the data: the control of {names} is left out",)
    known = [_facts(task.store, part.rows) for part in (train, task.test)]
    if not any(each.get(name) is not None for each in known[0] for name in facts):
        return None, (f"no training record has {names}: that control is left out",)
    ages = np.array([_age(each) for each in known[0]])
    mean_age = float(ages[np.isfinite(ages)].mean()) if np.isfinite(ages).any() else 0.0
    before, after = (_features(each, facts, mean_age) for each in known)
    return fit_predict(before, train.target, after), ()


def fit_predict(
    features: Float[np.ndarray, "n F"],
    target: Float[np.ndarray, "n K"],
    others: Float[np.ndarray, "R F"],
) -> Float[np.ndarray, "R K"]:
    """Ordinary least squares of each number on its known records; predicts other records."""
    predicted = np.zeros((len(others), target.shape[1]))
    for k, column in enumerate(target.T):
        is_known = np.isfinite(column)
        weight = np.linalg.lstsq(features[is_known], column[is_known].astype(float), rcond=None)[0]
        predicted[:, k] = others @ weight
    return predicted


def shuffled_targets(
    target: Float[np.ndarray, "R K"],
    predicted: Float[np.ndarray, "R K"],
    *,
    n_permutations: int = 200,
    seed: int = 0,
) -> Estimates:
    """Permutation baseline: mean of each metric over permuted targets, with 95 % of them."""
    generator, everyone = np.random.default_rng(seed), np.ones((1, len(target)))
    repeats = []
    for _ in range(n_permutations):
        permuted = target[generator.permutation(len(target))]
        found = averaged(regression_measures(permuted, predicted, everyone))
        repeats.append({name: float(value[0]) for name, value in found.items()})
    return estimates_of_samples(repeats)


def _estimates(
    task: Task, predicted: Float[np.ndarray, "R K"]
) -> tuple[Estimates, list[Estimates]]:
    subjects = task.store.subject_ids[task.test.rows].tolist()
    target = task.test.target.astype(np.float64)
    overall, by_number = regression_intervals(target, predicted, subjects)
    return estimates_of(overall), [estimates_of(each) for each in by_number]


def _training_part(model: Bundle, task: Task) -> Part | None:
    """Returns the task's training part, or the model's own folds without subjects of the test."""
    if task.train is not None:
        return task.train
    split, store = model.provenance.splits.get("train", {}), task.store
    corpus = task.label_set.name.split("/")[0]
    of_corpus = set(store.folds[store.corpus_of_row == corpus])
    folds = [each for each in split.get("folds", ()) if each in of_corpus]
    if not folds or corpus not in split.get("corpora", ()):
        return None
    try:
        part = take_part(store, task.label_set.name, folds)
    except MedtsError:  # none of them is labelled
        return None
    is_apart = ~np.isin(store.subject_ids[part.rows], store.subject_ids[task.test.rows])
    return part.take(np.flatnonzero(is_apart)) if is_apart.any() else None


def _facts(store: Recordings, rows: Int[np.ndarray, "n"]) -> list[dict[str, object]]:
    written = store.column("facts")
    return [json.loads(written[row]) for row in rows]


def _features(
    facts: list[dict[str, object]], names: tuple[str, ...], mean_age: float
) -> Float[np.ndarray, "n F"]:
    """Returns a constant, and what is known of age and sex beside whether it is known."""
    columns = [np.ones(len(facts))]
    if "age" in names:
        age = np.array([_age(each) for each in facts])
        columns += [np.where(np.isfinite(age), age, mean_age), np.isfinite(age).astype(float)]
    if "sex" in names:
        sexes = [str(each.get("sex") or "") for each in facts]
        columns += [np.array([each == name for each in sexes]) for name in ("female", "male")]
    return np.stack(columns, axis=1).astype(float)


def _age(facts: dict[str, object]) -> float:
    age = facts.get("age")
    return float(age) if isinstance(age, int | float) else float("nan")


def _listed(units: dict[str, str]) -> str:
    return ", ".join(f"{name} ({unit})" if unit else name for name, unit in units.items())
