"""Zero-shot classification: cosine similarity of records with class prompts (as in CLIP).

Axes: R records, K classes, D embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from medts.core.errors import ConfigError, MedtsError
from medts.core.labels import LabelSet
from medts.data.label_texts import in_words
from medts.data.ontology import plain_spelling
from medts.data.prompts import LONG_WORDS, class_phrases, n_long_prompts, read_prompts
from medts.data.splits import Part
from medts.evaluation.protocols.zero_shot import ZeroShotConfig
from medts.evaluation.result import Estimates, estimates_of_samples
from medts.evaluation.scoring import Found, Scored, score
from medts.evaluation.task import Task, restrict
from medts.evaluation.text import (
    TextAligned,
    embed_records,
    embed_texts,
    read_like_prompts,
    require_text,
    unit_length,
)
from medts.inference.bundle import Bundle
from medts.inference.stored import predict_store
from medts.metrics.bootstrap import derangement
from medts.metrics.thresholds import choose_thresholds
from medts.models.matching_head import MatchingHead

RANKINGS = ("macro_auroc", "macro_auprc", "auroc", "auprc", "n_positive")
"""Metrics that need no threshold and no probability."""


def run(model: Bundle, task: Task, settings: ZeroShotConfig, *, seed: int) -> Found:
    """Zero-shot classification of the test records by class prompts.

    Raises:
        ConfigError: If a matching head is to read phrases otherwise than in training.
        MedtsError: If the model reads no texts.
    """
    left_out: tuple[str, ...] = ()
    if settings.min_test > 1:
        task, left_out = restrict(task, min_test=settings.min_test)
    label_set, test = task.label_set, task.test
    if isinstance(model.head, MatchingHead):
        predict, words = matched(model, task, settings)
    else:
        words = class_words(label_set, settings)
        predict = aligned(model, task, words, settings)
    notes = tuple(_notes_on_training(model, task))
    if n_long := n_long_prompts(words):
        notes += (f"{n_long} prompts have more than {LONG_WORDS} words; their end may not be read",)
    if left_out:
        notes += (f"classes with too few test examples were left out: {', '.join(left_out)}",)
    thresholds = np.full(len(label_set), 0.5)
    has_thresholds = task.validation is not None
    if task.validation is not None and label_set.class_kind == "multi":
        chosen = choose_thresholds(
            task.validation.target, predict(task.validation), label_set.classes
        )
        thresholds = chosen.values
        notes += ("thresholds were chosen on labelled validation records; rankings use no label",)
    known = (task.train or test).target.mean(axis=0)
    scored = Scored(
        store=task.store,
        label_set=label_set,
        test=test,
        probability=predict(test),
        thresholds=None if label_set.class_kind == "single" else thresholds,
        prevalence=known.astype(np.float64),
    )
    found = score(scored)
    rng = np.random.default_rng(seed)
    shape = scored.probability.shape
    exchanged = [
        scored.probability[:, derangement(shape[1], rng)] for _ in range(settings.n_shuffles)
    ]
    random = [rng.random(shape) for _ in range(settings.n_shuffles)]
    controls = {
        "shuffled_prompts": estimates_over(scored, exchanged),
        "chance": estimates_over(scored, random),
    }
    found = replace(
        found,
        controls=found.controls | controls,
        settings={"phrases": words},
        notes=notes,
        task=task,
    )
    if label_set.class_kind == "multi" and not has_thresholds:
        found = _only(lambda name: name in RANKINGS, found)
        note = "no validation records, hence no thresholds: rankings only"
        return replace(found, thresholds={}, notes=(*found.notes, note))
    if isinstance(model.head, MatchingHead):
        return found
    return _only(lambda name: name != "brier", found)  # no probabilities


Predict = Callable[[Part], Float[np.ndarray, "R K"]]
"""Predicts the records of a part, in the order of the task's classes."""


def matched(
    model: Bundle, task: Task, settings: ZeroShotConfig
) -> tuple[Predict, dict[str, tuple[str, ...]]]:
    """Returns the prediction of a model with a matching head, and the phrase it reads per class.

    Raises:
        ConfigError: If phrases are to be read otherwise than in training.
    """
    given, usual = settings.model_dump(), ZeroShotConfig().model_dump()
    for name in ("templates", "language", "n_phrases", "prompt_file"):
        if given[name] != usual[name]:
            raise ConfigError(
                "a matching head reads the plainest phrase of a class, as in training",
                field=name,
                remedy="Leave it as it is, or give the label set other phrases",
            )
    label_set = model.resolve(in_words(task.store, task.label_set.name))
    classes = task.label_set.classes
    if classes != label_set.classes:  # some were left out
        phrases = {name: words for name, words in label_set.phrases.items() if name in classes}
        label_set = label_set.but(classes=classes, phrases=phrases)

    def predict(part: Part) -> Float[np.ndarray, "R K"]:
        found = predict_store(
            model, task.store, part.rows.tolist(), label_set=label_set, compute=task.compute
        )
        return found.astype(np.float64)

    return predict, {name: (label_set.phrase(name),) for name in label_set.classes}


def aligned(
    model: Bundle, task: Task, words: dict[str, tuple[str, ...]], settings: ZeroShotConfig
) -> Predict:
    """Returns the prediction of a model with a text tower.

    Raises:
        MedtsError: If it has none.
    """
    reader = require_text(model)
    read = {name: read_like_prompts(model, phrases) for name, phrases in words.items()}
    classes = embed_classes(reader, read, settings)

    def predict(part: Part) -> Float[np.ndarray, "R K"]:
        return likeness(
            embed_records(model, task.store, part.rows.tolist(), compute=task.compute), classes
        )

    return predict


def _notes_on_training(model: Bundle, task: Task) -> tuple[str, ...]:
    name = task.label_set.name
    if not isinstance(model.head, MatchingHead):
        seen = set(task.store.corpus_of_row[task.test.rows]) & model.provenance.corpora.keys()
        return tuple(
            f"NOT ZERO-SHOT: report-supervised, the model has read reports of {corpus}"
            for corpus in sorted(seen)
        )
    notes = []
    if name in model.label_sets:
        notes.append(f"NOT ZERO-SHOT: the model was trained on labels of {name}")
    words = model.head.config.words
    if words != "meaning":
        notes.append(f"CONTROL: the words of classes are {words}, so they carry no meaning")
    return tuple(notes)


def class_words(label_set: LabelSet, settings: ZeroShotConfig) -> dict[str, tuple[str, ...]]:
    """Returns the phrases of each class; its bare name where the ontology has none.

    Raises:
        MedtsError: If two classes are described by the same words, or a prompt file is unusable.
    """
    if settings.prompt_file:
        return read_prompts(settings.prompt_file, label_set.classes)
    found = class_phrases(
        label_set,
        language=settings.language,
        n_phrases=settings.n_phrases,
        is_narrower_named=settings.is_narrower_named,
    )
    words = {name: phrases or (name,) for name, phrases in found.items()}
    owner: dict[frozenset[str], str] = {}
    for name, phrases in words.items():
        first = owner.setdefault(frozenset(map(plain_spelling, phrases)), name)
        if first != name:
            raise MedtsError(
                f"{first!r} and {name!r} of {label_set.name} have the same words",
                field="prompts",
                remedy="Give a prompt file with other words, or leave out one of them",
            )
    return words


def embed_classes(
    model: TextAligned, words: dict[str, tuple[str, ...]], settings: ZeroShotConfig
) -> Float[np.ndarray, "K D"]:
    """Returns one embedding of length one per class: the mean over its phrases and templates."""
    texts = {
        name: [template.format(phrase) for phrase in phrases for template in settings.templates]
        for name, phrases in words.items()
    }
    found = embed_texts(model, [text for each in texts.values() for text in each])
    ends = np.cumsum([len(each) for each in texts.values()])
    return unit_length(np.stack([part.mean(axis=0) for part in np.split(found, ends[:-1])]))


def likeness(
    records: Float[np.ndarray, "R D"], classes: Float[np.ndarray, "K D"]
) -> Float[np.ndarray, "R K"]:
    """Returns scores between 0 and 1 that rank as the cosine does; they are no probabilities.

    No softmax over classes, as in MERL: it would let one class's score change another's ranking.
    """
    return np.clip((1 + records @ classes.T) / 2, 0.0, 1.0)


def estimates_over(scored: Scored, repeats: Sequence[Float[np.ndarray, "R K"]]) -> Estimates:
    """Returns the mean of each metric over several predictions, with 95 % of them."""
    everyone = np.ones((1, len(scored.test)))
    found = [replace(scored, probability=each).scorer()(everyone).overall for each in repeats]
    return estimates_of_samples(
        [{name: float(value[0]) for name, value in each.items()} for each in found]
    )


def _only(is_kept: Callable[[str], bool], found: Found) -> Found:
    """Returns what was found with some of its metrics."""

    def kept(measures: Estimates) -> Estimates:
        return {name: each for name, each in measures.items() if is_kept(name)}

    return replace(
        found,
        metrics=kept(found.metrics),
        per_class={name: kept(each) for name, each in found.per_class.items()},
        controls={name: kept(each) for name, each in found.controls.items()},
    )
