"""Predictions of jobs: fine-tuning, late fusion and probes, on the test records of one round.

A probe is logistic regression, chosen on validation, on embeddings of a frozen encoder, on simple
features, or on the convolutions of MiniRocket and MultiRocket, whose biases are those of training.

Axes: R records, F features.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.records import Record
from medts.data.splits import Part, labelled_part, sample_shots, take_part
from medts.data.store import Store
from medts.evaluation.embeddings import embed
from medts.evaluation.head_predictions import thresholds_of
from medts.evaluation.late_fusion import fuse
from medts.evaluation.leaks import refuse_leaks
from medts.evaluation.missing_curve import Missing
from medts.evaluation.missing_modalities import missing_sets, predict_without
from medts.evaluation.protocols.base import Protocol
from medts.evaluation.result import Condition, Estimates
from medts.evaluation.run import run_protocol
from medts.evaluation.scoring import Scored, controls
from medts.evaluation.task import Task, make_task
from medts.inference.stored import predict_store
from medts.inference.torch_backend import predictor_of
from medts.metrics.thresholds import choose_thresholds
from medts.models.baselines.minirocket import MiniRocketFeatures
from medts.models.baselines.multirocket import MultiRocketFeatures
from medts.signal.features import signal_features
from medts.signal.preprocess import Preprocessing, preprocess
from medts.training.probe import Labelled, fit_probe, fit_scaling, macro_auroc
from medts.training.settings import ProbeConfig
from research.models import finetuned, fused_jobs, job_recipe, shared
from research.recipes import find_recipe
from research.suites import Job, Question


@dataclass(frozen=True)
class Found:
    """What a method gave, before it is measured."""

    scored: Scored
    validation: float
    n_labelled: int
    latency_ms: float | None = None
    conditions: tuple[Condition, ...] = ()
    controls: dict[str, Estimates] = field(default_factory=dict)
    without: dict[Missing, Scored] = field(default_factory=dict)


def predict_round(
    job: Job, question: Question, store: Store, out: Path, rate_factor: float
) -> Found:
    """Predicts the test records of one round, at a multiple of the recipe's learning rate."""
    ways = {"finetune": _finetuned, "late_fusion": _fused}
    return ways.get(job.method.kind, _probed)(job, question, store, out, rate_factor)


def task_of(question: Question, store: Store, out: Path | None = None) -> Task:
    """Composes the task of one round."""
    return make_task(
        store,
        question.label_set,
        train_folds=question.train_folds,
        val_folds=question.val_folds,
        test_folds=question.test_folds,
        out=out,
    )


def _finetuned(job: Job, question: Question, store: Store, out: Path, factor: float) -> Found:
    recipe, task = job_recipe(job, factor), task_of(question, store)
    with finetuned(job, question, recipe, store, out) as model:
        task.check(model)
        prevalence, predictor = model.prevalence(), predictor_of(model)
        scored = Scored(
            store=store,
            label_set=task.label_set,
            test=task.test,
            probability=predict_store(model, store, task.test.rows.tolist()).astype(np.float64),
            thresholds=thresholds_of(model),
            prevalence=np.array([prevalence[name] for name in task.label_set.classes]),
        )
        found = Found(
            scored=scored,
            validation=model.provenance.selection.get("score", np.nan),
            n_labelled=model.provenance.splits["train"]["n_records"],
            latency_ms=_latency_ms(task, predictor.predict),
        )
        if job.method.protocol == "missing_modalities":
            names = missing_sets(tuple(model.preprocessing.streams))
            return replace(found, without=predict_without(model, task, scored, names))
        if job.method.protocol:
            name = job.method.protocol
            settings = Protocol.find(name).Config.model_validate(job.method.settings)
            result = run_protocol(name, model, task, settings, seed=job.seed)
            usual = controls(scored)
            others = {k: v for k, v in result.controls.items() if k not in usual}
            return replace(found, conditions=result.conditions, controls=others)
        return found


def _fused(job: Job, question: Question, store: Store, out: Path, factor: float) -> Found:
    """Fine-tunes several recipes and combines their probabilities, as validation chose."""
    task = task_of(question, store)
    with ExitStack() as stack:
        models = [
            stack.enter_context(finetuned(side, question, job_recipe(side, factor), store, out))
            for side in fused_jobs(job)
        ]
        for model in models:
            task.check(model)
        scored, fusion = fuse(models, task)
        return Found(
            scored=scored,
            validation=max(fusion.scores.values()),
            n_labelled=models[0].provenance.splits["train"]["n_records"],
        )


def _latency_ms(task: Task, predict: Callable[[Record], object], n_runs: int = 15) -> float:
    """Returns the median time of a prediction for the first test record."""
    record, times = task.store.record(int(task.test.rows[0])), []
    for _ in range(n_runs):
        start = time.perf_counter()
        predict(record)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def _probed(job: Job, question: Question, store: Store, out: Path, _: float) -> Found:
    """Fits logistic regression on values of the labelled part, chosen on validation."""
    task = task_of(question, store)
    train = task.training()
    if job.label_unit == "shots":
        train = train.take(sample_shots(store, train, int(job.label_fraction), [job.draw, 0]))
    elif job.label_fraction != 1:
        kept = labelled_part(train.target, fraction=job.label_fraction, seed=job.draw)
        train = train.take(kept)
    choosing, kind = task.choosing(), task.label_set.class_kind
    compute = _values_of(job, question, store, train, out)
    values = [compute(part) for part in (train, choosing, task.test)]
    scaling, settings = fit_scaling(values[0]), ProbeConfig.model_validate(job.method.settings)
    standard = [scaling(each) for each in values]
    chosen_on = Labelled(standard[1], choosing.target)
    probe = fit_probe(Labelled(standard[0], train.target), chosen_on, kind, settings, seed=job.seed)
    validation = probe(standard[1])
    thresholds = None
    if kind == "multi":
        thresholds = choose_thresholds(choosing.target, validation).values
    scored = Scored(
        store=store,
        label_set=task.label_set,
        test=task.test,
        probability=probe(standard[2]),
        thresholds=thresholds,
        prevalence=train.target.mean(axis=0, dtype=np.float64),
    )
    return Found(scored, macro_auroc(choosing.target, validation), len(train))


def _values_of(
    job: Job, question: Question, store: Store, train: Part, out: Path
) -> Callable[[Part], Float[np.ndarray, "R F"]]:
    """Returns what turns records into the values that a probe reads.

    Raises:
        LeakError: If the encoder has met test subjects.
    """
    if job.method.kind == "probe":
        model = shared(job, question, store, out)
        test = take_part(store, question.label_set, question.test_folds)
        refuse_leaks(model.provenance, store, test.rows, test.folds)
        return lambda part: embed(model, store, part.rows, out / "embeddings")
    if job.method.kind == "features":
        return lambda part: _features(store, part)
    kernels = MultiRocketFeatures if job.method.kind == "multirocket" else MiniRocketFeatures
    config = find_recipe(job.method.recipe).preprocessing if job.method.recipe else Preprocessing()
    seconds = min(10.0, max(store.record(int(row)).duration_s for row in train.rows))
    rocket = kernels(seed=job.seed).fit(_signals(store, train, config, seconds))
    return lambda part: rocket.transform(_signals(store, part, config, seconds)).astype(np.float64)


def _features(store: Store, part: Part) -> Float[np.ndarray, "R F"]:
    channels = {name: spec.channels for name, spec in Preprocessing().streams.items()}
    rows = [signal_features(store.record(int(row)), channels) for row in part.rows]
    return np.array([list(row.values()) for row in rows])


def _signals(store: Store, part: Part, config: Preprocessing, seconds: float) -> np.ndarray:
    """Returns the beginnings of all prepared streams, one above the other, ``(n, C, T)``.

    What is shorter ends in zeros.
    """
    n_samples = round(seconds * max(each.sampling_rate for each in config.streams.values()))
    signals = []
    for row in part.rows:
        streams = preprocess(store.record(int(row)), config)
        n_channels = sum(len(spec.channels) for spec in config.streams.values())
        whole, first = np.zeros((n_channels, n_samples), dtype=np.float32), 0
        for name, spec in config.streams.items():
            if name in streams:
                signal = streams[name].signal[:, :n_samples]
                whole[first : first + len(signal), : signal.shape[1]] = signal
            first += len(spec.channels)
        signals.append(whole)
    return np.stack(signals)
