"""Draws: a probe trained on several choices of labelled records, measured on the same test part.

A protocol says which records each draw may learn from and choose on; everything else is done here
the same way for all: embeddings once per record, one probe per draw, thresholds on validation, the
same for every control, and a mean over draws that hides none of them.

Axes: R records, n records, D embedding width, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from medts.core.files import write_whole
from medts.core.labels import LabelSet
from medts.data.splits import Part
from medts.evaluation.averages import average
from medts.evaluation.controls import CONTROLS
from medts.evaluation.embeddings import embed
from medts.evaluation.protocols.probed import ProbedConfig
from medts.evaluation.result import Condition, Measures
from medts.evaluation.scoring import Found, Scored, measure, measures_of, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.thresholds import FALLBACK, choose_thresholds
from medts.training.probe import Labelled, Probe, fit_probe, fit_scaling
from medts.training.settings import ProbeConfig


@dataclass(frozen=True)
class Draw:
    """Which records one probe may learn from.

    Args:
        name: Unique among the draws, in words.
        train: Positions in the training part.
        validation: Positions in the validation part; none when nothing is chosen.
        group: Draws of one group are averaged.
        seed: Of the draw.
        draw: Number within its group.
        label_fraction: Share or number of labelled records.
        shots: Labelled examples per class.
        notes: What a reader must know.
    """

    name: str
    train: Int[np.ndarray, "n"]
    validation: Int[np.ndarray, "m"] | None
    group: str
    seed: int
    draw: int = 0
    label_fraction: float | None = None
    shots: int | None = None
    notes: tuple[str, ...] = ()


Fit = Callable[[Labelled, Labelled | None, Draw], Probe]


@dataclass(frozen=True)
class Represented:
    """Standardised vectors of all parts of a task."""

    train: Float[np.ndarray, "R D"]
    validation: Float[np.ndarray, "V D"] | None
    test: Float[np.ndarray, "n D"]


@dataclass(frozen=True)
class Answered:
    """What the probe of one draw answered, with notes on how it was trained."""

    draw: Draw
    scored: Scored
    probe: Probe
    notes: tuple[str, ...] = ()


def measure_draws(
    model: Bundle,
    task: Task,
    draws: Sequence[Draw],
    settings: ProbedConfig,
    *,
    seed: int,
    fit: Fit | None = None,
    label_set: LabelSet | None = None,
) -> Found:
    """Trains and measures a probe per draw, and the same with every control.

    The result's metrics are the mean over the draws of the first group; every draw and the mean
    of every group are conditions. With one draw there are no conditions.

    Args:
        model: Whose encoder is measured.
        task: Train, validation and test records.
        draws: What each probe learns from, group after group.
        settings: Solver, controls and cache.
        seed: Of the run and of the random encoder.
        fit: Trains a probe; the default is that of the settings.
        label_set: Whose description an encoder is conditioned on, where it takes a prior.

    Raises:
        ConfigError: If the task has no training records.
    """
    train_with = fit or _fit_of(task, settings)

    def answers(vectors: Represented, chosen: Sequence[Draw]) -> list[Answered]:
        return [_answer(task, vectors, draw, train_with) for draw in chosen]

    def embedded(rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n D"]:
        return embed(
            model,
            task.store,
            rows,
            settings.cache,
            label_set=label_set,
            compute=task.compute,
        )

    answered = answers(represent(task, embedded), draws)
    groups: dict[str, list[Answered]] = {}
    for each in answered:
        groups.setdefault(each.draw.group, []).append(each)
    headline = next(iter(groups.values()))
    found = score(headline[0].scored)
    changes: dict[str, Any] = {"controls": dict(found.controls)}
    if len(draws) > 1:
        conditions, overall, per_class = _conditions(task, groups)
        changes |= {"conditions": conditions, "metrics": overall, "per_class": per_class}
    if len(headline) > 1:
        changes["thresholds"] = {}
    for name in settings.controls:
        vectors = represent(
            task,
            lambda rows, name=name: CONTROLS[name](
                model, task.store, rows, settings.cache, seed, task.compute
            ),
        )
        others = answers(vectors, [each.draw for each in headline])
        changes["controls"][name] = average([each.scored for each in others])[0]
    if task.out is not None:
        with write_whole(task.out / "draws.parquet") as target:
            pq.write_table(draws_table(task, draws), target)
    return replace(
        found,
        **changes,
        settings={"chosen": {each.draw.name: each.probe.choice for each in answered}},
        notes=tuple(dict.fromkeys(note for each in headline for note in each.notes)),
        predictions=tuple((each.draw.name, each.draw.draw, each.scored) for each in answered),
        uses_head=False,
    )


def represent(
    task: Task, compute: Callable[[Int[np.ndarray, "n"]], Float[np.ndarray, "n D"]]
) -> Represented:
    """Turns all records of a task into vectors on the scale of the training records."""
    parts = [task.training(), *([task.validation] if task.validation else []), task.test]
    values = compute(np.concatenate([part.rows for part in parts]))
    scaled = fit_scaling(values[: len(parts[0])])(values)
    pieces = np.split(scaled, np.cumsum([len(part) for part in parts])[:-1])
    return Represented(pieces[0], pieces[1] if task.validation else None, pieces[-1])


def draws_table(task: Task, draws: Sequence[Draw]) -> pa.Table:
    """Returns which record was in which draw: a row per draw and labelled record."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("condition", "draw", "seed", "part", "record_id")
    }
    for draw in draws:
        chosen: list[tuple[str, Part | None, np.ndarray | None]] = [
            ("train", task.train, draw.train),
            ("validation", task.validation, draw.validation),
        ]
        for name, part, positions in chosen:
            if part is not None and positions is not None:
                ids = task.store.record_ids[part.rows[positions]].tolist()
                columns["record_id"] += ids
                columns["condition"] += [draw.name] * len(ids)
                columns["draw"] += [draw.draw] * len(ids)
                columns["seed"] += [draw.seed] * len(ids)
                columns["part"] += [name] * len(ids)
    return pa.table(columns)


def _fit_of(task: Task, settings: ProbeConfig) -> Fit:
    def fit(train: Labelled, validation: Labelled | None, draw: Draw) -> Probe:
        return fit_probe(train, validation, task.label_set.class_kind, settings, seed=draw.seed)

    return fit


def _answer(task: Task, vectors: Represented, draw: Draw, fit: Fit) -> Answered:
    label_set, target = task.label_set, task.training().target[draw.train]
    train = Labelled(vectors.train[draw.train], target)
    validation = None
    if draw.validation is not None and task.validation is not None:
        assert vectors.validation is not None
        chosen = task.validation.target[draw.validation]
        validation = Labelled(vectors.validation[draw.validation], chosen)
    probe = fit(train, validation, draw)
    thresholds = None
    if label_set.class_kind == "multi":
        thresholds = np.full(len(label_set), FALLBACK)
        if validation is not None:
            probability = probe(validation.embedding)
            thresholds = choose_thresholds(validation.target, probability).values
    scored = Scored(
        store=task.store,
        label_set=label_set,
        test=task.test,
        probability=probe(vectors.test),
        thresholds=thresholds,
        prevalence=target.mean(axis=0, dtype=np.float64),
    )
    notes = list(draw.notes)
    if probe.constant_classes:
        names = ", ".join(label_set.classes[k] for k in probe.constant_classes)
        notes.append(f"constant probability, for want of two kinds of example: {names}")
    if probe.n_unfinished:
        notes.append(f"{probe.n_unfinished} fits stopped at the limit of iterations")
    return Answered(draw, scored, probe, tuple(notes))


def _conditions(
    task: Task, groups: dict[str, list[Answered]]
) -> tuple[tuple[Condition, ...], Measures, dict[str, Measures]]:
    """Returns the mean of every group and each of its draws, and the first group's means."""
    conditions: list[Condition] = []
    means = []
    for name, members in groups.items():
        tables = [
            measure(each.scored, each.scored.probability, each.scored.thresholds)
            for each in members
        ]
        means.append(average([each.scored for each in members], tables))
        first = members[0].draw
        shared = {
            "n_records": len(task.test),
            "label_fraction": first.label_fraction,
            "shots": first.shots,
        }
        conditions.append(
            Condition(
                name=name,
                metrics=means[-1][0],
                n_train_records=round(np.mean([len(each.draw.train) for each in members])),
                **shared,
            )
        )
        conditions += [
            Condition(
                name=each.draw.name,
                metrics=measures_of(table),
                n_train_records=len(each.draw.train),
                draw=each.draw.draw,
                seed=each.draw.seed,
                notes=each.notes,
                **shared,
            )
            for each, table in zip(members, tables, strict=True)
        ]
    return tuple(conditions), *means[0]
