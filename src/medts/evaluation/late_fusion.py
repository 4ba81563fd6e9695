"""Late fusion: the probabilities of finished models are combined, as validation chose.

The baseline of a model of signals and reports: any signal model beside any text model. Validation
chooses between the mean of the probabilities and stacking (a logistic regression on both models'
log-odds), which is judged on validation subjects that it was not fitted to.

Axes: R records, K classes, F features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.special import logit
from sklearn.model_selection import GroupKFold

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.evaluation.head_predictions import predict_rows, predict_test
from medts.evaluation.scoring import Scored
from medts.evaluation.task import Task
from medts.inference.bundle import Bundle
from medts.metrics.thresholds import choose_thresholds
from medts.training.probe import Labelled, Probe, fit_probe, macro_auroc
from medts.training.settings import ProbeConfig

_N_FOLDS = 5
_EPS = 1e-6
"""Probabilities are kept this far from 0 and 1, where log-odds end."""


@dataclass(frozen=True)
class Fusion:
    """A fitted combination of several models' probabilities.

    Args:
        kind: What validation chose.
        probe: The regression on all models' log-odds, where that was chosen.
        scores: Macro AUROC of both ways on validation.
    """

    kind: Literal["mean", "regression"]
    probe: Probe | None
    scores: dict[str, float]

    def __call__(self, predicted: Sequence[Float[np.ndarray, "R K"]]) -> Float[np.ndarray, "R K"]:
        """Returns the fused probability of each class."""
        if self.probe is None:
            return np.mean(predicted, axis=0)
        return self.probe(log_odds(predicted))


def fit_fusion(
    predicted: Sequence[Float[np.ndarray, "R K"]],
    target: Float[np.ndarray, "R K"],
    subjects: Sequence[str],
    label_set: LabelSet,
) -> Fusion:
    """Chooses between averaging and stacking on validation records.

    Args:
        predicted: Probabilities of each model.
        target: Zeros and ones.
        subjects: Of each record; a subject is never on both sides of a fold.
        label_set: What is predicted.

    Raises:
        ConfigError: If there are fewer than two models.
    """
    if len(predicted) < 2:
        raise ConfigError(
            f"{len(predicted)} model cannot be fused", field="models", remedy="Give two or more"
        )
    features = log_odds(predicted)

    def fit(rows: np.ndarray) -> Probe:
        labelled = Labelled(features[rows], target[rows])
        return fit_probe(labelled, None, label_set.class_kind, ProbeConfig())

    scores = {"mean": macro_auroc(target, np.mean(predicted, axis=0))}
    n_folds = min(_N_FOLDS, len(set(subjects)))
    if n_folds >= 2:
        outside = np.zeros_like(features[:, : target.shape[1]])
        for inner, outer in GroupKFold(n_folds).split(features, groups=list(subjects)):
            outside[outer] = fit(inner)(features[outer])
        scores["regression"] = macro_auroc(target, outside)
    if scores.get("regression", -np.inf) > scores["mean"]:
        return Fusion("regression", fit(np.arange(len(target))), scores)
    return Fusion("mean", None, scores)


def log_odds(predicted: Sequence[Float[np.ndarray, "R K"]]) -> Float[np.ndarray, "R F"]:
    """Puts the log-odds of all models side by side."""
    return np.concatenate([logit(np.clip(each, _EPS, 1 - _EPS)) for each in predicted], axis=1)


def fuse(models: Sequence[Bundle], task: Task) -> tuple[Scored, Fusion]:
    """Late fusion of finished models on the test records of a task.

    Raises:
        ConfigError: If there are fewer than two models, or no validation records.
    """
    validation = task.choosing()
    known = [predict_rows(model, task, validation.rows) for model in models]
    subjects = task.store.subject_ids[validation.rows].tolist()
    fusion = fit_fusion(known, validation.target, subjects, task.label_set)
    thresholds = None
    if task.label_set.class_kind == "multi":
        thresholds = choose_thresholds(validation.target, fusion(known)).values
    found = [predict_test(model, task) for model in models]
    fused = fusion([each.probability for each in found])
    return replace(found[0], probability=fused, thresholds=thresholds), fusion
