"""Subgroup (fairness) analysis: metrics by age band, sex, site and device, and their differences.

Axes: R records, K classes.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from medts.core.records import Fact
from medts.evaluation.head_predictions import predict_test
from medts.evaluation.protocols.subgroups import SubgroupsConfig
from medts.evaluation.result import Condition, Estimate, Estimates, estimates_of
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.checks import undefined_classes
from medts.metrics.intervals import Interval
from medts.metrics.table import interval_table

UNKNOWN = "unknown"


def run(model: Bundle, task: Task, settings: SubgroupsConfig, *, seed: int) -> Found:
    """Scores the test records of every group, and each group against the rest.

    Raises:
        MedtsError: If the model predicts other classes than the task's.
    """
    notes: tuple[str, ...] = ()
    scored = predict_test(model, task)
    conditions, small = [], []
    known = task.store.column("facts")
    facts = [json.loads(known[row]) for row in task.test.rows]
    subjects = np.array(scored.subjects)
    for fact in settings.facts:
        values = [group_of(fact, each.get(fact), settings.age_edges) for each in facts]
        if set(values) == {UNKNOWN}:
            notes += (f"no test record has the fact {fact}",)
            continue
        for value in sorted(set(values)):
            is_in = np.array([each == value for each in values])
            n_subjects = len(set(subjects[is_in]))
            if n_subjects < settings.least_subjects:
                small.append(f"{fact} {value} ({n_subjects})")
            else:
                conditions.append(_group(f"{fact} {value}", scored, is_in))
    if small:
        notes += (f"too few subjects to be scored: {', '.join(small)}",)
    return replace(score(scored), conditions=tuple(conditions), notes=notes)


def group_of(fact: str, value: Fact, age_edges: Sequence[float] = ()) -> str:
    """Returns the name of the group that a value belongs to.

    >>> group_of("age", 40, (18, 40, 60)), group_of("age", 12, (18, 40)), group_of("sex", None)
    ('40-59', 'under 18', 'unknown')
    """
    if value is None or value == "" or (isinstance(value, float) and np.isnan(value)):
        return UNKNOWN
    if fact != "age":
        return str(value).strip()
    if isinstance(value, bool | str):
        return UNKNOWN
    place = int(np.searchsorted(age_edges, value, side="right"))
    if place == 0:
        return f"under {age_edges[0]:g}" if age_edges else "any"
    if place == len(age_edges):
        return f"{age_edges[-1]:g} and over"
    return f"{age_edges[place - 1]:g}-{age_edges[place] - 1:g}"


def _group(name: str, scored: Scored, is_in: Bool[np.ndarray, "R"]) -> Condition:
    inside, outside = _only(scored, is_in), _only(scored, ~is_in)
    table = inside.table()
    notes = []
    if table.excluded_classes:
        notes.append(f"not judged: {', '.join(table.excluded_classes)}")
    few = [each for each in table.few_positives if each not in table.excluded_classes]
    if few:
        notes.append(f"fewer than ten positives: {', '.join(few)}")
    counts = {
        "n_subjects": Estimate(value=table.n_subjects),
        "n_positive_least": Estimate(value=min(table.n_positive.values())),
    }
    return Condition(
        name=name,
        metrics=estimates_of(table.metrics) | _difference(inside, outside) | counts,
        n_records=table.n_records,
        notes=tuple(notes),
    )


def _only(scored: Scored, is_in: Bool[np.ndarray, "R"]) -> Scored:
    test = scored.test.take(np.flatnonzero(is_in))
    return replace(scored, test=test, probability=scored.probability[is_in])


def _difference(inside: Scored, outside: Scored) -> Estimates:
    """Returns the group's macros minus the rest's, over the classes that both can judge."""
    classes = inside.label_set.classes
    sides = [each for each in (inside, outside) if len(each.test)]
    if len(sides) < 2:
        return {}
    undefined = {name for each in sides for name in undefined_classes(each.test.target, classes)}
    shared = [k for k, name in enumerate(classes) if name not in undefined]
    if not shared:
        return {}
    thresholds = np.full(len(classes), 0.5) if inside.thresholds is None else inside.thresholds
    tables = [
        # A single-label set with classes left out is no longer one: its macros are of rankings.
        interval_table(
            each.test.target[:, shared],
            each.probability[:, shared],
            thresholds[shared],
            "multi",
            each.subjects,
            [classes[k] for k in shared],
        )
        for each in sides
    ]
    names = ["macro_auroc", "macro_auprc"]
    if inside.label_set.class_kind == "multi":
        names += ["macro_f1", "balanced_accuracy"]
    return {
        f"{name}_difference": mover_difference(*(table.metrics[name] for table in tables))
        for name in names
    }


def mover_difference(first: Interval, second: Interval) -> Estimate:
    """MOVER interval (Zou and Donner 2008) of the difference of two independent scores."""
    value = first.value - second.value
    down = np.hypot(first.value - first.low, second.high - second.value)
    up = np.hypot(first.high - first.value, second.value - second.low)
    return Estimate(value=value, low=float(value - down), high=float(value + up))
