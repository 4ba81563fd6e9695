"""Result: the content of ``metrics.json``, the same for every protocol.

Every number stands with its 95 % interval, beside controls that do not use the signal, and with the
records, seeds, thresholds and versions that it came from.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float
from pydantic import ConfigDict, Field, field_serializer

from medts.core.config import Config
from medts.core.files import write_whole

if TYPE_CHECKING:
    import medts.metrics.intervals

Interval: TypeAlias = "medts.metrics.intervals.Interval"
# By name, because that module imports scipy.stats, which the command line need not wait for.


class Estimate(Config):
    """Point estimate of a metric with its 95 % confidence interval; None where undefined."""

    value: float | None
    """The value on the test records themselves."""

    low: float | None = None
    """Lower end of the interval."""

    high: float | None = None
    """Upper end of the interval."""

    @classmethod
    def of(cls, interval: Interval) -> "Estimate":
        """Returns an interval of `medts.metrics` as an estimate."""
        return cls(value=interval.value, low=interval.low, high=interval.high)

    @classmethod
    def of_samples(cls, samples: Sequence[float] | Float[np.ndarray, "N"]) -> "Estimate":
        """Returns the mean of repeated measurements with their 2.5 and 97.5 % quantiles."""
        finite = np.asarray(samples, dtype=float)
        finite = finite[np.isfinite(finite)]
        if not len(finite):
            return cls(value=None)
        low, high = np.quantile(finite, [0.025, 0.975]).tolist()
        return cls(value=float(finite.mean()), low=low, high=high)

    @field_serializer("value", "low", "high")
    def _finite_or_null(self, number: float | None) -> float | None:
        return None if number is None or not math.isfinite(number) else float(number)

    def __str__(self) -> str:
        if self.value is None or not math.isfinite(self.value):
            return "–"
        if self.low is None or self.high is None or not math.isfinite(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Estimates = dict[str, Estimate]
"""Estimates by the name of the metric."""


def estimates_of(intervals: Mapping[str, Interval]) -> Estimates:
    """Returns intervals of `medts.metrics` as estimates, by name."""
    return {name: Estimate.of(each) for name, each in intervals.items()}


def estimates_of_samples(repeats: Sequence[Mapping[str, float]]) -> Estimates:
    """Returns each metric's mean over repeated measurements, with 95 % of them."""
    return {name: Estimate.of_samples([each[name] for each in repeats]) for name in repeats[0]}


class Splits(Config):
    """Which folds and how many records a model was trained, selected and tested on."""

    train: dict[str, Any] = Field(default_factory=dict)
    """Folds, records and subjects of the training part."""

    validation: dict[str, Any] = Field(default_factory=dict)
    """Folds, records and subjects of the part that everything was chosen on."""

    test: dict[str, Any] = Field(default_factory=dict)
    """Folds, records and subjects of the part touched once."""


class Condition(Config):
    """One of several circumstances under which a protocol measured the same model.

    A subsample of training labels, an episode, a missing lead, a subgroup: whatever a protocol
    varies, it reports each and not only the mean.
    """

    name: str
    """What was varied, in words that are unique within the result, such as ``10 %, draw 2``."""

    metrics: Estimates
    """Metrics over all classes under this condition."""

    n_records: int
    """Test records that were scored."""

    n_train_records: int | None = None
    """Labelled records that a probe was trained on, where it was."""

    label_fraction: float | None = None
    """Share of the training records whose labels were used, or their number where above 1."""

    shots: int | None = None
    """Labelled examples per class."""

    draw: int | None = None
    """Number of the subsample or episode; none where the metrics are a mean over them."""

    seed: int | None = None
    """Seed of the subsample."""

    regime: str | None = None
    """What the readout was tuned on, where modalities are missing at test."""

    n_missing: int | None = None
    """Modalities missing, where the metrics are a mean over all sets of so many."""

    notes: tuple[str, ...] = ()
    """Caveats, such as classes without an example."""


class Result(Config):
    """One evaluation of one model on one test split."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = Field(default=1, serialization_alias="schema", validation_alias="schema")
    """Version of this shape; written as ``schema``."""

    metrics: Estimates
    """Metrics over all classes."""

    per_class: dict[str, Estimates]
    """Metrics of each class."""

    controls: dict[str, Estimates]
    """The same metrics for predictions that do not use the signal."""

    conditions: tuple[Condition, ...] = ()
    """Metrics under each condition; ``metrics`` is the mean over those that are subsamples."""

    n_records: int
    """Test records that count."""

    n_subjects: int
    """Persons they belong to."""

    excluded_classes: tuple[str, ...] = ()
    """Classes without a positive or without a negative in the test split; in no macro."""

    few_positives: tuple[str, ...] = ()
    """Classes with fewer than ten test positives; their intervals are wide."""

    excluded_records: int = 0
    """Records of the test folds that carry no label of the set."""

    thresholds: dict[str, float] = Field(default_factory=dict)
    """Operating point of each class, chosen on validation."""

    splits: Splits
    """Where the records came from."""

    label_set: str
    """Name of the label set."""

    protocol: str
    """Name of the protocol; see `medts.evaluation.protocols`."""

    recipe: str
    """Name of the recipe that made the model."""

    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the protocol, and under ``chosen`` what it chose with them on validation."""

    tuning_trials: int = 0
    """Settings that were tried on validation before this one was kept."""

    seed: int
    """Seed of the run."""

    data_digest: str
    """SHA-256 over the test records' ids, signals and labels."""

    bundle_digest: str
    """SHA-256 of the model's weights and configs."""

    versions: dict[str, str]
    """Versions of medts and of what the numbers depend on."""

    seconds: float
    """Time the evaluation took."""

    synthetic: bool = False
    """True where no person was recorded; such a result holds for no patient."""

    notes: tuple[str, ...] = ()
    """Caveats, such as an allowed leak."""

    def write(self, path: str | Path) -> None:
        """Writes ``metrics.json``, whole or not at all."""
        with write_whole(path) as target:
            target.write_text(self.model_dump_json(indent=1, by_alias=True), encoding="utf-8")


def read_result(path: str | Path) -> Result:
    """Reads a ``metrics.json``."""
    return Result.model_validate_json(Path(path).read_text(encoding="utf-8"))
