"""Result: what an evaluation found, in the one shape that every ``metrics.json`` has.

Every number stands with its 95 % interval, beside controls that know nothing. Whoever reads a
result can tell which records, seeds, thresholds and versions it came from.
"""

import math
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_serializer

from medts.core.config import Config
from medts.core.files import write_whole


class Measure(Config):
    """A value with its 95 % interval; None where it is not defined."""

    value: float | None
    """The value on the test records themselves."""

    low: float | None = None
    """Lower end of the interval."""

    high: float | None = None
    """Upper end of the interval."""

    @field_serializer("value", "low", "high")
    def _finite_or_null(self, number: float | None) -> float | None:
        return None if number is None or not math.isfinite(number) else float(number)

    def __str__(self) -> str:
        if self.value is None or not math.isfinite(self.value):
            return "–"
        if self.low is None or self.high is None or not math.isfinite(self.low):
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Measures = dict[str, Measure]


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

    A draw of training labels, an episode, a missing lead, a subgroup: whatever a protocol varies,
    it reports each and not only the mean.
    """

    name: str
    """What was varied, in words that are unique within the result, such as ``10 %, draw 2``."""

    metrics: Measures
    """Measures over all classes under this condition."""

    n_records: int
    """Test records that were scored."""

    n_train_records: int | None = None
    """Labelled records that a probe was trained on, where it was."""

    label_fraction: float | None = None
    """Share of the training records whose labels were used, or their number where above 1."""

    shots: int | None = None
    """Labelled examples per class."""

    draw: int | None = None
    """Which draw or episode; none where the measures are a mean over draws."""

    seed: int | None = None
    """Seed of the draw."""

    regime: str | None = None
    """What the readout was tuned on, where modalities are missing at test."""

    n_missing: int | None = None
    """Modalities missing, where the measures are a mean over all sets of so many."""

    notes: tuple[str, ...] = ()
    """What a reader must know, such as classes without an example."""


class Result(Config):
    """One evaluation of one model on one test split."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = Field(default=1, serialization_alias="schema", validation_alias="schema")
    """Version of this shape; written as ``schema``."""

    metrics: Measures
    """Measures over all classes."""

    per_class: dict[str, Measures]
    """Measures of each class."""

    controls: dict[str, Measures]
    """The same measures for scores that know nothing about the signal."""

    conditions: tuple[Condition, ...] = ()
    """Measures under each condition; where there are draws, ``metrics`` is their mean."""

    n_records: int
    """Test records that count."""

    n_subjects: int
    """Persons they belong to."""

    excluded_classes: tuple[str, ...] = ()
    """Classes without a positive or without a negative in the test split; in no macro."""

    few_positives: tuple[str, ...] = ()
    """Classes with fewer than ten test positives; their intervals say little."""

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
    """True where no person was recorded; such a result says nothing about patients."""

    notes: tuple[str, ...] = ()
    """What a reader must know besides, such as an allowed leak."""

    def write(self, path: str | Path) -> None:
        """Writes ``metrics.json``, whole or not at all."""
        with write_whole(path) as target:
            target.write_text(self.model_dump_json(indent=1, by_alias=True))


def read_result(path: str | Path) -> Result:
    """Reads a ``metrics.json``."""
    return Result.model_validate_json(Path(path).read_text(encoding="utf-8"))
