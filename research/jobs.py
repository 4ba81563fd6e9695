"""Jobs: one cell of a table, from training to the numbers of its test records.

Besides the measures a run keeps the score on every resample of the test subjects, and nothing
about a person. In cross-validation a model is trained for every round, and the predictions of all
rounds are scored at once.

Axes: U repetitions of a protocol, N resamples.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jaxtyping import Float

from medts.data.store import Store
from medts.evaluation.cross_validation import merged_estimates, pool
from medts.evaluation.files import PREDICTIONS
from medts.evaluation.missing_curve import missing_conditions, share_kept
from medts.evaluation.missing_modalities import TUNED_ON_ALL, judge
from medts.evaluation.protocols.base import Protocol
from medts.evaluation.protocols.missing_modalities import MissingModalitiesConfig
from medts.evaluation.result import Condition, Estimates
from medts.evaluation.run import run_protocol
from medts.evaluation.scoring import Scored, controls
from medts.evaluation.task import Task
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.checks import subject_index
from medts.metrics.scores import make_scorer
from research.ledger import Run
from research.models import settings_digest, shared
from research.predictions import Found, predict_round, task_of
from research.suites import Job

N_RESAMPLES = 1000
RESAMPLED = "macro_auroc"
"""The score that is kept on every resample."""


_Resamples = dict[tuple[str, str], tuple[float | None, ...]]


def run_job(
    job: Job,
    stores: tuple[str, ...],
    work: str,
    commit: str,
    rate_factor: float = 1.0,
) -> Run:
    """Runs one job; ``rate_factor`` is the multiple of its learning rate that tuning found."""
    started = time.monotonic()
    out, store = Path(work), Store(*stores)
    if job.method.kind == "evaluate":
        found = _evaluated(job, store, out)
    else:
        factor = job.rate_factor if job.rate_factor is not None else rate_factor
        rounds = [predict_round(job, each, store, out, factor) for each in job.question.rounds()]
        found = _measured(job, rounds)
    return Run(
        **job.key._asdict(),
        is_control=job.method.is_control,
        commit=commit,
        settings=settings_digest(job),
        seconds=round(time.monotonic() - started, 1),
        **found,
    )


def _measured(job: Job, found: list[Found]) -> dict[str, Any]:
    """Scores the predictions of all rounds at once."""
    ranked, stated = found[0].scored, found[0].scored
    if len(found) > 1:
        ranked, stated = pool([each.scored for each in found])
    first = found[0]
    conditions, resamples = _by_name(first.conditions), {("", RESAMPLED): _resamples(ranked)}
    if first.without:
        conditions, kept = _kept(ranked, found)
        resamples |= kept
    return {
        "metrics": merged_estimates(ranked, stated),
        "controls": {} if job.rate_factor is not None else controls(stated) | first.controls,
        "conditions": conditions,
        "resamples": resamples,
        "validation": float(np.mean([each.validation for each in found])),
        "latency_ms": first.latency_ms,
        "n_labelled": round(np.mean([each.n_labelled for each in found])),
        "n_records": len(ranked.test),
        "n_subjects": len(set(ranked.subjects)),
        "data": ranked.store.digest(ranked.test.rows, job.question.label_set)[:12],
    }


def _by_name(conditions: tuple[Condition, ...]) -> dict[str, Estimates]:
    """Returns what each condition gave; single repetitions are in their mean."""
    return {each.name: each.metrics for each in conditions if each.draw is None}


def _kept(full: Scored, found: list[Found]) -> tuple[dict[str, Estimates], _Resamples]:
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
    resamples: _Resamples = {
        (each.name, "share_kept"): _finite(kept[each.n_missing][1:])
        for each in conditions
        if each.n_missing
    }
    return _by_name(conditions), resamples


def _evaluated(job: Job, store: Store, out: Path) -> dict[str, Any]:
    """Measures a model by a protocol, which may train heads or probes of its own."""
    question, method = job.question, job.method
    settings = dict(method.settings)
    if job.label_unit == "shots":
        settings |= {"shots": [int(job.label_fraction)], "cache": out / "embeddings"}
    with TemporaryDirectory() as folder:
        task = task_of(question, store, Path(folder))
        model = shared(job, question, store, out)
        typed = Protocol.find(method.protocol).Config.model_validate(settings)
        first = job.draw * getattr(typed, "episodes", 1)  # no draw repeats another's episodes
        result = run_protocol(method.protocol, model, task, typed, seed=first)
        has_predictions = (Path(folder) / PREDICTIONS).is_file()
        values = _repeated(task) if has_predictions else np.zeros((0, N_RESAMPLES + 1))
    n_repeats = len(values)
    return {
        "metrics": result.metrics,
        "controls": result.controls,
        "conditions": _by_name(result.conditions),
        "resamples": {("", RESAMPLED): _finite(values[:, 1:].mean(axis=0))} if n_repeats else {},
        "spread": float(values[:, 0].var(ddof=1) / n_repeats) if n_repeats > 1 else 0.0,
        "notes": "\n".join(result.notes),
        "n_records": result.n_records,
        "n_subjects": result.n_subjects,
        "data": result.data_digest[:12],
    }


def _repeated(task: Task) -> Float[np.ndarray, "U N_and_1"]:
    """Returns the macro AUROC of every repetition, on the test records and on every resample."""
    assert task.out is not None
    table = pq.read_table(task.out / PREDICTIONS)
    names = [name.removeprefix("target:") for name in table.column_names if name[:7] == "target:"]
    target, probability = (
        np.column_stack([table[f"{part}:{name}"].to_numpy() for name in names])
        for part in ("target", "probability")
    )
    has_several = "draw" in table.column_names
    repetition = table["draw"].to_numpy() if has_several else np.zeros(len(table))
    kind, subject = task.label_set.class_kind, np.array(table["subject_id"].to_pylist())
    thresholds = None if kind == "single" else np.full(len(names), 0.5)  # rankings need none
    values = []
    for each in np.unique(repetition):
        rows = np.flatnonzero(repetition == each)
        scorer = make_scorer(target[rows], probability[rows], thresholds, kind)
        index = subject_index(subject[rows].tolist(), len(rows))
        every = scorer(np.ones((1, len(rows)))).overall[RESAMPLED]
        resampled = bootstrap_scores(scorer, index, N_RESAMPLES, 0).overall[RESAMPLED]
        values.append(np.concatenate([every, resampled]))
    return np.array(values)


def _resamples(scored: Scored) -> tuple[float | None, ...]:
    scorer = make_scorer(
        scored.test.target, scored.probability, scored.thresholds, scored.label_set.class_kind
    )
    subject = subject_index(scored.subjects, len(scored.test))
    return _finite(bootstrap_scores(scorer, subject, N_RESAMPLES, 0).overall[RESAMPLED])


def _finite(values: Float[np.ndarray, "N"]) -> tuple[float | None, ...]:
    return tuple(value if np.isfinite(value) else None for value in values.tolist())
