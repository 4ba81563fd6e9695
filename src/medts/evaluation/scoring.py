"""Metrics, confidence intervals and controls of predicted probabilities on test records.

Thresholds come from validation, intervals resample subjects, and controls are measured on the same
records. `medts.evaluation.run` adds the model and the records, and makes a `Result`.

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
from medts.evaluation.result import Condition, Estimate, Estimates, estimates_of
from medts.evaluation.task import Task
from medts.metrics.scores import Scorer, make_scorer
from medts.metrics.table import IntervalTable, interval_table


@dataclass(frozen=True)
class Scored:
    """Test records with their predicted probabilities.

    Args:
        store: Where the records are.
        label_set: What is predicted.
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

    def scorer(self) -> Scorer:
        """Returns what computes metrics under any weights of the records."""
        kind = self.label_set.class_kind
        return make_scorer(self.test.target, self.probability, self.thresholds, kind)

    def table(self) -> IntervalTable:
        """Computes every metric with its interval over subjects."""
        return interval_table(
            self.test.target,
            self.probability,
            self.thresholds,
            self.label_set.class_kind,
            self.subjects,
            self.label_set.classes,
        )

    def metrics(self) -> Estimates:
        """Computes the metrics over all classes, with intervals over subjects."""
        return estimates_of(self.table().metrics)


@dataclass(frozen=True)
class Found:
    """What a protocol measured, before the runner adds the model and records it came from.

    Args:
        test: Test records and their labels.
        label_set: What was predicted, without the classes that were left out.
        metrics: Metrics over all classes.
        per_class: Metrics of each class.
        controls: The same metrics for predictions that do not use the signal.
        conditions: Metrics under each condition.
        excluded_classes: Classes without a positive or without a negative.
        few_positives: Classes with few positives.
        excluded_records: Records of the test folds without a label.
        thresholds: Operating point of each class.
        settings: What was chosen or made in the course of it, added to the protocol's settings.
        notes: Caveats for the reader.
        rows: Rows that were measured, where these are not all of ``test``.
        has_labels: Whether labels were scored, so that the digest of the data holds them.
        uses_head: Whether the model's own head predicted: then its own training parts count too.
        seed: Seed that the result bears, where it is not that of the run.
        task: The task as it was measured, where the protocol narrowed it.
        predictions: Name and number of each repeat with its scores, for ``predictions.parquet``.
    """

    test: Part
    label_set: LabelSet
    metrics: Estimates
    per_class: dict[str, Estimates] = field(default_factory=dict)
    controls: dict[str, Estimates] = field(default_factory=dict)
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
    """Computes the metrics of predictions, and of controls on the same test records."""
    table = scored.table()
    thresholds = () if scored.thresholds is None else scored.thresholds.tolist()
    return Found(
        test=scored.test,
        label_set=scored.label_set,
        metrics=estimates_of(table.metrics),
        per_class={
            name: estimates_of(each) | {"n_positive": Estimate(value=table.n_positive[name])}
            for name, each in table.per_class.items()
        },
        controls=controls(scored),
        excluded_classes=tuple(table.excluded_classes),
        few_positives=tuple(table.few_positives),
        excluded_records=scored.test.n_unlabelled,
        thresholds=dict(zip(scored.label_set.classes, thresholds, strict=False)),
        predictions=(("test", 0, scored),),
    )


def controls(scored: Scored) -> dict[str, Estimates]:
    """Computes the metrics of predictions without the signal: majority and shuffled labels."""
    return {"majority": majority(scored).metrics(), "label_shuffle": label_shuffle(scored)}
