"""Scoring: from the probabilities of the test records to a `Result` with intervals and controls.

Every protocol ends here, so every number is made the same way: thresholds come from validation,
intervals resample subjects, and the controls are measured on the same records.

Axes: R records, K classes.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from medts.core.labels import LabelSet
from medts.core.versions import versions
from medts.data.splits import Part, describe
from medts.data.store import Store
from medts.evaluation.controls import label_shuffle, majority
from medts.evaluation.result import Measure, Measures, Result, Splits
from medts.metrics.table import IntervalTable, interval_table


@dataclass(frozen=True)
class Scored:
    """Test records with the probabilities that a model gave them.

    Args:
        store: Where the records are.
        label_set: What is answered.
        test: The records and their labels.
        probability: The model's answers, in the order of ``test``.
        thresholds: One per class, chosen on validation; none for a ``single`` set.
        prevalence: Share of each class among the training records, for the majority control.
    """

    store: Store
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
class Origin:
    """Which model was measured, how, and what it was trained and chosen on."""

    protocol: str
    recipe: str
    seed: int
    bundle_digest: str
    splits: dict[str, object]
    tuning_trials: int = 0
    notes: tuple[str, ...] = ()


def score(scored: Scored, origin: Origin, *, seconds: float) -> Result:
    """Measures a model and its controls on the same test records."""
    table = measure(scored, scored.probability, scored.thresholds)
    store, test, classes = scored.store, scored.test, scored.label_set.classes
    thresholds = () if scored.thresholds is None else scored.thresholds.tolist()
    return Result(
        metrics=measures_of(table),
        per_class=_per_class(table),
        controls=controls(scored),
        n_records=table.n_records,
        n_subjects=table.n_subjects,
        excluded_classes=tuple(table.excluded_classes),
        few_positives=tuple(table.few_positives),
        excluded_records=test.n_unlabelled,
        thresholds=dict(zip(classes, thresholds, strict=False)),
        splits=Splits(**{**origin.splits, "test": describe(store, test)}),
        label_set=scored.label_set.name,
        protocol=origin.protocol,
        recipe=origin.recipe,
        tuning_trials=origin.tuning_trials,
        seed=origin.seed,
        data_digest=store.digest(test.rows, scored.label_set.name),
        bundle_digest=origin.bundle_digest,
        versions=versions(),
        seconds=seconds,
        synthetic=any(
            store.corpora[name].card.synthetic for name in set(store.corpus_of_row[test.rows])
        ),
        notes=origin.notes,
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
        scored.label_set.kind,
        scored.subjects,
        scored.label_set.classes,
    )


def controls(scored: Scored) -> dict[str, Measures]:
    """Measures what knows nothing about the signal on the same records."""
    constant, half = majority(scored.prevalence, len(scored.test))
    is_single = scored.label_set.kind == "single"
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
