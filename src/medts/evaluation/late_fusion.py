"""Late fusion: two finished models answer alone, and their answers are put together.

The baseline that a model of signals and reports must beat: any signal model beside any text model.
Two ways to put answers together are tried, the mean of the probabilities and a logistic regression
on both models' log-odds, and validation chooses between them. The regression is judged on
validation subjects that it was not fitted to, so it gains nothing by having more to adjust.

Axes: R records, K classes, M models, F features.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import logit
from sklearn.model_selection import GroupKFold

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.evaluation.answers import answer, head_origin, own_set, probabilities
from medts.evaluation.result import Result
from medts.evaluation.run import as_result
from medts.evaluation.scoring import Scored, score
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.thresholds import choose_thresholds
from medts.training.probe import Labelled, Probe, fit_probe, macro_auroc
from medts.training.settings import ProbeConfig

_N_FOLDS = 5
_SURE = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds end."""


@dataclass(frozen=True)
class Fusion:
    """How the answers of several models become one.

    Args:
        kind: What validation chose.
        probe: The regression on all models' log-odds, where that was chosen.
        scores: Macro AUROC of both ways on validation.
    """

    kind: Literal["mean", "regression"]
    probe: Probe | None
    scores: dict[str, float]

    def __call__(self, answers: Sequence[Float[np.ndarray, "R K"]]) -> Float[np.ndarray, "R K"]:
        """Returns the fused probability of each class."""
        if self.probe is None:
            return np.mean(answers, axis=0)
        return self.probe(log_odds(answers))


def fit_fusion(
    answers: Sequence[Float[np.ndarray, "R K"]],
    target: Float[np.ndarray, "R K"],
    subjects: Sequence[str],
    label_set: LabelSet,
) -> Fusion:
    """Chooses how to fuse, on validation records.

    Args:
        answers: Probabilities of each model.
        target: Zeros and ones.
        subjects: Of each record; a subject is never on both sides of a fold.
        label_set: What is answered.

    Raises:
        ConfigError: If there are fewer than two models.
    """
    if len(answers) < 2:
        raise ConfigError(f"{len(answers)} model cannot be fused", remedy="Give two or more")
    settings, features = ProbeConfig(), log_odds(answers)

    def fit(rows: np.ndarray) -> Probe:
        return fit_probe(
            Labelled(features[rows], target[rows]), None, label_set.class_kind, settings
        )

    scores = {"mean": macro_auroc(target, np.mean(answers, axis=0))}
    n_folds = min(_N_FOLDS, len(set(subjects)))
    if n_folds >= 2:
        outside = np.zeros_like(features[:, : target.shape[1]])
        for inner, outer in GroupKFold(n_folds).split(features, groups=list(subjects)):
            outside[outer] = fit(inner)(features[outer])
        scores["regression"] = macro_auroc(target, outside)
    if scores.get("regression", -np.inf) > scores["mean"]:
        return Fusion("regression", fit(np.arange(len(target))), scores)
    return Fusion("mean", None, scores)


def log_odds(answers: Sequence[Float[np.ndarray, "R K"]]) -> Float[np.ndarray, "R F"]:
    """Puts the log-odds of all models side by side."""
    return np.concatenate([logit(np.clip(each, _SURE, 1 - _SURE)) for each in answers], axis=1)


def measure_fusion(models: Sequence[Bundle], task: Task, *, seed: int = 0) -> Result:
    """Scores the late fusion of finished models on the test records of a task.

    Args:
        models: Two or more that answer the task's label set.
        task: With validation records, which choose the way and the thresholds.
        seed: Of the result; nothing is drawn.

    Raises:
        LeakError: If one of the models has seen test subjects.
        ConfigError: If there are fewer than two models, or no validation records.
    """
    started = time.monotonic()
    notes = tuple(dict.fromkeys(note for model in models for note in task.check(model)))
    scored, fusion = fuse(models, task)
    names = " + ".join(model.provenance.recipe for model in models)
    origin = replace(head_origin(models[0], task, "late_fusion", seed=seed), recipe=names)
    settings = {"chosen": fusion.kind, "validation": fusion.scores}
    found = replace(score(scored), settings=settings, notes=notes)
    return as_result(found, task, origin, seconds=time.monotonic() - started)


def fuse(models: Sequence[Bundle], task: Task) -> tuple[Scored, Fusion]:
    """Puts the answers of finished models to the test records together, as validation chose.

    Raises:
        ConfigError: If there are fewer than two models, or no validation records.
    """
    label_set, validation = task.label_set, task.choosing()
    found = [answer(model, task) for model in models]
    known = []
    for model in models:
        own = own_set(model, task)
        columns = [own.classes.index(name) for name in label_set.classes]
        known.append(probabilities(model, task, validation.rows)[:, columns])
    subjects = task.store.subject_ids[validation.rows].tolist()
    fusion = fit_fusion(known, validation.target, subjects, label_set)
    thresholds = None
    if label_set.class_kind == "multi":
        chosen = choose_thresholds(validation.target, fusion(known), label_set.classes)
        thresholds = np.array(chosen.values)
    fused = fusion([each.probability for each in found])
    return replace(found[0], probability=fused, thresholds=thresholds), fusion
