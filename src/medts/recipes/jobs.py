"""Jobs: one cell of a benchmark, from training to the numbers of its test records.

A job leaves one small file, ``jobs/<name>.json``, written when it has ended; that file is what
makes a rerun skip it. Besides the measures it keeps the suite's score on every resample of the
test subjects: the same resamples for every method, so that methods can be compared later without
keeping anything about a person. In cross-validation a model is trained for every round, and the
answers of all rounds are scored at once.

Axes: R records, K classes, F features.
"""

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float
from pydantic import Field

from medts.core.config import Config
from medts.core.files import write_whole
from medts.core.records import Record
from medts.data.splits import Part, labelled_part
from medts.data.store import Store
from medts.evaluation import find_protocol, settings_kind
from medts.evaluation.cross_validation import merged_measures, pool
from medts.evaluation.embeddings import embed
from medts.evaluation.files import PREDICTIONS
from medts.evaluation.fine_tune import thresholds_of
from medts.evaluation.late_fusion import fuse
from medts.evaluation.missing_curve import Missing, missing_conditions, share_kept
from medts.evaluation.missing_modalities import (
    TUNED_ON_ALL,
    MissingModalitiesConfig,
    answers_without,
    judge,
    missing_sets,
)
from medts.evaluation.probe import Labelled, ProbeConfig, fit_probe, fit_scaling, macro_auroc
from medts.evaluation.result import Condition, Measures, Result
from medts.evaluation.scoring import Scored, controls
from medts.evaluation.task import Task, make_task
from medts.inference.predictor import predict_record, predict_store
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.checks import subject_index
from medts.metrics.scores import make_scorer
from medts.metrics.thresholds import choose_thresholds
from medts.models.baselines.minirocket import MiniRocketFeatures
from medts.models.baselines.multirocket import MultiRocketFeatures
from medts.recipes import find_recipe
from medts.recipes.job_models import finetuned, job_recipe, shared
from medts.recipes.suites import Job, Question
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
    """Score on every resample of the test subjects; where a protocol draws several times, its
    mean over draws."""

    spread: float = 0.0
    """Variance of the score's mean over the draws that a protocol made."""

    conditions: tuple[Condition, ...] = ()
    """What the protocol varied."""

    share_kept: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    """By the number of missing modalities: the share kept, then that on every resample; none
    where nothing is above chance with all of them."""

    validation: float | None
    """Score on validation: what tuning looks at; none where nothing was trained."""

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
    latency_ms: float | None = None
    conditions: tuple[Condition, ...] = ()
    controls: dict[str, Measures] = field(default_factory=dict)
    without: dict[Missing, Scored] = field(default_factory=dict)


def run_job(job: Job, stores: tuple[str, ...], folder: str, rate_factor: float = 1.0) -> str:
    """Runs one job and writes its outcome; returns the file's path.

    Args:
        job: The cell.
        stores: Folders of the stores.
        folder: Folder of the benchmark.
        rate_factor: Multiple of the recipe's learning rate that tuning found.
    """
    started = time.monotonic()
    out, store = Path(folder), Store(*stores)
    factor = job.rate_factor if job.rate_factor is not None else rate_factor
    if job.method.kind == "evaluate":
        outcome = _evaluated(job, store, out)
    else:
        answer = {"finetune": _finetuned, "late_fusion": _fused}.get(job.method.kind, _probed)
        outcome = _measured(
            job, [answer(job, each, store, out, factor) for each in job.question.rounds()]
        )
    path = out / "jobs" / f"{job.name}.json"
    with write_whole(path) as target:
        target.write_text(outcome.but(seconds=time.monotonic() - started).model_dump_json())
    return str(path)


def _measured(job: Job, found: list[Found]) -> Outcome:
    """Scores the answers of all rounds at once."""
    ranked, stated = found[0].scored, found[0].scored
    if len(found) > 1:
        ranked, stated = pool([each.scored for each in found])
    first = found[0]
    conditions, share_kept = first.conditions, {}
    if first.without:
        conditions, share_kept = _kept(ranked, found)
    return Outcome(
        job=job,
        metrics=merged_measures(ranked, stated),
        controls={} if job.rate_factor is not None else controls(stated) | first.controls,
        resamples=_resamples(ranked),
        conditions=conditions,
        share_kept=share_kept,
        validation=float(np.mean([each.validation for each in found])),
        latency_ms=first.latency_ms,
        n_labelled=round(np.mean([each.n_labelled for each in found])),
        n_records=len(ranked.test),
        n_subjects=len(set(ranked.subjects)),
        recipe_digest=hashlib.sha256(first.settings.encode()).hexdigest(),
        data_digest=ranked.store.digest(ranked.test.rows, job.question.label_set),
        seconds=0.0,
    )


def _kept(
    full: Scored, found: list[Found]
) -> tuple[tuple[Condition, ...], dict[str, tuple[float | None, ...]]]:
    """Returns what is left without each set of modalities, over all rounds."""
    judged = judge(full, MissingModalitiesConfig(n_resamples=N_RESAMPLES), 0)
    scores = {}
    for missing in found[0].without:
        ranked = found[0].without[missing]
        if len(found) > 1:
            ranked, _ = pool([each.without[missing] for each in found])
        scores[missing] = judged.scores(ranked.probability, ranked.thresholds)
    everything = judged.scores(full.probability, full.thresholds)
    names = {name for missing in scores for name in missing}
    conditions = missing_conditions(
        judged, everything, scores, regime=TUNED_ON_ALL, n_modalities=len(names)
    )
    kept = share_kept(judged, everything, scores)
    return conditions, {
        str(n): tuple(round(v, 6) if np.isfinite(v) else None for v in drawn.tolist())
        for n, drawn in kept.items()
    }


def _evaluated(job: Job, store: Store, out: Path) -> Outcome:
    """Measures a model by a protocol, which may train heads or probes of its own."""
    question, method = job.question, job.method
    protocol = find_protocol(method.protocol)
    settings = dict(method.settings)
    if job.label_unit == "shots":
        settings["shots"] = [int(job.label_fraction)]
    with TemporaryDirectory() as folder:
        task = _task(question, store, Path(folder))
        model = shared(job, question, store, out)
        asked = settings_kind(method.protocol).model_validate(settings)
        result: Result = protocol.run(model, task, asked, seed=job.draw)
        drawn = _drawn(task) if (Path(folder) / PREDICTIONS).is_file() else None
    values = np.zeros((0, N_RESAMPLES + 1)) if drawn is None else drawn
    n_draws = len(values)
    return Outcome(
        job=job,
        metrics=result.metrics,
        controls=result.controls,
        resamples=tuple(np.round(values[:, 1:].mean(axis=0), 6).tolist()) if n_draws else (),
        spread=float(values[:, 0].var(ddof=1) / n_draws) if n_draws > 1 else 0.0,
        conditions=result.conditions,
        validation=None,
        n_labelled=None,
        n_records=result.n_records,
        n_subjects=result.n_subjects,
        recipe_digest=hashlib.sha256(model.provenance.model_dump_json().encode()).hexdigest(),
        data_digest=result.data_digest,
        seconds=0.0,
    )


def _drawn(task: Task) -> Float[np.ndarray, "U N_and_1"]:
    """Returns the macro AUROC of every draw, on the test records and on every resample."""
    assert task.out is not None
    table = pq.read_table(task.out / PREDICTIONS)
    classes = [name.removeprefix("target:") for name in table.column_names if name[:7] == "target:"]
    draws = (
        np.array(table["draw"].to_pylist())
        if "draw" in table.column_names
        else np.zeros(len(table))
    )
    subject = np.array(table["subject_id"].to_pylist())
    values = []
    for draw in np.unique(draws):
        mask = draws == draw
        target, probability = (
            np.column_stack([table[f"{kind}:{name}"].to_numpy()[mask] for name in classes])
            for kind in ("target", "probability")
        )
        kind, half = task.label_set.kind, np.full(len(classes), 0.5)  # rankings need no threshold
        scorer = make_scorer(target, probability, None if kind == "single" else half, kind)
        index = subject_index(subject[mask].tolist(), len(target))
        every = scorer(np.ones((1, len(target)))).overall["macro_auroc"]
        resampled = bootstrap_scores(scorer, index, N_RESAMPLES, 0).overall["macro_auroc"]
        values.append(np.concatenate([every, resampled]))
    return np.array(values)


def _task(question: Question, store: Store, out: Path | None = None) -> Task:
    return make_task(
        store,
        question.label_set,
        train_folds=question.train_folds,
        val_folds=question.val_folds,
        test_folds=question.test_folds,
        out=out,
    )


def _resamples(scored: Scored) -> tuple[float, ...]:
    scorer = make_scorer(
        scored.test.target, scored.probability, scored.thresholds, scored.label_set.kind
    )
    subject = subject_index(scored.subjects, len(scored.test))
    drawn = bootstrap_scores(scorer, subject, N_RESAMPLES, 0).overall["macro_auroc"]
    return tuple(round(float(value), 6) for value in drawn)


def _finetuned(job: Job, question: Question, store: Store, out: Path, factor: float) -> Found:
    recipe, task = job_recipe(job, job.method.recipe, factor), _task(question, store)
    with finetuned(job, question, recipe, store, out) as model:
        task.check(model)
        prevalence = model.provenance.prevalence
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
            settings=recipe.model_dump_json(),
            latency_ms=_latency_ms(task, lambda record: predict_record(model, record)),
        )
        if job.method.protocol == "missing_modalities":
            names = missing_sets(tuple(model.preprocessing.streams))
            return replace(found, without=answers_without(model, task, scored, names))
        if job.method.protocol:
            protocol = find_protocol(job.method.protocol)
            asked = settings_kind(job.method.protocol).model_validate(job.method.settings)
            result: Result = protocol.run(model, task, asked, seed=job.seed)
            others = {k: v for k, v in result.controls.items() if k not in controls(scored)}
            return replace(found, conditions=result.conditions, controls=others)
        return found


def _fused(job: Job, question: Question, store: Store, out: Path, factor: float) -> Found:
    """Fine-tunes several recipes and puts their answers together, as validation says."""
    task = _task(question, store)
    with ExitStack() as stack:
        recipes = [job_recipe(job, name, factor) for name in job.method.fused]
        models = [
            stack.enter_context(finetuned(job, question, recipe, store, out)) for recipe in recipes
        ]
        for model in models:
            task.check(model)
        scored, fusion = fuse(models, task)
        return Found(
            scored=scored,
            validation=max(fusion.scores.values()),
            n_labelled=models[0].provenance.splits["train"]["n_records"],
            settings="".join(recipe.model_dump_json() for recipe in recipes),
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
    task = _task(question, store)
    train = task.training()
    if job.label_fraction != 1:
        kept = labelled_part(train.target, fraction=job.label_fraction, seed=job.draw)
        train = train.take(kept)
    choosing, kind = task.choosing(), task.label_set.kind
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
    described = json.dumps([job.method.name, settings.model_dump()])
    return Found(scored, macro_auroc(choosing.target, validation), len(train), described)


def _values_of(
    job: Job, question: Question, store: Store, train: Part, out: Path
) -> Callable[[Part], Float[np.ndarray, "R F"]]:
    """Returns what turns records into the values that a probe reads."""
    if job.method.kind == "probe":
        model = shared(job, question, store, out)
        _task(question, store).check(model)
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
