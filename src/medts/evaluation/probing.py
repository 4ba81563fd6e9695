"""Linear probing of frozen embeddings, on one or several subsamples of the labelled records.

A protocol gives the records that each probe is trained and chosen on. The rest is the same for all:
embeddings once per record, a probe per subsample, thresholds on validation, the same for every
control, and a mean over subsamples beside each of them.

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
from medts.evaluation.averages import average
from medts.evaluation.controls import CONTROLS
from medts.evaluation.embeddings import embed
from medts.evaluation.protocols.probed import ProbedConfig
from medts.evaluation.result import Condition, Estimates, estimates_of
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.scores import Kind
from medts.metrics.thresholds import FALLBACK, choose_thresholds
from medts.training.probe import Labelled, Probe, fit_probe, fit_scaling
from medts.training.settings import ProbeConfig

FitProbe = Callable[[Labelled, Labelled | None, int], Probe]
"""Trains a probe on labelled embeddings, chooses on others, with a seed."""


@dataclass(frozen=True)
class LabelSubset:
    """Which labelled records one probe is trained and chosen on.

    Args:
        name: Unique among the subsets, in words.
        train: Positions in the training part.
        validation: Positions in the validation part; none when nothing is chosen.
        group: Subsets of one group are averaged.
        seed: Of the sampling, of mini-batches and of hidden layers.
        number: Within its group; ``draw`` in files.
        label_fraction: Share or number of labelled records.
        shots: Labelled examples per class.
        notes: Caveats for the reader.
    """

    name: str
    train: Int[np.ndarray, "n"]
    validation: Int[np.ndarray, "m"] | None
    group: str
    seed: int
    number: int = 0
    label_fraction: float | None = None
    shots: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Represented:
    """Standardised vectors of all parts of a task."""

    train: Float[np.ndarray, "R D"]
    validation: Float[np.ndarray, "V D"] | None
    test: Float[np.ndarray, "n D"]


@dataclass(frozen=True)
class Probed:
    """A trained probe with its test predictions, and notes on how it was trained."""

    subset: LabelSubset
    scored: Scored
    probe: Probe
    notes: tuple[str, ...] = ()


def measure_probes(
    model: Bundle,
    task: Task,
    subsets: Sequence[LabelSubset],
    settings: ProbedConfig,
    *,
    seed: int,
    fit: FitProbe | None = None,
    label_set: LabelSet | None = None,
) -> Found:
    """Linear probing: a probe per subset of labels, and the same with every control.

    The result's metrics are the mean over the first group; every subset and the mean of every group
    are conditions. With one subset there are no conditions.

    Args:
        model: Whose encoder is measured.
        task: Train, validation and test records.
        subsets: What each probe is trained on, group after group.
        settings: Solver, controls and cache.
        seed: Of the run and of the random encoder.
        fit: Trains a probe; the default is that of the settings.
        label_set: Whose description an encoder is conditioned on, where it takes a prior.

    Raises:
        ConfigError: If the task has no training records.
    """
    fit = fit or probe_of(task.label_set.class_kind, settings)

    def embedded(rows: Int[np.ndarray, "n"]) -> Float[np.ndarray, "n D"]:
        return embed(
            model, task.store, rows, settings.cache, label_set=label_set, compute=task.compute
        )

    vectors = represent(task, embedded)
    probed = [_probe(task, vectors, subset, fit) for subset in subsets]
    groups: dict[str, list[Probed]] = {}
    for each in probed:
        groups.setdefault(each.subset.group, []).append(each)
    headline = next(iter(groups.values()))
    found = score(headline[0].scored)
    changes: dict[str, Any] = {"controls": dict(found.controls)}
    if len(subsets) > 1:
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
        others = [_probe(task, vectors, each.subset, fit) for each in headline]
        changes["controls"][name] = average([each.scored for each in others])[0]
    if task.out is not None:
        with write_whole(task.out / "draws.parquet") as target:
            pq.write_table(subsets_table(task, subsets), target)
    return replace(
        found,
        **changes,
        settings={"chosen": {each.subset.name: each.probe.choice for each in probed}},
        notes=tuple(dict.fromkeys(note for each in headline for note in each.notes)),
        predictions=tuple((each.subset.name, each.subset.number, each.scored) for each in probed),
        uses_head=False,
    )


def probe_of(kind: Kind, settings: ProbeConfig) -> FitProbe:
    """Returns how probes are trained by the settings of a protocol."""

    def fit(train: Labelled, validation: Labelled | None, seed: int) -> Probe:
        return fit_probe(train, validation, kind, settings, seed=seed)

    return fit


def represent(
    task: Task, compute: Callable[[Int[np.ndarray, "n"]], Float[np.ndarray, "n D"]]
) -> Represented:
    """Standardises the vectors of all records of a task by those of the training records."""
    parts = [task.training(), *([task.validation] if task.validation else []), task.test]
    values = compute(np.concatenate([part.rows for part in parts]))
    scaled = fit_scaling(values[: len(parts[0])])(values)
    pieces = np.split(scaled, np.cumsum([len(part) for part in parts])[:-1])
    return Represented(pieces[0], pieces[1] if task.validation else None, pieces[-1])


def choose_operating_points(
    probe: Probe, validation: Labelled | None, kind: Kind
) -> Float[np.ndarray, "K"] | None:
    """Returns thresholds chosen on validation, or one half without; none for a ``single`` set."""
    if kind == "single":
        return None
    if validation is None:
        return np.full(len(probe.bias), FALLBACK)
    return choose_thresholds(validation.target, probe(validation.embedding)).values


def subsets_table(task: Task, subsets: Sequence[LabelSubset]) -> pa.Table:
    """Returns which record was in which subset: a row per subset and labelled record."""
    rows: list[dict[str, object]] = []
    for subset in subsets:
        parts = (
            ("train", task.train, subset.train),
            ("validation", task.validation, subset.validation),
        )
        for name, part, positions in parts:
            if part is not None and positions is not None:
                rows += [
                    {
                        "condition": subset.name,
                        "draw": subset.number,
                        "seed": subset.seed,
                        "part": name,
                        "record_id": record_id,
                    }
                    for record_id in task.store.record_ids[part.rows[positions]].tolist()
                ]
    return pa.Table.from_pylist(rows)


def _probe(task: Task, vectors: Represented, subset: LabelSubset, fit: FitProbe) -> Probed:
    label_set, target = task.label_set, task.training().target[subset.train]
    validation = None
    if subset.validation is not None and task.validation is not None:
        assert vectors.validation is not None
        chosen = task.validation.target[subset.validation]
        validation = Labelled(vectors.validation[subset.validation], chosen)
    probe = fit(Labelled(vectors.train[subset.train], target), validation, subset.seed)
    scored = Scored(
        store=task.store,
        label_set=label_set,
        test=task.test,
        probability=probe(vectors.test),
        thresholds=choose_operating_points(probe, validation, label_set.class_kind),
        prevalence=target.mean(axis=0, dtype=np.float64),
    )
    notes = list(subset.notes)
    if probe.constant_classes:
        names = ", ".join(label_set.classes[k] for k in probe.constant_classes)
        notes.append(f"constant probability, for want of two kinds of example: {names}")
    if probe.n_unfinished:
        notes.append(f"{probe.n_unfinished} fits stopped at the limit of iterations")
    return Probed(subset, scored, probe, tuple(notes))


def _conditions(
    task: Task, groups: dict[str, list[Probed]]
) -> tuple[tuple[Condition, ...], Estimates, dict[str, Estimates]]:
    """Returns the mean of every group and each of its subsets, and the first group's means."""
    conditions: list[Condition] = []
    means = []
    for name, members in groups.items():
        tables = [each.scored.table() for each in members]
        means.append(average([each.scored for each in members], tables))
        shared = {
            "n_records": len(task.test),
            "label_fraction": members[0].subset.label_fraction,
            "shots": members[0].subset.shots,
        }
        conditions.append(
            Condition(
                name=name,
                metrics=means[-1][0],
                n_train_records=round(np.mean([len(each.subset.train) for each in members])),
                **shared,
            )
        )
        conditions += [
            Condition(
                name=each.subset.name,
                metrics=estimates_of(table.metrics),
                n_train_records=len(each.subset.train),
                draw=each.subset.number,
                seed=each.subset.seed,
                notes=each.notes,
                **shared,
            )
            for each, table in zip(members, tables, strict=True)
        ]
    return tuple(conditions), *means[0]
