"""Running: the missing cells of a suite, several at a time, each kept as soon as it has ended.

A method's tuning trials come before its cells, and the first seed and sample of all methods before
the next, so that a table that runs out of time is whole before it is deep.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from medts.core.errors import MedtsError
from medts.core.processes import end_with_parent
from medts.data.store import Store
from medts.inference.folder import holds_bundle
from medts.version import __version__
from research.jobs import run_job
from research.ledger import Run, ledger_path, read_ledger, write_ledger
from research.models import settings_digest, shared_folders
from research.suites import Job, Key, Suite


@dataclass
class Bench:
    """The state of a suite: what its ledger holds, and why cells are missing."""

    suite: Suite
    path: Path
    runs: dict[Key, Run] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, suite: Suite, folder: Path) -> "Bench":
        """Reads the ledger of a suite."""
        path = ledger_path(suite.name, folder)
        return cls(suite, path, {run.key: run for run in read_ledger(path)})

    def keep(self, run: Run) -> None:
        """Adds a run to the ledger, in place of an older one of the same cell."""
        self.runs[run.key] = run
        write_ledger(self.path, self.suite.name, self.runs.values())

    def missing(self) -> list[Job]:
        """Returns the jobs that the ledger has no run of."""
        return [job for job in self.suite.jobs() if job.key not in self.runs]


def run_suite(
    bench: Bench,
    store: Store,
    work: Path,
    *,
    n_jobs: int = 1,
    table_minutes: float = 180.0,
    only: Sequence[str] = (),
    again: bool = False,
    report: Callable[[str], None] = print,
) -> None:
    """Runs what is missing of a suite.

    Args:
        bench: The suite and its ledger.
        store: Where the corpora are.
        work: Folder of the models that jobs share, which other suites may share too.
        n_jobs: Jobs at a time, one thread each.
        table_minutes: No job is started after this long; the others are listed as skipped.
        only: Where given, runs jobs whose name holds one of these.
        again: Whether cells measured under other settings count as missing.
        report: Takes a line of progress.

    Raises:
        MedtsError: If none of the suite's corpora is in the store.
    """
    at_hand = set(store.corpora)
    if not any(question.corpus in at_hand for question in bench.suite.questions):
        wanted = ", ".join(sorted({question.corpus for question in bench.suite.questions}))
        raise MedtsError(
            f"none of the corpora of suite {bench.suite.name!r} is in the store: {wanted}",
            remedy="Ingest one and give its store with --data",
        )
    todo: list[Job] = []
    for job in bench.suite.jobs():
        run = bench.runs.get(job.key)
        if only and not any(part in job.name for part in only):
            continue
        if run is not None and not (again and run.settings != settings_digest(job)):
            continue
        if lacking := _corpora(job) - at_hand:
            bench.skipped[job.name] = f"corpus {', '.join(sorted(lacking))} is not in the store"
        else:
            todo.append(job)
    deadline = time.monotonic() + 60 * table_minutes
    stores = tuple(str(path) for path in store.paths)
    _run(bench, todo, stores, work, n_jobs, deadline, report)


def _corpora(job: Job) -> set[str]:
    """Returns the corpora that a job reads: the question's, and those its model was taught."""
    taught = job.method.taught.label_sets if job.method.taught else ()
    return {job.question.corpus, *(name.split("/")[0] for name in taught)}


def _run(
    bench: Bench,
    todo: list[Job],
    stores: tuple[str, ...],
    work: Path,
    n_jobs: int,
    deadline: float,
    report: Callable[[str], None],
) -> None:
    if not todo:
        return
    waiting, running = list(todo), dict[Future[Run], Job]()
    started, commit = time.monotonic(), current_commit()
    with ProcessPoolExecutor(
        n_jobs, mp_context=get_context("spawn"), initializer=_start_worker
    ) as pool:
        while waiting or running:
            while waiting and len(running) < n_jobs and time.monotonic() < deadline:
                job = _next(waiting, running, work)
                if job is None:
                    break
                factor = best_factor(bench, job)
                task = pool.submit(run_job, job, stores, str(work), commit, factor)
                running[task] = job
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                line = _take(bench, running.pop(future), future)
                n_done = len(todo) - len(waiting) - len(running)
                left = (time.monotonic() - started) / n_done * (len(todo) - n_done)
                report(f"{n_done}/{len(todo)} {line}; about {left / 60:.0f} min left")
    for job in waiting:
        bench.skipped[job.name] = "the table's time was over"


def _next(waiting: list[Job], running: dict[Future[Run], Job], work: Path) -> Job | None:
    """Takes the next job whose tuning has ended, never two that would train the same model."""
    busy = {path for job in running.values() for path in shared_folders(job, work)}
    busy = {path for path in busy if not holds_bundle(path)}
    tuning = [job for job in (*running.values(), *waiting) if job.rate_factor is not None]
    for index, job in enumerate(waiting):
        is_tuned = job.rate_factor is not None or not any(
            (trial.method, trial.question) == (job.method, job.question) for trial in tuning
        )
        if is_tuned and busy.isdisjoint(shared_folders(job, work)):
            return waiting.pop(index)
    return None


def _start_worker() -> None:
    import torch

    torch.set_num_threads(1)
    end_with_parent()


def _take(bench: Bench, job: Job, future: Future[Run]) -> str:
    """Keeps the run of a job and returns it in words; a failed one is listed with its reason."""
    try:
        run = future.result()
    except Exception as error:  # whatever breaks one job must not take the others with it
        bench.skipped[job.name] = f"failed with {type(error).__name__}: {error}"
        return f"{job.name}: skipped, {bench.skipped[job.name]}"
    bench.keep(run)
    what, value = bench.suite.metric.replace("_", " "), run.metrics.get(bench.suite.metric)
    if job.rate_factor is not None or value is None:
        return f"{job.name}: validation {run.validation} in {run.seconds:.0f} s"
    return f"{job.name}: {what} {value} in {run.seconds:.0f} s"


def best_factor(bench: Bench, job: Job) -> float:
    """Returns the multiple of the learning rate with the best validation score in tuning."""
    trials = [
        run
        for run in bench.runs.values()
        if run.rate_factor is not None
        and (run.method, run.label_set) == (job.method.name, job.question.label_set)
    ]
    if not trials:
        return 1.0
    return max(trials, key=lambda run: run.validation or 0.0).rate_factor or 1.0


def current_commit() -> str:
    """Returns the short commit of the working tree, ``+`` where it differs; else the version."""
    folder = Path(__file__).parent
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.stdout.strip() or __version__
