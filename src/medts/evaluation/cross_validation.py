"""Cross-validation over subjects: stratified folds, a linear probe per fold, pooled predictions.

Axes: R records, K classes, D embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import ConfigError
from medts.data.recordings import Recordings
from medts.data.splits import Part, stratified_order
from medts.evaluation.controls import CONTROLS
from medts.evaluation.embeddings import embed
from medts.evaluation.probing import choose_operating_points, probe_of, represent
from medts.evaluation.protocols.cross_validation import CrossValidationConfig
from medts.evaluation.result import Condition, Estimates, estimates_of
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.checks import subject_index
from medts.training.probe import Labelled

_OF_RANKS = ("macro_auroc", "macro_auprc", "brier", "auroc", "auprc")


def run(model: Bundle, task: Task, settings: CrossValidationConfig, *, seed: int) -> Found:
    """Cross-validates a linear probe over the subjects of the task's test part.

    Raises:
        ConfigError: If there are more folds than subjects.
    """
    store, rows = task.store, task.test.rows
    tasks = subject_tasks(task, settings.n_folds, seed=seed)
    place = {row: i for i, row in enumerate(rows.tolist())}

    def probed(values: Float[np.ndarray, "R D"]) -> list[Scored]:
        return [
            _probe(fold, lambda own: values[[place[row] for row in own.tolist()]], settings, seed)
            for fold in tasks
        ]

    folds = probed(embed(model, store, rows, settings.cache, compute=task.compute))
    ranked, stated = pool(folds)
    plain, found = score(ranked), score(stated)
    controls = {
        name: merged_estimates(
            *pool(probed(CONTROLS[name](model, store, rows, settings.cache, seed, task.compute)))
        )
        for name in settings.controls
    }
    return replace(
        found,
        metrics=_merged(plain.metrics, found.metrics),
        per_class={
            name: _merged(plain.per_class[name], each) for name, each in found.per_class.items()
        },
        controls=found.controls | controls,
        conditions=tuple(_condition(i, each) for i, each in enumerate(folds, start=1)),
        thresholds={},
        notes=(f"{len(tasks)} folds by subject; everyone was tested once",),
        predictions=(("all folds", 0, ranked),),
        uses_head=False,
    )


def subject_tasks(task: Task, n_folds: int, *, seed: int = 0) -> list[Task]:
    """Makes a task per fold of the test part: that fold tests, the next chooses, others train.

    Raises:
        ConfigError: If there are fewer subjects than folds.
    """
    part = task.test
    folds = subject_folds(task.store, part, n_folds, seed=seed)

    def named(name: str, positions: Int[np.ndarray, "n"]) -> Part:
        return replace(part.take(np.sort(positions)), folds=(name,), n_unlabelled=0)

    tasks = []
    for i in range(n_folds):
        chooser = (i + 1) % n_folds
        others = [folds[j] for j in range(n_folds) if j not in (i, chooser)]
        tasks.append(
            replace(
                task,
                test=named(f"fold {i + 1}", folds[i]),
                validation=named(f"fold {chooser + 1}", folds[chooser]),
                train=named("the others", np.concatenate(others)),
            )
        )
    return tasks


def subject_folds(
    store: Recordings, part: Part, n_folds: int, *, seed: int = 0
) -> list[Int[np.ndarray, "n"]]:
    """Stratified group k-fold: folds of whole subjects that hold the classes in equal shares.

    Raises:
        ConfigError: If there are fewer subjects than folds.
    """
    subject = subject_index(store.subject_ids[part.rows].tolist(), len(part))
    n_subjects = int(subject.max()) + 1
    if n_subjects < n_folds:
        raise ConfigError(
            f"{n_folds} folds of {n_subjects} subjects",
            field="n_folds",
            remedy=f"Give at most {n_subjects}",
        )
    target = np.zeros((n_subjects, part.target.shape[1]), dtype=part.target.dtype)
    np.maximum.at(target, subject, part.target)
    pieces = np.array_split(stratified_order(target, seed), n_folds)
    return [np.flatnonzero(np.isin(subject, piece)) for piece in pieces]


def pool(folds: Sequence[Scored]) -> tuple[Scored, Scored]:
    """Concatenates the predictions of all folds.

    Returns:
        The probabilities as given, for rankings; and rescaled so that every fold's thresholds lie
        at one half, for decisions. Both come in the order of the folds.

    Raises:
        ConfigError: If a record is in two folds.
    """
    first = folds[0]
    rows = np.concatenate([each.test.rows for each in folds])
    if len(set(rows.tolist())) < len(rows):
        raise ConfigError("a record was tested twice", field="folds")
    test = replace(
        first.test,
        folds=tuple(fold for each in folds for fold in each.test.folds),
        rows=rows,
        target=np.concatenate([each.test.target for each in folds]),
        n_unlabelled=sum(each.test.n_unlabelled for each in folds),
    )
    sizes = np.array([len(each.test) for each in folds], dtype=float)
    ranked = replace(
        first,
        test=test,
        probability=np.concatenate([each.probability for each in folds]),
        thresholds=None if first.thresholds is None else np.full(len(first.label_set), 0.5),
        prevalence=np.average([each.prevalence for each in folds], axis=0, weights=sizes),
    )
    if first.thresholds is None:
        return ranked, ranked
    return ranked, replace(ranked, probability=np.concatenate([_rescaled(each) for each in folds]))


def _rescaled(scored: Scored) -> Float[np.ndarray, "R K"]:
    """Maps [0, t) onto [0, ½) and [t, 1] onto [½, 1], by straight lines."""
    assert scored.thresholds is not None
    cut, likely = np.clip(scored.thresholds, 1e-9, 1.0), scored.probability
    above = np.divide(likely - cut, 1 - cut, out=np.ones_like(likely), where=cut < 1)
    below = np.minimum(likely / cut / 2, np.nextafter(0.5, 0))
    return np.where(likely >= scored.thresholds, 0.5 + above / 2, below).clip(0, 1)


def _probe(
    fold: Task,
    vectors_of: Callable[[Int[np.ndarray, "n"]], Float[np.ndarray, "n D"]],
    settings: CrossValidationConfig,
    seed: int,
) -> Scored:
    train, choosing, kind = fold.training(), fold.choosing(), fold.label_set.class_kind
    vectors = represent(fold, vectors_of)
    assert vectors.validation is not None
    validation = Labelled(vectors.validation, choosing.target)
    probe = probe_of(kind, settings)(Labelled(vectors.train, train.target), validation, seed)
    return Scored(
        store=fold.store,
        label_set=fold.label_set,
        test=fold.test,
        probability=probe(vectors.test),
        thresholds=choose_operating_points(probe, validation, kind),
        prevalence=train.target.mean(axis=0, dtype=np.float64),
    )


def merged_estimates(ranked: Scored, stated: Scored) -> Estimates:
    """Metrics of pooled predictions: rankings as they were given, decisions as rescaled."""
    return _merged(ranked.metrics(), stated.metrics())


def _merged(ranked: Estimates, stated: Estimates) -> Estimates:
    return stated | {name: ranked[name] for name in stated if name in _OF_RANKS}


def _condition(number: int, scored: Scored) -> Condition:
    table = scored.table()
    left_out = table.excluded_classes
    return Condition(
        name=f"fold {number}",
        metrics=estimates_of(table.metrics),
        n_records=table.n_records,
        notes=(f"not judged: {', '.join(left_out)}",) if left_out else (),
    )
