"""Ledger: the results of a suite as one Parquet file, from which its table is printed.

A row is one number with its interval; runs differ in question, method, labels, their sample and
seed. Controls and conditions of protocols have rows of their own. Of scores that methods are
compared by, the value on every bootstrap resample of the test subjects is kept, the same resamples
for every method, so that paired intervals need no recording.
"""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from medts.core.config import Config
from medts.core.files import write_whole
from medts.evaluation.result import Estimate, Estimates
from research.suites import Key

LEDGERS = Path(__file__).parent / "ledgers"
FIRST_ROUND = "first round"
"""In place of a commit: measured before results were kept here, under settings of that time."""

_SCALE = 1_000_000
"""Resamples are kept in millionths; coarser ones change third digits of p-values."""


class Run(Config):
    """What one job found."""

    label_set: str
    """Full name of what was classified."""

    method: str
    """Row of the table."""

    is_control: bool
    """Shows what is reached without what the method is credited for."""

    label_fraction: float
    """Share of the training records with labels, or their number, or examples of each class."""

    draw: int
    """Number of the random sample of those records."""

    seed: int
    """Seed of initial weights and batches."""

    rate_factor: float | None = None
    """Multiple of the learning rate that a tuning trial tried."""

    commit: str
    """Version of the code, or `FIRST_ROUND`."""

    settings: str
    """Digest of the settings that the job resolved to."""

    data: str
    """Digest of the test records."""

    n_labelled: int | None = None
    """Training records whose labels were used."""

    n_records: int
    """Test records."""

    n_subjects: int
    """Test subjects."""

    validation: float | None = None
    """Score on validation: what tuning looks at."""

    latency_ms: float | None = None
    """Median time from a recording in memory to its probabilities, one thread, ms."""

    seconds: float = 0.0
    """Time the job took."""

    spread: float = 0.0
    """Variance of the score's mean over the repetitions that a protocol made."""

    notes: str = ""
    """Remarks of the protocol: classes left out, leaks allowed."""

    metrics: Estimates
    """Measures over all classes, with intervals over test subjects."""

    controls: dict[str, Estimates] = Field(default_factory=dict)
    """Measures of trivial predictions, on the same records."""

    conditions: dict[str, Estimates] = Field(default_factory=dict)
    """What the protocol varied, by name."""

    resamples: dict[tuple[str, str], tuple[float | None, ...]] = Field(default_factory=dict)
    """By condition, empty for the run itself, and metric: values on resamples of test subjects."""

    @property
    def key(self) -> Key:
        """What tells it from the suite's other runs."""
        return Key(
            self.label_set,
            self.method,
            self.label_fraction,
            self.draw,
            self.seed,
            self.rate_factor,
        )


_OF_A_RUN: dict[str, pa.DataType] = {
    "label_set": pa.string(),
    "method": pa.string(),
    "is_control": pa.bool_(),
    "label_fraction": pa.float64(),
    "draw": pa.int32(),
    "seed": pa.int32(),
    "rate_factor": pa.float64(),
    "commit": pa.string(),
    "settings": pa.string(),
    "data": pa.string(),
    "n_labelled": pa.int32(),
    "n_records": pa.int32(),
    "n_subjects": pa.int32(),
    "validation": pa.float64(),
    "latency_ms": pa.float64(),
    "seconds": pa.float64(),
    "spread": pa.float64(),
    "notes": pa.string(),
}
_OF_A_NUMBER: dict[str, pa.DataType] = {
    "part": pa.string(),
    "name": pa.string(),
    "metric": pa.string(),
    "value": pa.float64(),
    "low": pa.float64(),
    "high": pa.float64(),
    "resamples": pa.list_(pa.int32()),
}
COLUMNS = pa.schema([("suite", pa.string()), *(_OF_A_RUN | _OF_A_NUMBER).items()])
_NUMBERS = ("value", "low", "high", "resamples.list.element")


def ledger_path(suite: str, folder: Path = LEDGERS) -> Path:
    """Returns where the ledger of a suite is."""
    return folder / f"{suite}.parquet"


def read_ledger(path: Path) -> list[Run]:
    """Reads the runs of a ledger, in the order in which they were added; none if there is none."""
    if not path.is_file():
        return []
    rows = pq.read_table(path).to_pylist()
    return [_run(list(group)) for _, group in groupby(rows, _key)]


def write_ledger(path: Path, suite: str, runs: Iterable[Run]) -> None:
    """Writes the runs of a suite, whole or not at all."""
    rows = [{"suite": suite, **row} for run in runs for row in _rows(run)]
    table = pa.Table.from_pylist(rows, schema=COLUMNS)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as target:
        pq.write_table(
            table,
            target,
            compression="zstd",
            compression_level=19,
            use_dictionary=[*_OF_A_RUN, "suite", "part", "name", "metric"],  # pyright: ignore
            column_encoding=dict.fromkeys(_NUMBERS, "BYTE_STREAM_SPLIT"),
            write_statistics=False,
            store_schema=False,
        )


def _key(row: dict[str, Any]) -> Key:
    return Key(*(row[name] for name in Key._fields))


def _rows(run: Run) -> list[dict[str, Any]]:
    fixed = run.model_dump(include=set(_OF_A_RUN))
    parts = [("", "", run.metrics)]
    parts += [("control", name, measures) for name, measures in run.controls.items()]
    parts += [("condition", name, measures) for name, measures in run.conditions.items()]
    return [
        {
            **fixed,
            "part": part,
            "name": name,
            "metric": metric,
            **measure.model_dump(),
            "resamples": None if part == "control" else _packed(run.resamples.get((name, metric))),
        }
        for part, name, measures in parts
        for metric, measure in measures.items()
    ]


def _packed(values: tuple[float | None, ...] | None) -> list[int | None] | None:
    if values is None:
        return None
    return [None if value is None else round(_SCALE * value) for value in values]


def _run(rows: list[dict[str, Any]]) -> Run:
    parts: dict[str, dict[str, Estimates]] = {"": {}, "control": {}, "condition": {}}
    resamples = {}
    for row in rows:
        measure = Estimate(value=row["value"], low=row["low"], high=row["high"])
        parts[row["part"]].setdefault(row["name"], {})[row["metric"]] = measure
        if (packed := row["resamples"]) is not None:
            values = np.array(packed, dtype=float) / _SCALE
            resamples[row["name"], row["metric"]] = tuple(
                None if np.isnan(value) else value for value in values.tolist()
            )
    return Run(
        **{name: rows[0][name] for name in _OF_A_RUN},
        metrics=parts[""].get("", {}),
        controls=parts["control"],
        conditions=parts["condition"],
        resamples=resamples,
    )
