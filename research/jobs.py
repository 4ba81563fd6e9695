"""Jobs: one cell of a benchmark, from training to the numbers of its test records.

A job leaves one small file, ``jobs/<name>.json``, written when it has ended; that file is what
makes a rerun skip it. Besides the measures it keeps the suite's score on every resample of the
test subjects: the same resamples for every method, so that methods can be compared later without
keeping anything about a person. In cross-validation a model is trained for every round, and the
answers of all rounds are scored at once.

Axes: R records, K classes, F features.
"""

import hashlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float
from pydantic import Field

from medts.core.config import Config
from medts.core.files import write_whole
from medts.data.store import Store
from medts.evaluation import find_protocol, settings_kind
from medts.evaluation.cross_validation import merged_measures, pool
from medts.evaluation.files import PREDICTIONS
from medts.evaluation.missing_curve import missing_conditions, share_kept
from medts.evaluation.missing_modalities import TUNED_ON_ALL, MissingModalitiesConfig, judge
from medts.evaluation.result import Condition, Measures, Result
from medts.evaluation.scoring import Scored, controls
from medts.evaluation.task import Task
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.checks import subject_index
from medts.metrics.scores import make_scorer
from research.job_answers import Found, answer, task_of
from research.job_models import shared
from research.suites import Job

N_RESAMPLES = 1000
RESAMPLED = "macro_auroc"
"""The score that is kept on every resample."""


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

    notes: tuple[str, ...] = ()
    """What the protocol has to say: classes left out, examples that ran short, leaks allowed."""

    latency_ms: float | None = None
    """Median time from a recording in memory to its probabilities, one thread, ms."""

    recipe_digest: str
    """SHA-256 of the resolved settings."""

    data_digest: str
    """SHA-256 over the test records."""

    seconds: float
    """Time the job took."""


def run_job(
    job: Job,
    stores: tuple[str, ...],
    folder: str,
    rate_factor: float = 1.0,
    models: str | None = None,
) -> str:
    """Runs one job and writes its outcome; returns the file's path.

    Args:
        job: The cell.
        stores: Folders of the stores.
        folder: Folder of the benchmark.
        rate_factor: Multiple of the recipe's learning rate that tuning found.
        models: Folder of the models that jobs share; none: that of the benchmark.
    """
    started = time.monotonic()
    out, store = Path(models or folder), Store(*stores)
    factor = job.rate_factor if job.rate_factor is not None else rate_factor
    if job.method.kind == "evaluate":
        outcome = _evaluated(job, store, out)
    else:
        rounds = job.question.rounds()
        outcome = _measured(job, [answer(job, each, store, out, factor) for each in rounds])
    path = Path(folder) / "jobs" / f"{job.name}.json"
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
        settings |= {"shots": [int(job.label_fraction)], "cache": out / "embeddings"}
    with TemporaryDirectory() as folder:
        task = task_of(question, store, Path(folder))
        model = shared(job, question, store, out)
        asked = settings_kind(method.protocol).model_validate(settings)
        first = job.draw * getattr(asked, "episodes", 1)  # no draw repeats another's episodes
        result: Result = protocol.run(model, task, asked, seed=first)
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
        notes=result.notes,
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
        every = scorer(np.ones((1, len(target)))).overall[RESAMPLED]
        resampled = bootstrap_scores(scorer, index, N_RESAMPLES, 0).overall[RESAMPLED]
        values.append(np.concatenate([every, resampled]))
    return np.array(values)


def _resamples(scored: Scored) -> tuple[float, ...]:
    scorer = make_scorer(
        scored.test.target, scored.probability, scored.thresholds, scored.label_set.kind
    )
    subject = subject_index(scored.subjects, len(scored.test))
    drawn = bootstrap_scores(scorer, subject, N_RESAMPLES, 0).overall[RESAMPLED]
    return tuple(round(float(value), 6) for value in drawn)
