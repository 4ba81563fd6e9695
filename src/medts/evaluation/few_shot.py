"""Few-shot probing: k examples per class in many episodes, by logistic regression or centroids.

Axes: n records, D embedding width, K classes.
"""

import numpy as np
from jaxtyping import Float

from medts.data.label_texts import in_words
from medts.data.splits import sample_shots
from medts.evaluation.probing import LabelSubset, measure_probes
from medts.evaluation.protocols.few_shot import FewShotConfig
from medts.evaluation.scoring import Found
from medts.evaluation.task import Task
from medts.evaluation.text import without_words_of
from medts.inference.bundle import Bundle
from medts.metrics.scores import Kind
from medts.models.matching_head import MatchingHead
from medts.training.probe import Labelled, Probe


def run(model: Bundle, task: Task, settings: FewShotConfig, *, seed: int) -> Found:
    """Few-shot probing of a frozen encoder; its head is not used (MedSpaformer, arXiv:2503.15578).

    Redacted reports lose the words of the task's classes too. An encoder that reads a description
    of the recordings reads that of the task's.

    Raises:
        ConfigError: If the task lacks a part.
    """
    model, described = without_words_of(model, task.label_set), None
    if isinstance(model.head, MatchingHead) and model.encoder.takes_prior:
        described = in_words(task.store, task.label_set.name)
    kind, classes = task.label_set.class_kind, task.label_set.classes
    train = task.training()
    choosing = task.choosing() if settings.validation == "k-shot" else None
    n_available = train.target.sum(axis=0)
    subsets = []
    for shots in settings.shots:
        short = [
            f"{name} ({n:.0f})" for name, n in zip(classes, n_available, strict=True) if n < shots
        ]
        notes = (f"fewer than {shots} training examples: {', '.join(short)}",) if short else ()
        subsets += [
            LabelSubset(
                name=f"{shots} shots, episode {number + 1}",
                train=sample_shots(task.store, train, shots, [seed + number, 0]),
                validation=sample_shots(task.store, choosing, shots, [seed + number, 1])
                if choosing
                else None,
                group=f"{shots} shots",
                seed=seed + number,
                number=number,
                shots=shots,
                notes=notes,
            )
            for number in range(settings.episodes)
        ]

    def centroid(train: Labelled, validation: Labelled | None, seed: int) -> Probe:
        return nearest_centroid(train, kind)

    fit = centroid if settings.classifier == "centroid" else None
    return measure_probes(model, task, subsets, settings, seed=seed, fit=fit, label_set=described)


def nearest_centroid(train: Labelled, kind: Kind) -> Probe:
    """Nearest-centroid classifier (prototypes) in closed form.

    The log-odds are half the difference of the squared distances, per dimension: to the class's
    mean and the others' mean for a ``multi`` set, to each class's mean for a ``single`` one.
    """
    dim, n_positive = train.embedding.shape[1], train.target.sum(axis=0)
    n_negative = len(train.target) - n_positive
    constant = np.flatnonzero((n_positive == 0) | (n_negative == 0))
    inside = _means(train.embedding, train.target)
    weight, bias = inside / dim, -(inside**2).sum(axis=1) / 2 / dim
    if kind == "single":
        bias[n_positive == 0] = -np.inf
    else:
        outside = _means(train.embedding, 1 - train.target)
        weight, bias = weight - outside / dim, bias + (outside**2).sum(axis=1) / 2 / dim
        share = (n_positive + 0.5) / (len(train.target) + 1)
        weight[constant], bias[constant] = 0.0, np.log(share / (1 - share))[constant]
    return Probe(weight, bias, kind, tuple(constant.tolist()))


def _means(
    embedding: Float[np.ndarray, "n D"], is_member: Float[np.ndarray, "n K"]
) -> Float[np.ndarray, "K D"]:
    n_members = np.maximum(is_member.sum(axis=0, dtype=np.float64), 1)
    return (is_member.T.astype(np.float64) @ embedding) / n_members[:, None]
