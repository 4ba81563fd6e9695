"""Ledger: what the jobs of a suite found, as one table and one page.

``ledger.parquet`` has a row for every number of every job and for every comparison; the page shows
the same with intervals. Runs of one cell differ in draw and seed, and methods are compared on
common resamples of the test subjects.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from medts.core.files import write_whole
from medts.evaluation.result import Measure
from medts.metrics.comparison import holm
from medts.metrics.components import split_variance
from research.bench_report import BenchRow, write_bench_report
from research.jobs import RESAMPLED, Outcome
from research.suites import Suite, labels_in_words

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
        "protocol": _protocol(outcome),
        "label_fraction": job.label_fraction if job.label_unit == "records" else None,
        "shots": int(job.label_fraction) if job.label_unit == "shots" else None,
        "draw": job.draw,
        "seed": job.seed,
        "condition": "" if job.rate_factor is None else f"tuning, rate x {job.rate_factor:g}",
        "n_subjects": outcome.n_subjects,
        "recipe_digest": outcome.recipe_digest,
        "data_digest": outcome.data_digest,
        "seconds": outcome.seconds,
    }
    name, condition = job.method.name, str(fixed["condition"])
    named = [(name, job.method.is_control, condition, outcome.metrics)]
    named += [(f"{name}: {k}", True, condition, m) for k, m in outcome.controls.items()]
    named += [(name, job.method.is_control, each.name, each.metrics) for each in outcome.conditions]
    return [
        {
            **fixed,
            "method": method,
            "control": is_control,
            "condition": condition,
            "metric": metric,
            "value": measure.value,
            "low": measure.low,
            "high": measure.high,
        }
        for method, is_control, condition, measures in named
        for metric, measure in measures.items()
    ]


def _protocol(outcome: Outcome) -> str:
    """Returns the protocol that a job's numbers came from."""
    method = outcome.job.method
    if method.kind == "evaluate":
        return method.protocol
    if method.kind in ("finetune", "late_fusion"):
        return "fine_tune" if method.kind == "finetune" else method.kind
    return "linear_probe"


@dataclass(frozen=True)
class Cell:
    """A method's score over its draws and seeds, on common resamples of test subjects."""

    mean: float
    low: float
    high: float
    n_runs: int
    n_labelled: int | None
    resamples: np.ndarray
    spread: float
    beside: Measure | None
    latency_ms: float | None
    recipe_digest: str
    data_digest: str


def cells(bench: Bench) -> dict[tuple[str, float, str], Cell]:
    """Returns a cell for each label set, label fraction and method."""
    groups: dict[tuple[str, float, str], list[Outcome]] = {}
    for outcome in bench.outcomes.values():
        job = outcome.job
        if job.rate_factor is None and bench.suite.metric in outcome.metrics:
            key = (job.question.label_set, job.label_fraction, job.method.name)
            groups.setdefault(key, []).append(outcome)
    return {key: _cell(group, bench.suite) for key, group in groups.items()}


def _cell(outcomes: list[Outcome], suite: Suite) -> Cell:
    """Joins runs; the interval holds the spread of subjects, draws and seeds around the mean.

    One run knows nothing of the spread of draws and seeds: its interval is of subjects alone. So
    is that of a score which was not resampled; its ends are the means of those of the runs.
    """
    measures = [outcome.metrics[suite.metric] for outcome in outcomes]
    values = np.array([measure.value for measure in measures], float)
    n_runs, of_runs = len(outcomes), 0.0
    n_draws = len({outcome.job.draw for outcome in outcomes})
    resamples = np.zeros((0, n_runs))
    if suite.metric == RESAMPLED and all(outcome.resamples for outcome in outcomes):
        resamples = np.array([outcome.resamples for outcome in outcomes]).T
        parts = split_variance(values, [outcome.job.draw for outcome in outcomes], resamples)
        within = sum(outcome.spread for outcome in outcomes) / n_runs**2
        of_runs = np.nansum([parts.seed / n_runs, parts.draw / n_draws, within])
        error = float(np.sqrt(parts.subject + of_runs))
        reach = float(stats.norm.ppf(0.975)) * error
        low, high = float(values.mean()) - reach, min(1.0, float(values.mean()) + reach)
    else:
        joined = _mean(measures)
        assert joined is not None
        low, high = (np.nan if end is None else end for end in (joined.low, joined.high))
    latencies = [each.latency_ms for each in outcomes if each.latency_ms is not None]
    return Cell(
        mean=float(values.mean()),
        low=low,
        high=high,
        n_runs=n_runs,
        n_labelled=outcomes[0].n_labelled,
        resamples=resamples.mean(axis=1),
        spread=float(of_runs),
        beside=_mean([outcome.metrics.get(suite.beside) for outcome in outcomes]),
        latency_ms=float(np.median(latencies)) if latencies else None,
        recipe_digest=outcomes[0].recipe_digest,
        data_digest=outcomes[0].data_digest,
    )


def _mean(measures: Sequence[Measure | None]) -> Measure | None:
    """Returns the mean of values and of the ends of their intervals, which are of subjects."""
    known = [each for each in measures if each is not None]
    if not known:
        return None
    columns = [(e.value, e.low, e.high) for e in known]
    value, low, high = np.array(columns, dtype=float).mean(axis=0).tolist()
    return Measure(value=value, low=low, high=high)


def majority(bench: Bench) -> dict[tuple[str, float], Measure]:
    """Returns what always answering the commonest scores, once for each block of the table."""
    return {
        (outcome.job.question.label_set, outcome.job.label_fraction): outcome.controls["majority"][
            bench.suite.metric
        ]
        for outcome in bench.outcomes.values()
        if bench.suite.metric in outcome.controls.get("majority", {})
    }


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
        others = [(method, cell) for method, cell in others if len(cell.resamples)]
        if reference is None or not len(reference.resamples) or not others:
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
                    "metric": bench.suite.metric,
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
                labels=labels_in_words(key[1], bench.suite.label_unit),
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
    rows += [
        BenchRow(
            label_set=label_set,
            label_fraction=fraction,
            labels=labels_in_words(fraction, bench.suite.label_unit),
            method="majority",
            is_control=True,
            score=score,
        )
        for (label_set, fraction), score in majority(bench).items()
    ]
    path = bench.folder / "report.html"
    write_bench_report(
        path,
        bench.suite.name,
        rows,
        reference=bench.suite.reference,
        notes=_notes(bench),
        skipped=list(bench.skipped.items()),
        synthetic=all(row.label_set.startswith("synthetic/") for row in rows),
        command=command,
    )
    return path


def _notes(bench: Bench) -> list[tuple[str, str, str]]:
    """Returns label set, method and each note of its runs, once."""
    return list(
        dict.fromkeys(
            (outcome.job.question.label_set, outcome.job.method.name, note)
            for outcome in bench.outcomes.values()
            for note in outcome.notes
        )
    )


def _difference(cell: Cell, reference: Cell) -> tuple[float, float, float]:
    drawn = cell.resamples - reference.resamples
    error = float(np.sqrt(np.nanvar(drawn, ddof=1) + cell.spread + reference.spread))
    difference = cell.mean - reference.mean
    p_value = 2 * float(stats.norm.sf(abs(difference) / error)) if error > 0 else 1.0
    return difference, error, p_value
