"""Cross-validation over subjects: folds, a probe per fold, and pooling of their predictions.

`run` measures a frozen encoder with a linear probe; `cross_validate` takes anything that predicts.

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
from medts.evaluation.protocols.cross_validation import CrossValidationConfig
from medts.evaluation.result import Condition, Measures
from medts.evaluation.scoring import Found, Scored, measure, measures_of, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.checks import subject_index
from medts.metrics.thresholds import choose_thresholds
from medts.training.probe import Labelled, fit_probe, fit_scaling

Answer = Callable[[Task], Scored]
"""Trains on a task's training part, chooses on its validation part, answers its test part."""

_OF_RANKS = ("macro_auroc", "macro_auprc", "brier", "auroc", "auprc")


def run(model: Bundle, task: Task, settings: CrossValidationConfig, *, seed: int) -> Found:
    """Measures a linear probe on every record of the task's test part, each tested once.

    Args:
        model: Whose encoder is measured; its head is not used.
        task: Its test part is dealt into folds; other parts are not looked at.
        settings: Number of folds, and how probes are trained.
        seed: Of the folds, of mini-batches and of the random encoder.

    Raises:
        ConfigError: If there are more folds than subjects.
    """
    store, rows = task.store, task.test.rows
    tasks = subject_tasks(task, settings.n_folds, seed=seed)

    def probed(values: Float[np.ndarray, "R D"]) -> list[Scored]:
        place = {row: i for i, row in enumerate(rows.tolist())}

        def answer(fold: Task) -> Scored:
            parts = (fold.training(), fold.choosing(), fold.test)
            vectors = [values[[place[row] for row in part.rows.tolist()]] for part in parts]
            return _probe(fold, vectors, settings, seed)

        return [answer(fold) for fold in tasks]

    answered = probed(embed(model, store, rows, settings.cache, compute=task.compute))
    ranked, stated = pool(answered)
    found = _merge(score(stated), ranked)
    controls = {
        name: merged_measures(
            *pool(probed(CONTROLS[name](model, store, rows, settings.cache, seed, task.compute)))
        )
        for name in settings.controls
    }
    return replace(
        found,
        controls=found.controls | controls,
        conditions=tuple(_condition(i, each) for i, each in enumerate(answered, start=1)),
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
    """Deals the records of a part into folds, whole subjects at a time, stratified by class.

    Raises:
        ConfigError: If there are fewer subjects than folds.
    """
    subject = subject_index(store.subject_ids[part.rows].tolist(), len(part))
    n_subjects = int(subject.max()) + 1
    if n_subjects < n_folds:
        raise ConfigError(
            f"{n_folds} folds of {n_subjects} subjects",
            field="n_folds",
            remedy=f"Ask for at most {n_subjects}",
        )
    target = np.zeros((n_subjects, part.target.shape[1]), dtype=part.target.dtype)
    np.maximum.at(target, subject, part.target)
    pieces = np.array_split(stratified_order(target, seed), n_folds)
    return [np.flatnonzero(np.isin(subject, piece)) for piece in pieces]


def cross_validate(tasks: Sequence[Task], answer: Answer) -> tuple[Scored, Scored]:
    """Asks for every fold and pools the answers; see `pool`."""
    return pool([answer(task) for task in tasks])


def pool(folds: Sequence[Scored]) -> tuple[Scored, Scored]:
    """Puts the answers of all folds together.

    Returns:
        The probabilities as given, for rankings; and bent so that every fold's thresholds lie at
        one half, for statements. Both come in the order of the folds.

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
    bent = [_bend(each) for each in folds]
    return ranked, replace(ranked, probability=np.concatenate(bent))


def _bend(scored: Scored) -> Float[np.ndarray, "R K"]:
    """Maps [0, t) onto [0, ½) and [t, 1] onto [½, 1], by straight lines."""
    assert scored.thresholds is not None
    cut, likely = np.clip(scored.thresholds, 1e-9, 1.0), scored.probability
    above = np.divide(likely - cut, 1 - cut, out=np.ones_like(likely), where=cut < 1)
    below = np.minimum(likely / cut / 2, np.nextafter(0.5, 0))
    return np.where(likely >= scored.thresholds, 0.5 + above / 2, below).clip(0, 1)


def _probe(
    fold: Task,
    vectors: Sequence[Float[np.ndarray, "_ D"]],
    settings: CrossValidationConfig,
    seed: int,
) -> Scored:
    train, choosing = fold.training(), fold.choosing()
    scale = fit_scaling(vectors[0])
    known, chosen = (
        Labelled(scale(values), part.target)
        for values, part in zip(vectors[:2], (train, choosing), strict=True)
    )
    kind = fold.label_set.class_kind
    probe = fit_probe(known, chosen, kind, settings, seed=seed)
    thresholds = None
    if kind == "multi":
        thresholds = choose_thresholds(choosing.target, probe(chosen.embedding)).values
    return Scored(
        store=fold.store,
        label_set=fold.label_set,
        test=fold.test,
        probability=probe(scale(vectors[2])),
        thresholds=thresholds,
        prevalence=train.target.mean(axis=0, dtype=np.float64),
    )


def _merge(stated: Found, ranked: Scored) -> Found:
    """Takes the measures of rankings from the probabilities as they were given."""
    plain = score(ranked)

    def merged(found: Measures, of_ranks: Measures) -> Measures:
        return found | {name: of_ranks[name] for name in found if name in _OF_RANKS}

    return replace(
        stated,
        metrics=merged(stated.metrics, plain.metrics),
        per_class={
            name: merged(each, plain.per_class[name]) for name, each in stated.per_class.items()
        },
    )


def merged_measures(ranked: Scored, stated: Scored) -> Measures:
    """Measures pooled answers: rankings as they were given, statements as they were bent."""
    found = measures_of(measure(stated, stated.probability, stated.thresholds))
    of_ranks = measures_of(measure(ranked, ranked.probability, ranked.thresholds))
    return found | {name: of_ranks[name] for name in found if name in _OF_RANKS}


def _condition(number: int, scored: Scored) -> Condition:
    table = measure(scored, scored.probability, scored.thresholds)
    left_out = table.excluded_classes
    return Condition(
        name=f"fold {number}",
        metrics=measures_of(table),
        n_records=table.n_records,
        notes=(f"not judged: {', '.join(left_out)}",) if left_out else (),
    )
