"""Scoring: from the probabilities of the test records to measures with intervals and controls.

Every number is made the same way here: thresholds come from validation, intervals resample
subjects, and the controls are measured on the same records. `medts.evaluation.run` makes a
`Result` of what was found.

Axes: R records, K classes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.data.splits import Part
from medts.evaluation.controls import label_shuffle, majority
from medts.evaluation.result import Condition, Measure, Measures
from medts.evaluation.task import Task
from medts.metrics.table import IntervalTable, interval_table


@dataclass(frozen=True)
class Scored:
    """Test records with the probabilities that a model gave them.

    Args:
        store: Where the records are.
        label_set: What is answered.
        test: The records and their labels.
        probability: Predicted probabilities, or numbers, in the order of ``test``.
        thresholds: One per class, chosen on validation; none for a ``single`` set.
        prevalence: Share of each class among the training records, for the majority control; of
            numbers, their mean there.
    """

    store: Recordings
    label_set: LabelSet
    test: Part
    probability: Float[np.ndarray, "R K"]
    thresholds: Float[np.ndarray, "K"] | None
    prevalence: Float[np.ndarray, "K"]

    @property
    def subjects(self) -> list[str]:
        """Subject of each record."""
        return self.store.subject_ids[self.test.rows].tolist()


@dataclass(frozen=True)
class Found:
    """What a protocol found, before the runner adds which model and records it came from.

    Args:
        test: Test records and their labels.
        label_set: What was predicted, without the classes that were left out.
        metrics: Measures over all classes.
        per_class: Measures of each class.
        controls: The same measures for scores that know nothing about the signal.
        conditions: Measures under each condition.
        excluded_classes: Classes without a positive or without a negative.
        few_positives: Classes with few positives.
        excluded_records: Records of the test folds without a label.
        thresholds: Operating point of each class.
        settings: What was chosen or made in the course of it, added to the protocol's settings.
        notes: What a reader must know.
        rows: Rows that were measured, where these are not all of ``test``.
        has_labels: Whether labels were scored, so that the digest of the data holds them.
        uses_head: Whether the model's own head predicted: then its own training parts count too.
        seed: Seed that the result bears, where it is not that of the run.
        task: The task as it was measured, where the protocol narrowed it.
        predictions: Name and number of each draw with its scores, for ``predictions.parquet``.
    """

    test: Part
    label_set: LabelSet
    metrics: Measures
    per_class: dict[str, Measures] = field(default_factory=dict)
    controls: dict[str, Measures] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    excluded_classes: tuple[str, ...] = ()
    few_positives: tuple[str, ...] = ()
    excluded_records: int = 0
    thresholds: dict[str, float] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rows: Int[np.ndarray, "n"] | None = None
    has_labels: bool = True
    uses_head: bool = True
    seed: int | None = None
    task: Task | None = None
    predictions: tuple[tuple[str, int, Scored], ...] = ()


def score(scored: Scored) -> Found:
    """Measures a model of classes and its controls on the same test records."""
    table = measure(scored, scored.probability, scored.thresholds)
    thresholds = () if scored.thresholds is None else scored.thresholds.tolist()
    return Found(
        test=scored.test,
        label_set=scored.label_set,
        metrics=measures_of(table),
        per_class=_per_class(table),
        controls=controls(scored),
        excluded_classes=tuple(table.excluded_classes),
        few_positives=tuple(table.few_positives),
        excluded_records=scored.test.n_unlabelled,
        thresholds=dict(zip(scored.label_set.classes, thresholds, strict=False)),
        predictions=(("test", 0, scored),),
    )


def measure(
    scored: Scored,
    probability: Float[np.ndarray, "R K"],
    thresholds: Float[np.ndarray, "K"] | None,
) -> IntervalTable:
    """Scores probabilities on the test records, with intervals over subjects."""
    return interval_table(
        scored.test.target,
        probability,
        thresholds,
        scored.label_set.class_kind,
        scored.subjects,
        scored.label_set.classes,
    )


def controls(scored: Scored) -> dict[str, Measures]:
    """Measures what knows nothing about the signal on the same records."""
    constant, half = majority(scored.prevalence, len(scored.test))
    is_single = scored.label_set.class_kind == "single"
    table = measure(scored, constant, None if is_single else half)
    shuffled = label_shuffle(
        scored.test.target, scored.probability, scored.thresholds, scored.label_set
    )
    return {"majority": measures_of(table), "label_shuffle": shuffled}


def measures_of(table: IntervalTable) -> Measures:
    """Returns the measures over all classes."""
    return {
        name: Measure(value=each.value, low=each.low, high=each.high)
        for name, each in table.metrics.items()
    }


def _per_class(table: IntervalTable) -> dict[str, Measures]:
    return {
        name: {
            **{
                metric: Measure(value=each.value, low=each.low, high=each.high)
                for metric, each in intervals.items()
            },
            "n_positive": Measure(value=table.n_positive[name]),
        }
        for name, intervals in table.per_class.items()
    }
