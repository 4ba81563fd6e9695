"""Bench: runs the jobs of a suite, several at a time, and keeps a ledger of what they found.

A method's tuning trials come before its cells, and the first seed and draw of all methods before
the next, so that a table that runs out of time is whole before it is deep. What has a file is not
run again. ``ledger.parquet`` is rewritten after every job.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.data.store import Store
from medts.evaluation.bench_report import BenchRow, write_bench_report
from medts.evaluation.result import Measure
from medts.metrics.comparison import holm
from medts.metrics.components import split_variance
from medts.recipes.jobs import Outcome, pretraining_folder, run_job
from medts.recipes.suites import Job, Suite, labels_in_words

LEDGER = pa.schema(
    [
        ("suite", pa.string()),
        ("method", pa.string()),
        ("corpus", pa.string()),
        ("label_set", pa.string()),
        ("protocol", pa.string()),
        ("label_fraction", pa.float64()),
        ("shots", pa.int64()),
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("condition", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("comparison", pa.string()),
        ("p_value", pa.float64()),
        ("n_subjects", pa.int64()),
        ("control", pa.bool_()),
        ("recipe_digest", pa.string()),
        ("data_digest", pa.string()),
        ("seconds", pa.float64()),
    ]
)


@dataclass
class Bench:
    """The state of a suite in a folder.

    Args:
        suite: What is asked.
        folder: Where outcomes and the ledger are.
        outcomes: By name of their job.
        skipped: Jobs that did not run, and why.
    """

    suite: Suite
    folder: Path
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


def run_suite(
    suite: Suite,
    store: Store,
    folder: str | Path,
    *,
    n_jobs: int = 1,
    table_minutes: float = 180.0,
    only: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> Bench:
    """Runs what is missing of a suite and writes its ledger.

    Args:
        suite: What to compare.
        store: Where the corpora are.
        folder: Outcomes, ledger; a rerun repeats no finished job.
        n_jobs: Jobs at a time, one thread each.
        table_minutes: No job is started after this long; the others are listed as skipped.
        only: Where given, runs jobs whose name holds one of these; the others are skipped.
        tell: Takes a line of progress.

    Raises:
        MedtsError: If none of the suite's corpora is in the store.
    """
    folder = Path(folder)
    (folder / "jobs").mkdir(parents=True, exist_ok=True)
    bench = Bench(suite, folder)
    at_hand = set(store.corpora)
    if not any(question.corpus in at_hand for question in suite.questions):
        wanted = ", ".join(sorted({question.corpus for question in suite.questions}))
        raise MedtsError(
            f"none of the corpora of suite {suite.name!r} is in the store: {wanted}",
            remedy="Ingest one and give its store with --data",
        )
    deadline = time.monotonic() + 60 * table_minutes
    stores = tuple(str(path) for path in store.paths)
    todo = _possible(bench, suite.jobs(), at_hand, only)
    n_others = len(list((folder / "jobs").glob("*.json"))) - len(bench.outcomes)
    if n_others:
        tell(
            f"{n_others} outcomes in {folder / 'jobs'} were made under other settings, such as "
            "another time budget, and are not in this ledger"
        )
    _run(bench, todo, stores, n_jobs, deadline, tell)
    write_ledger(bench)
    return bench


def _possible(
    bench: Bench, jobs: Iterable[Job], at_hand: set[str], only: Sequence[str]
) -> list[Job]:
    """Returns the jobs whose corpus is at hand and that have not been run."""
    todo = []
    for job in jobs:
        path = bench.folder / "jobs" / f"{job.name}.json"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            bench.outcomes[job.name] = Outcome.model_validate_json(text)
        elif job.question.corpus not in at_hand:
            bench.skipped[job.name] = f"corpus {job.question.corpus} is not in the store"
        elif only and not any(part in job.name for part in only):
            bench.skipped[job.name] = "not asked for this time"
        else:
            todo.append(job)
    return todo


def _run(
    bench: Bench,
    todo: list[Job],
    stores: tuple[str, ...],
    n_jobs: int,
    deadline: float,
    tell: Callable[[str], None],
) -> None:
    if not todo:
        return
    n_all, started = len(todo), time.monotonic()
    n_before = len(bench.outcomes) + len(bench.skipped)
    waiting, running = list(todo), dict[Future[str], Job]()
    with ProcessPoolExecutor(
        n_jobs, mp_context=get_context("spawn"), initializer=_one_thread
    ) as pool:
        while waiting or running:
            while waiting and len(running) < n_jobs and time.monotonic() < deadline:
                job = _next(waiting, running, bench.folder)
                if job is None:
                    break
                factor = best_factor(bench, job)
                running[pool.submit(run_job, job, stores, str(bench.folder), factor)] = job
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                job = running.pop(future)
                _take(bench, job, future)
                n_done = len(bench.outcomes) + len(bench.skipped) - n_before
                left = (time.monotonic() - started) / max(1, n_done) * (n_all - n_done)
                tell(f"{n_done}/{n_all} {_said(bench, job)}; about {left / 60:.0f} min left")
            write_ledger(bench)
    for job in waiting:
        bench.skipped[job.name] = "the table's time was over"


def _next(waiting: list[Job], running: dict[Future[str], Job], folder: Path) -> Job | None:
    """Takes the next job whose tuning has ended, never two that would pretrain the same encoder."""
    busy = {pretraining_folder(job, folder) for job in running.values() if job.method.pretraining}
    busy = {path for path in busy if not (path / "bundle" / "config.json").is_file()}
    tuning = [job for job in (*running.values(), *waiting) if job.rate_factor is not None]
    for index, job in enumerate(waiting):
        is_tuned = job.rate_factor is not None or not any(
            (trial.method, trial.question) == (job.method, job.question) for trial in tuning
        )
        if is_tuned and pretraining_folder(job, folder) not in busy:
            return waiting.pop(index)
    return None


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _take(bench: Bench, job: Job, future: "Future[str]") -> None:
    """Reads the outcome of a job; a job that failed is listed with its reason."""
    try:
        text = Path(future.result()).read_text(encoding="utf-8")
    except Exception as error:  # whatever breaks one job must not take the others with it
        bench.skipped[job.name] = f"failed with {type(error).__name__}: {error}"
        return
    bench.outcomes[job.name] = Outcome.model_validate_json(text)


def _said(bench: Bench, job: Job) -> str:
    outcome = bench.outcomes.get(job.name)
    if outcome is None:
        return f"{job.name}: skipped, {bench.skipped[job.name]}"
    value = outcome.metrics["macro_auroc"] if job.rate_factor is None else outcome.validation
    what = "macro AUROC" if job.rate_factor is None else "validation"
    return f"{job.name}: {what} {value} in {outcome.seconds:.0f} s"


def best_factor(bench: Bench, job: Job) -> float:
    """Returns the multiple of the learning rate with the best validation score in tuning."""
    trials = [
        outcome
        for outcome in bench.outcomes.values()
        if outcome.job.rate_factor is not None
        and outcome.job.method == job.method
        and outcome.job.question == job.question
    ]
    if not trials:
        return 1.0
    return max(trials, key=lambda outcome: outcome.validation).job.rate_factor or 1.0


def write_ledger(bench: Bench) -> None:
    """Writes every number of every job, and the comparisons, as one table."""
    rows = [row for outcome in bench.outcomes.values() for row in _rows(outcome)]
    rows += comparisons(bench)
    with write_whole(bench.folder / "ledger.parquet") as target:
        pq.write_table(pa.Table.from_pylist(rows, schema=LEDGER), target)


def _rows(outcome: Outcome) -> list[dict[str, object]]:
    job = outcome.job
    fixed = {
        "suite": job.suite,
        "corpus": job.question.corpus,
        "label_set": job.question.label_set,
        "protocol": "linear_probe" if job.method.kind != "finetune" else "fine_tune",
        "label_fraction": job.label_fraction,
        "draw": job.draw,
        "seed": job.seed,
        "condition": "" if job.rate_factor is None else f"tuning, rate x {job.rate_factor:g}",
        "n_subjects": outcome.n_subjects,
        "recipe_digest": outcome.recipe_digest,
        "data_digest": outcome.data_digest,
        "seconds": outcome.seconds,
    }
    named = [(job.method.name, job.method.is_control, outcome.metrics)]
    named += [(f"{job.method.name}: {k}", True, m) for k, m in outcome.controls.items()]
    return [
        {
            **fixed,
            "method": method,
            "control": is_control,
            "metric": metric,
            "value": measure.value,
            "low": measure.low,
            "high": measure.high,
        }
        for method, is_control, measures in named
        for metric, measure in measures.items()
    ]


@dataclass(frozen=True)
class Cell:
    """A method's macro AUROC over its draws and seeds, on common resamples of test subjects."""

    mean: float
    low: float
    high: float
    n_runs: int
    n_labelled: int | None
    resamples: np.ndarray
    spread: float
    latency_ms: float | None
    recipe_digest: str
    data_digest: str


def cells(bench: Bench) -> dict[tuple[str, float, str], Cell]:
    """Returns a cell for each label set, label fraction and method."""
    groups: dict[tuple[str, float, str], list[Outcome]] = {}
    for outcome in bench.outcomes.values():
        job = outcome.job
        if job.rate_factor is None:
            key = (job.question.label_set, job.label_fraction, job.method.name)
            groups.setdefault(key, []).append(outcome)
    return {key: _cell(group) for key, group in groups.items()}


def _cell(outcomes: list[Outcome]) -> Cell:
    """Joins runs; the interval holds the spread of subjects, draws and seeds around the mean.

    One run knows nothing of the spread of draws and seeds: its interval is of subjects alone.
    """
    values = np.array([outcome.metrics["macro_auroc"].value for outcome in outcomes], float)
    resamples = np.array([outcome.resamples for outcome in outcomes]).T
    parts = split_variance(values, [outcome.job.draw for outcome in outcomes], resamples)
    n_runs = len(outcomes)
    n_draws = len({outcome.job.draw for outcome in outcomes})
    of_runs = np.nansum([parts.seed / n_runs, parts.draw / n_draws])
    mean, error = float(values.mean()), float(np.sqrt(parts.subject + of_runs))
    reach = float(stats.norm.ppf(0.975)) * error
    low, high = mean - reach, min(1.0, mean + reach)
    latencies = [each.latency_ms for each in outcomes if each.latency_ms is not None]
    return Cell(
        mean=mean,
        low=low,
        high=high,
        n_runs=n_runs,
        n_labelled=outcomes[0].n_labelled,
        resamples=resamples.mean(axis=1),
        spread=float(of_runs),
        latency_ms=float(np.median(latencies)) if latencies else None,
        recipe_digest=outcomes[0].recipe_digest,
        data_digest=outcomes[0].data_digest,
    )


def comparisons(bench: Bench) -> list[dict[str, Any]]:
    """Compares every method with the reference on the same resamples; p-values after Holm."""
    table, rows = cells(bench), []
    corpus_of = {each.label_set: each.corpus for each in bench.suite.questions}
    are_controls = {method.name: method.is_control for method in bench.suite.methods}
    for label_set, fraction in sorted({key[:2] for key in table}):
        reference = table.get((label_set, fraction, bench.suite.reference))
        others = [
            (method, cell)
            for (of_set, of_fraction, method), cell in table.items()
            if (of_set, of_fraction) == (label_set, fraction) and method != bench.suite.reference
        ]
        if reference is None or not others:
            continue
        found = [_difference(cell, reference) for _, cell in others]
        adjusted = holm(np.array([p for _, _, p in found]))
        for (method, _), (difference, error, _), p_value in zip(
            others, found, adjusted, strict=True
        ):
            rows.append(
                {
                    "suite": bench.suite.name,
                    "method": method,
                    "control": are_controls.get(method, False),
                    "corpus": corpus_of.get(label_set, ""),
                    "label_set": label_set,
                    "label_fraction": fraction,
                    "metric": "macro_auroc",
                    "value": difference,
                    "low": difference - 1.96 * error,
                    "high": difference + 1.96 * error,
                    "comparison": f"minus {bench.suite.reference}, paired bootstrap, Holm",
                    "p_value": float(p_value),
                }
            )
    return rows


def write_page(bench: Bench, *, command: str = "") -> Path:
    """Writes ``report.html`` beside the ledger and returns where it is."""
    against = {(r["label_set"], r["label_fraction"], r["method"]): r for r in comparisons(bench)}
    are_controls = {method.name: method.is_control for method in bench.suite.methods}
    rows = []
    for key, cell in cells(bench).items():
        row: dict[str, Any] | None = against.get(key)
        difference = None
        if row is not None:
            difference = Measure(value=row["value"], low=row["low"], high=row["high"])
        rows.append(
            BenchRow(
                label_set=key[0],
                label_fraction=key[1],
                labels=labels_in_words(key[1]),
                n_labelled=cell.n_labelled,
                method=key[2],
                is_control=are_controls[key[2]],
                score=Measure(value=cell.mean, low=cell.low, high=cell.high),
                n_runs=cell.n_runs,
                difference=difference,
                p_value=None if row is None else row["p_value"],
                latency_ms=cell.latency_ms,
                recipe_digest=cell.recipe_digest,
                data_digest=cell.data_digest,
            )
        )
    path = bench.folder / "report.html"
    write_bench_report(
        path,
        bench.suite.name,
        rows,
        reference=bench.suite.reference,
        skipped=list(bench.skipped.items()),
        synthetic=all(row.label_set.startswith("synthetic/") for row in rows),
        command=command,
    )
    return path


def _difference(cell: Cell, reference: Cell) -> tuple[float, float, float]:
    drawn = cell.resamples - reference.resamples
    error = float(np.sqrt(np.nanvar(drawn, ddof=1) + cell.spread + reference.spread))
    difference = cell.mean - reference.mean
    p_value = 2 * float(stats.norm.sf(abs(difference) / error)) if error > 0 else 1.0
    return difference, error, p_value
