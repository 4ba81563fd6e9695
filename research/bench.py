"""Bench: runs the jobs of a suite, several at a time.

A method's tuning trials come before its cells, and the first seed and draw of all methods before
the next, so that a table that runs out of time is whole before it is deep. What has a file is not
run again. The ledger is rewritten after every job.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path

from medts.core.errors import MedtsError
from medts.core.processes import end_with_parent
from medts.data.store import Store
from medts.inference.folder import holds_bundle
from research.job_models import shared_folders
from research.jobs import Outcome, run_job
from research.ledger import Bench, write_ledger
from research.suites import Job, Suite


def run_suite(
    suite: Suite,
    store: Store,
    folder: str | Path,
    *,
    models: str | Path | None = None,
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
        models: Folder of the models that jobs share, which other tables may share too; none:
            ``folder``.
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
    _run(bench, todo, stores, Path(models or folder), n_jobs, deadline, tell)
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
        elif lacking := _corpora(job) - at_hand:
            names = ", ".join(sorted(lacking))
            bench.skipped[job.name] = f"corpus {names} is not in the store"
        elif only and not any(part in job.name for part in only):
            bench.skipped[job.name] = "not asked for this time"
        else:
            todo.append(job)
    return todo


def _corpora(job: Job) -> set[str]:
    """Returns the corpora that a job reads: that of the question, and what its model was taught."""
    taught = job.method.taught.label_sets if job.method.taught else ()
    return {job.question.corpus, *(name.split("/")[0] for name in taught)}


def _run(
    bench: Bench,
    todo: list[Job],
    stores: tuple[str, ...],
    models: Path,
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
        n_jobs, mp_context=get_context("spawn"), initializer=_start_worker
    ) as pool:
        while waiting or running:
            while waiting and len(running) < n_jobs and time.monotonic() < deadline:
                job = _next(waiting, running, models)
                if job is None:
                    break
                factor = best_factor(bench, job)
                task = pool.submit(run_job, job, stores, str(bench.folder), factor, str(models))
                running[task] = job
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


def _next(waiting: list[Job], running: dict[Future[str], Job], models: Path) -> Job | None:
    """Takes the next job whose tuning has ended, never two that would train the same model."""
    busy = {path for job in running.values() for path in shared_folders(job, models)}
    busy = {path for path in busy if not holds_bundle(path)}
    tuning = [job for job in (*running.values(), *waiting) if job.rate_factor is not None]
    for index, job in enumerate(waiting):
        is_tuned = job.rate_factor is not None or not any(
            (trial.method, trial.question) == (job.method, job.question) for trial in tuning
        )
        if is_tuned and busy.isdisjoint(shared_folders(job, models)):
            return waiting.pop(index)
    return None


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)
    end_with_parent()


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
    what, value = bench.suite.metric.replace("_", " "), outcome.metrics.get(bench.suite.metric)
    if job.rate_factor is not None or value is None:
        what, value = "validation", outcome.validation
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
    return max(trials, key=lambda outcome: outcome.validation or 0.0).job.rate_factor or 1.0
