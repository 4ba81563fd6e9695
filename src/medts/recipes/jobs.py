"""Jobs: one cell of a benchmark, from training to the numbers of its test records.

A job leaves one small file, ``jobs/<name>.json``, written when it has ended; that file is what
makes a rerun skip it. Besides the measures it keeps the macro AUROC of every resample of the
test subjects: the same resamples for every method, so that methods can be compared later without
keeping anything about a person.

Axes: R records, K classes, F features.
"""

import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field

from medts.core.config import Config
from medts.core.files import write_whole
from medts.core.records import Record
from medts.data.splits import Part, labelled_part
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.fine_tune import thresholds_of
from medts.evaluation.probe import Labelled, ProbeConfig, fit_probe, fit_scaling, macro_auroc
from medts.evaluation.result import Measures
from medts.evaluation.scoring import Scored, controls, measure, measures_of
from medts.evaluation.task import Task, make_task
from medts.inference.bundle import Bundle, load_bundle
from medts.inference.manifest import Labels, ModelConfig, Provenance
from medts.inference.predictor import predict_record, predict_store
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.checks import subject_index
from medts.metrics.scores import make_scorer
from medts.metrics.thresholds import choose_thresholds
from medts.models.baselines.minirocket import MiniRocketFeatures
from medts.models.baselines.multirocket import MultiRocketFeatures
from medts.recipes import find_pretraining, find_recipe
from medts.recipes.pretrain import pretrain
from medts.recipes.run import finetune
from medts.recipes.suites import Job
from medts.signal.features import signal_features
from medts.signal.preprocess import Preprocessing, preprocess

N_RESAMPLES = 1000


class Outcome(Config):
    """What a job found."""

    job: Job
    """What was asked."""

    metrics: Measures
    """Measures over all classes, with intervals over test subjects."""

    controls: dict[str, Measures] = Field(default_factory=dict)
    """Measures of what knows nothing, on the same records."""

    resamples: tuple[float, ...] = ()
    """Macro AUROC on every resample of the test subjects."""

    validation: float
    """Macro AUROC on validation: what tuning looks at."""

    n_labelled: int | None = None
    """Training records whose labels were used."""

    n_records: int
    """Test records."""

    n_subjects: int
    """Test subjects."""

    latency_ms: float | None = None
    """Median time from a recording in memory to its probabilities, one thread, ms."""

    recipe_digest: str
    """SHA-256 of the resolved settings."""

    data_digest: str
    """SHA-256 over the test records."""

    seconds: float
    """Time the job took."""


@dataclass(frozen=True)
class Found:
    """What a method gave, before it is measured."""

    scored: Scored
    validation: float
    n_labelled: int
    settings: str
    latency_ms: float | None


def run_job(job: Job, stores: tuple[str, ...], folder: str, rate_factor: float = 1.0) -> str:
    """Runs one job and writes its outcome; returns the file's path.

    Args:
        job: The cell.
        stores: Folders of the stores.
        folder: Folder of the benchmark.
        rate_factor: Multiple of the recipe's learning rate that tuning found.
    """
    started = time.monotonic()
    question, out = job.question, Path(folder)
    store = Store(*stores)
    task = make_task(
        store,
        question.label_set,
        train_folds=question.train_folds,
        val_folds=question.val_folds,
        test_folds=question.test_folds,
    )
    if job.method.kind == "finetune":
        factor = job.rate_factor if job.rate_factor is not None else rate_factor
        found = _finetuned(job, task, out, factor)
    else:
        found = _probed(job, task, out)
    scored = found.scored
    outcome = Outcome(
        job=job,
        metrics=measures_of(measure(scored, scored.probability, scored.thresholds)),
        controls=controls(scored) if job.rate_factor is None else {},
        resamples=_resamples(scored),
        validation=found.validation,
        latency_ms=found.latency_ms,
        n_labelled=found.n_labelled,
        n_records=len(task.test),
        n_subjects=len(set(scored.subjects)),
        recipe_digest=hashlib.sha256(found.settings.encode()).hexdigest(),
        data_digest=store.digest(task.test.rows, question.label_set),
        seconds=time.monotonic() - started,
    )
    path = out / "jobs" / f"{job.name}.json"
    with write_whole(path) as target:
        target.write_text(outcome.model_dump_json())
    return str(path)


def _resamples(scored: Scored) -> tuple[float, ...]:
    scorer = make_scorer(
        scored.test.target, scored.probability, scored.thresholds, scored.label_set.kind
    )
    subject = subject_index(scored.subjects, len(scored.test))
    drawn = bootstrap_scores(scorer, subject, N_RESAMPLES, 0).overall["macro_auroc"]
    return tuple(round(float(value), 6) for value in drawn)


def _finetuned(job: Job, task: Task, out: Path, rate_factor: float) -> Found:
    recipe = find_recipe(job.method.recipe)
    training = recipe.training
    recipe = recipe.but(
        training=training.but(
            learning_rate=training.learning_rate * rate_factor,
            epochs=max(1, round(training.epochs * job.epochs_ratio)),
            min_updates=max(training.min_updates, 300 if job.label_fraction != 1 else 0),
            max_minutes=job.minutes,
        )
    )
    question, folder = job.question, out / "runs" / job.name
    bundle = finetune(
        recipe,
        task.store,
        label_set=question.label_set,
        train_folds=question.train_folds,
        val_folds=question.val_folds,
        out=folder,
        init=_pretrained(job, task.store, out) if job.method.pretraining else None,
        label_fraction=job.label_fraction,
        draw=job.draw,
        seed=job.seed,
        shuffle_labels=job.method.shuffle_labels,
        show_progress=False,
    )
    model = load_bundle(bundle)
    prevalence = model.provenance.prevalence
    scored = Scored(
        store=task.store,
        label_set=task.label_set,
        test=task.test,
        probability=predict_store(model, task.store, task.test.rows.tolist()).astype(np.float64),
        thresholds=thresholds_of(model),
        prevalence=np.array([prevalence[name] for name in task.label_set.classes]),
    )
    validation = model.provenance.selection.get("score", np.nan)
    shutil.rmtree(folder)  # the outcome is kept, not eighty models
    latency_ms = _latency_ms(task, lambda record: predict_record(model, record))
    n_labelled = model.provenance.splits["train"]["n_records"]
    return Found(scored, validation, n_labelled, recipe.model_dump_json(), latency_ms)


def _latency_ms(task: Task, predict: Callable[[Record], object], n_runs: int = 15) -> float:
    """Returns the median time of a prediction for the first test record."""
    record, times = task.store.record(int(task.test.rows[0])), []
    for _ in range(n_runs):
        start = time.perf_counter()
        predict(record)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _pretrained(job: Job, store: Store, out: Path) -> Path:
    """Returns the pretrained bundle of a method, made once for all of its jobs."""
    method, question = job.method, job.question
    recipe = find_pretraining(method.pretraining)
    training = recipe.training
    recipe = recipe.but(
        training=training.but(
            epochs=max(1, round(training.epochs * job.epochs_ratio)),
            max_minutes=method.pretraining_minutes or job.minutes,
        )
    )
    train, validation = question.train_folds, question.val_folds
    if method.is_pretrained_on_all:
        train = (*train, *({"train"} & set(store.folds)))
        validation = (*validation, *({"validation"} & set(store.folds)))
    return pretrain(
        recipe,
        store,
        train_folds=train,
        val_folds=validation,
        out=pretraining_folder(job, out),
        show_progress=False,
    )


def pretraining_folder(job: Job, out: Path) -> Path:
    """Returns the run folder of the encoder that a job starts from."""
    corpora = "all" if job.method.is_pretrained_on_all else job.question.corpus
    return out / "pretrained" / f"{job.method.pretraining}-{corpora}"


def _probed(job: Job, task: Task, out: Path) -> Found:
    """Fits logistic regression on values of the labelled part, chosen on validation."""
    train = task.training()
    if job.label_fraction != 1:
        kept = labelled_part(train.target, fraction=job.label_fraction, seed=job.draw)
        train = train.take(kept)
    choosing, kind = task.choosing(), task.label_set.kind
    values = [_values(job, task, part, train, out) for part in (train, choosing, task.test)]
    scaling, settings = fit_scaling(values[0]), ProbeConfig()
    standard = [scaling(each) for each in values]
    chosen_on = Labelled(standard[1], choosing.target)
    probe = fit_probe(Labelled(standard[0], train.target), chosen_on, kind, settings)
    validation = probe(standard[1])
    thresholds = None
    if kind == "multi":
        thresholds = choose_thresholds(choosing.target, validation).values
    scored = Scored(
        store=task.store,
        label_set=task.label_set,
        test=task.test,
        probability=probe(standard[2]),
        thresholds=thresholds,
        prevalence=train.target.mean(axis=0, dtype=np.float64),
    )
    described = json.dumps([job.method.name, settings.model_dump()])
    score = macro_auroc(choosing.target, validation)
    return Found(scored, score, len(train), described, None)


def _values(job: Job, task: Task, part: Part, train: Part, out: Path) -> Float[np.ndarray, "R F"]:
    if job.method.kind == "probe":
        model = _encoder(job, task, out)
        return embed(model, task.store, part.rows, out / "embeddings")
    if job.method.kind == "features":
        return _features(task.store, part)
    kernels = MultiRocketFeatures if job.method.kind == "multirocket" else MiniRocketFeatures
    rocket = kernels(seed=job.seed).fit(_signals(task.store, train))
    return rocket.transform(_signals(task.store, part)).astype(np.float64)


def _encoder(job: Job, task: Task, out: Path) -> Bundle:
    if job.method.pretraining:
        return load_bundle(_pretrained(job, task.store, out))
    recipe = find_recipe(job.method.recipe)
    torch.manual_seed(job.seed)
    return Bundle(
        ModelConfig(encoder=recipe.encoder, windowing=recipe.windowing),
        preprocessing=recipe.preprocessing,
        labels=Labels(),
        provenance=Provenance(recipe=f"{recipe.name}, untrained"),
    )


def _features(store: Store, part: Part) -> Float[np.ndarray, "R F"]:
    channels = {name: spec.channels for name, spec in Preprocessing().streams.items()}
    rows = [signal_features(store.record(int(row)), channels) for row in part.rows]
    return np.array([list(row.values()) for row in rows])


def _signals(store: Store, part: Part) -> np.ndarray:
    """Returns prepared signals of equal length, ``(n, C, T)``."""
    config = Preprocessing()
    prepared: list[Any] = [preprocess(store.record(int(row)), config)["ecg"] for row in part.rows]
    n_samples = min(each.signal.shape[1] for each in prepared)
    return np.stack([each.signal[:, :n_samples] for each in prepared])
