"""report.html: one evaluation on one page, for a reader who was not there.

Here is chosen what the page shows; how it looks is in the template ``evaluation.html.j2``.

Axes: R records, K classes.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.core.records import Record
from medts.evaluation.curves import best_epoch
from medts.evaluation.details import Details, Example
from medts.evaluation.result import Estimates, Result
from medts.report.figures import (
    N_BINS,
    PALETTE,
    color_of,
    curve_classes,
    learning_figures,
    missing_figure,
    precision_figure,
    reliability_figure,
    roc_figure,
    score_name,
)
from medts.report.page import is_known, render
from medts.report.paper import draw_record
from medts.report.svg import Sheet
from medts.report.wording import metric_definition, metric_name

_N_BARS = 8


@dataclass(frozen=True)
class ClassRow:
    """A row of the table of classes; flag: ``excluded``, ``few positives`` or nothing."""

    name: str
    n_positive: int
    measures: Estimates
    threshold: float | None
    flag: str


@dataclass(frozen=True)
class Bar:
    """A predicted probability of an example, beside whether the class is stated and labelled."""

    name: str
    probability: float
    threshold: float | None
    is_stated: bool
    is_labelled: bool

    @property
    def verdict(self) -> str:
        """Confusion of this decision in words, since colour alone is not seen by everyone."""
        if self.is_stated:
            return "found" if self.is_labelled else "false alarm"
        return "missed" if self.is_labelled else ""


@dataclass(frozen=True)
class Card:
    """An example record: its drawing, age and sex where known, and its bars.

    Shown are the likeliest classes, and all that are labelled or stated; the rest is folded away.
    """

    record: Record
    drawing: Sheet
    person: list[str]
    labels: tuple[str, ...]
    shown: list[Bar]
    rest: list[Bar]


def evaluation_page(result: Result, details: Details, *, command: str = "") -> str:
    """Returns ``report.html``.

    Args:
        result: Every number of the tables.
        details: Scores of the test records, history of training, records to draw.
        command: What to type to get this result again.

    Raises:
        MedtsError: If the names do not fit the columns, or a probability is not in [0, 1].
    """
    # Not at the top: scipy takes as long to import as everything else together.
    from medts.metrics.calibration import reliability

    target, probability, classes = details.target, details.probability, details.classes
    if len(classes) != target.shape[1]:
        raise MedtsError(f"{target.shape[1]} columns but {len(classes)} names", field="classes")
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1):
        raise MedtsError("not every probability is a number in [0, 1]", field="probability")
    missing = [each for each in result.conditions if each.n_missing is not None]
    return render(
        "evaluation",
        **shared_parts(result, details, command),
        definitions=_definitions(result, target),
        rows=_class_rows(result, target, classes),
        axis_start=axis_start(result.per_class),
        classes=classes,
        roc=roc_figure(target, probability, classes, result.thresholds),
        precision=precision_figure(target, probability, classes, result.thresholds),
        drawn=curve_classes(target),
        colors=[color_of(k, len(classes)) for k in range(len(classes))],
        is_few=len(classes) <= len(PALETTE),
        reliability=reliability_figure(target, probability),
        calibration_error=reliability(target.ravel() > 0.5, probability.ravel(), N_BINS).error,
        missing=missing,
        missing_figure=missing_figure(missing) if missing else None,
        missing_names=list(dict.fromkeys(name for each in missing for name in each.metrics)),
        cards=[card_of(example) for example in details.examples],
    )


def shared_parts(result: Result, details: Details, command: str) -> dict[str, Any]:
    """Returns what pages of classes and of numbers share: title, splits, learning curves."""
    best = best_epoch(details.history)
    parts = {name: getattr(result.splits, name) for name in ("train", "validation", "test")}
    columns = list(dict.fromkeys(key for part in parts.values() for key in part))
    return {
        "result": result,
        "command": command,
        "title": f"{result.recipe} on {result.label_set}",
        "folds": {
            name: _shown(part["folds"]) if part.get("folds") else "" for name, part in parts.items()
        },
        "splits": {
            name: {column: _shown(part.get(column)) for column in columns}
            for name, part in parts.items()
        },
        "learning": learning_figures(details.history),
        "best": None if best is None else (best[0], score_name(best[1])),
    }


def axis_start(per_class: dict[str, Estimates]) -> float:
    """Returns where the axis of drawn AUROCs starts: at 0.5, lower where an interval reaches."""
    drawn = [each["auroc"] for each in per_class.values() if "auroc" in each]
    lows = [end for each in drawn for end in (each.low, each.value) if is_known(end)]
    return max(math.floor(10 * min([0.5, *lows])) / 10, 0.0)


def card_of(example: Example) -> Card:
    """Draws an example record and ranks its classes."""
    bars = [
        Bar(
            name=name,
            probability=probability,
            threshold=example.thresholds.get(name),
            is_stated=example.is_stated(name),
            is_labelled=name in example.labels,
        )
        for name, probability in sorted(example.probability.items(), key=lambda each: -each[1])
    ]
    facts = {name: example.record.facts.get(name) for name in ("age", "sex")}
    return Card(
        record=example.record,
        drawing=draw_record(example.record),
        person=[
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in facts.items()
            if value is not None
        ],
        labels=example.labels,
        shown=[bar for i, bar in enumerate(bars) if i < _N_BARS or bar.verdict],
        rest=[bar for bar in bars[_N_BARS:] if not bar.verdict],
    )


def _definitions(result: Result, target: Float[np.ndarray, "R K"]) -> dict[str, str]:
    """Returns what each metric means; only a ``multi`` set has an exact match."""
    is_single = "exact_match" not in result.metrics and bool((target.sum(axis=1) == 1).all())
    kind: Literal["single", "multi"] = "single" if is_single else "multi"
    found = {metric_name(name): metric_definition(name, kind) for name in result.metrics}
    return {name: words for name, words in found.items() if words}


def _class_rows(
    result: Result, target: Float[np.ndarray, "R K"], classes: tuple[str, ...]
) -> list[ClassRow]:
    flags = dict.fromkeys(result.few_positives, "few positives")
    flags |= dict.fromkeys(result.excluded_classes, "excluded")
    return [
        ClassRow(
            name=name,
            n_positive=int(target[:, k].sum()),
            measures=result.per_class.get(name, {}),
            threshold=result.thresholds.get(name),
            flag=flags.get(name, ""),
        )
        for k, name in enumerate(classes)
    ]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | set):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)
