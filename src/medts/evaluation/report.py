"""report.html: one evaluation on one page, for a reader who was not there.

Every number comes from the `Result`; the curves are drawn from the same scores. The page is a
single file without references to a network. Layout and style are `medts.evaluation.page`'s.

Axes: R records, K classes.
"""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.evaluation.curves import (
    PALETTE,
    best_epoch,
    color_of,
    learning_figure,
    precision_figure,
    reliability,
    reliability_figure,
    roc_figure,
    score_name,
)
from medts.evaluation.example_card import Example, example_card
from medts.evaluation.missing_curve import missing_figure
from medts.evaluation.page import (
    Section,
    badge,
    forest,
    forest_axis,
    is_known,
    measure_cell,
    page,
    plot,
    table,
    terms,
    text,
)
from medts.evaluation.result import Measure, Measures, Result
from medts.evaluation.wording import (
    control_definition,
    control_name,
    metric_definition,
    metric_name,
)

__all__ = ["Example", "write_report"]


def write_report(
    path: str | Path,
    result: Result,
    *,
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
    history: Sequence[dict[str, float]] = (),
    examples: Sequence[Example] = (),
    command: str = "",
) -> None:
    """Writes ``report.html``, whole or not at all.

    Args:
        path: Where to.
        result: Every number of the tables.
        target: Zeros and ones of the test records, for the curves.
        probability: What the model gave them.
        classes: Names of the columns of both.
        history: A row per epoch with any of ``epoch``, ``train_loss``, ``validation_loss`` and
            ``validation_…`` scores; the rest is left aside.
        examples: Records to draw.
        command: What to type to get this result again.

    Raises:
        MedtsError: If ``classes`` does not name the columns, or a probability is not in [0, 1].
    """
    if len(classes) != target.shape[1]:
        raise MedtsError(f"{target.shape[1]} columns but {len(classes)} names", field="classes")
    if probability.size and not (probability.min() >= 0 and probability.max() <= 1):
        raise MedtsError("not every probability is a number in [0, 1]", field="probability")
    sections = [
        Section("metrics", "Metrics", _metrics(result, _kind(result, target))),
        Section("classes", "Classes", _classes(result, target, classes)),
        Section("curves", "Ranking", _curves(result, target, probability, classes)),
        Section("calibration", "Calibration", _calibration(target, probability, classes)),
    ]
    if any(each.n_missing is not None for each in result.conditions):
        sections.append(Section("missing", "Missing modalities", _missing(result)))
    if history:
        sections.append(Section("learning", "Training", _learning(history)))
    if examples:
        cards = "".join(example_card(example) for example in examples)
        words = "<p>Examples only: they say nothing about how often the model is right.</p>"
        sections.append(Section("examples", "Example records", words + cards))
    sections.append(Section("provenance", "Provenance", _provenance(result, command)))
    html = page(
        f"{result.recipe} on {result.label_set}",
        sections,
        lead=_lead(result),
        top=_warnings(result) + _headline(result),
    )
    with write_whole(path) as whole:
        whole.write_text(html, encoding="utf-8")


def _kind(result: Result, target: Float[np.ndarray, "R K"]) -> Literal["single", "multi"]:
    """Tells by which definitions the metrics were computed; only a multi set has exact match."""
    is_single = "exact_match" not in result.metrics and bool((target.sum(axis=1) == 1).all())
    return "single" if is_single else "multi"


def _lead(result: Result) -> str:
    folds = _folds(result.splits.test)
    parts = [f"{result.n_records:,} test records of {result.n_subjects:,} subjects"]
    parts += [f"folds {folds}"] if folds else []
    parts += [f"protocol {_words(result.protocol).lower()}", f"seed {result.seed}"]
    return " · ".join(parts)


def _warnings(result: Result) -> str:
    banner = ""
    if result.synthetic:
        words = "Synthetic recordings: says nothing about patients."
        banner = f'<p class="banner" role="note">{words}</p>\n'
    return banner + "".join(f'<p class="note">{text(note)}</p>\n' for note in result.notes)


def _headline(result: Result) -> str:
    """Returns the first two metrics and the controls' first, in large type."""
    items = [(metric_name(name), result.metrics[name], "") for name in list(result.metrics)[:2]]
    first = next(iter(result.metrics), "")
    items += [
        (f"{metric_name(first)}, {control_name(control).lower()}", measures[first], "minor")
        for control, measures in list(result.controls.items())[:2]
        if first in measures
    ]
    tiles = "".join(
        f'<div><dt>{text(name)}</dt><dd class="{kind}">{measure_cell(measure)}</dd></div>'
        for name, measure, kind in items
    )
    return f'<dl class="headline">{tiles}</dl>' if tiles else ""


def _metrics(result: Result, kind: Literal["single", "multi"]) -> str:
    names = list(result.metrics)
    head = ["", *(text(metric_name(name)) for name in names)]
    rows = [_metric_row(result.recipe, result.metrics, names)]
    rows += [
        _metric_row(control_name(control), measures, names)
        for control, measures in result.controls.items()
    ]
    classes = ["is-main", *[""] * len(result.controls)]
    defined = {metric_name(name): text(metric_definition(name, kind)) for name in names}
    known = {
        control_name(control): text(control_definition(control)) for control in result.controls
    }
    explained = {term: words for term, words in {**defined, **known}.items() if words}
    excluded = ""
    if result.excluded_classes:
        excluded = (
            " Not in any average, for lack of a positive or of a negative record: "
            f"{text(', '.join(result.excluded_classes))}."
        )
    return (
        "<p>Values with their 95 % intervals on the test records; below the model, the same "
        f"numbers for scores that know nothing or less.{excluded}</p>\n"
        f"{table(head, rows, row_classes=classes)}\n{terms(explained)}"
    )


def _metric_row(name: str, measures: Measures, names: Sequence[str]) -> list[str]:
    return [text(name), *(measure_cell(measures.get(metric)) for metric in names)]


def _classes(result: Result, target: Float[np.ndarray, "R K"], classes: tuple[str, ...]) -> str:
    start = _axis_start(measures.get("auroc") for measures in result.per_class.values())
    head = ["Class", "Positives", "AUROC", forest_axis(start)]
    head += ["AUPRC", "F1", "Sensitivity", "Specificity", "Threshold"]
    rows, kinds = [], []
    for k, name in enumerate(classes):
        measures = result.per_class.get(name, {})
        flag = ""
        if name in result.excluded_classes:
            flag = badge("excluded")
        elif name in result.few_positives:
            flag = badge("few positives")
        cut = result.thresholds.get(name)
        rows.append(
            [
                text(name) + flag,
                f"{int(target[:, k].sum()):,}",
                measure_cell(measures.get("auroc")),
                forest(measures.get("auroc"), start),
                *(
                    measure_cell(measures.get(metric))
                    for metric in ("auprc", "f1", "sensitivity", "specificity")
                ),
                "–" if cut is None else f"{cut:.3f}",
            ]
        )
        kinds.append("is-out" if name in result.excluded_classes else "")
    words = "<p>The drawing shows AUROC with its interval"
    words += "; the broken line is guessing." if start < 0.5 else "."
    if result.few_positives:
        words += " Classes with fewer than ten positives are flagged: their intervals say little."
    return f"{words}</p>\n{table(head, rows, row_classes=kinds)}"


def _axis_start(measures: Iterable[Measure | None]) -> float:
    """Returns where the axis of the drawn intervals starts: at 0.5, lower where one reaches."""
    lows = [
        end
        for measure in measures
        if measure is not None
        for end in (measure.low, measure.value)
        if is_known(end)
    ]
    return max(math.floor(10 * min([0.5, *lows])) / 10, 0.0)


def _curves(
    result: Result,
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
) -> str:
    roc = roc_figure(target, probability, classes, result.thresholds)
    precision = precision_figure(target, probability, classes, result.thresholds)
    if not roc["data"]:
        return "<p>No class has both a positive and a negative record; there is no curve.</p>"
    drawn = [k for k, _ in enumerate(classes) if any(t["meta"] == k for t in roc["data"])]
    if len(classes) <= len(PALETTE):
        choices = "".join(
            f'<label style="--swatch:{color_of(k, len(classes))}"><input type="checkbox" checked '
            f'value="{k}" data-plots="roc precision"><span class="swatch"></span>'
            f"{text(classes[k])}</label>"
            for k in drawn
        )
    else:
        choices = _choice("Highlight", "all classes", drawn, classes, "roc precision", "highlight")
    dots = " A dot is the operating point." if result.thresholds else ""
    return (
        f"<p>How well probabilities rank records, whatever the threshold.{dots} Hover to read "
        f'thresholds.</p>\n<div class="controls">{choices}</div>\n<div class="figures">'
        f"{plot('roc', roc, '<b>Sensitivity against false alarms</b> (ROC)')}"
        f"{plot('precision', precision, '<b>Precision against sensitivity</b>')}</div>"
    )


def _calibration(
    target: Float[np.ndarray, "R K"],
    probability: Float[np.ndarray, "R K"],
    classes: tuple[str, ...],
) -> str:
    error = reliability(target.ravel() > 0.5, probability.ravel()).error
    choice = ""
    if len(classes) > 1:
        choice = _choice("Show", "all classes", range(len(classes)), classes, "reliability", "show")
        choice = f'<div class="controls">{choice}</div>\n'
    caption = (
        "<b>Observed frequency against predicted probability</b>, with 95 % intervals; below, how "
        "many decisions each bin holds. On the dotted line, probabilities mean what they say."
    )
    return (
        "<p>Expected calibration error over all (record, class) decisions, in ten bins of equal "
        f"width: <strong>{error:.3f}</strong>.</p>\n{choice}"
        f"{plot('reliability', reliability_figure(target, probability), caption, size='is-tall')}"
    )


def _choice(
    verb: str, everything: str, ks: Iterable[int], classes: Sequence[str], plots: str, effect: str
) -> str:
    options = "".join(f'<option value="{k}">{text(classes[k])}</option>' for k in ks)
    return (
        f'<label>{verb} <select data-plots="{plots}" data-effect="{effect}">'
        f'<option value="-1">{everything}</option>{options}</select></label>'
    )


def _learning(history: Sequence[dict[str, float]]) -> str:
    best = best_epoch(history)
    words = ""
    if best is not None:
        words = f"<p>Validation was best at epoch {best[0]} ({text(score_name(best[1]))}).</p>\n"
    caption = "<b>Losses and validation scores over the epochs</b>; the dotted line is the best."
    return words + plot("history", learning_figure(history), caption, size="is-low")


def _missing(result: Result) -> str:
    shown = [each for each in result.conditions if each.n_missing is not None]
    names = list(dict.fromkeys(name for each in shown for name in each.metrics))
    rows = [_metric_row(each.name, each.metrics, names) for each in shown]
    caption = (
        "<b>Share of the score kept against the number of missing modalities</b>, averaged over "
        "all sets of so many, with 95 % intervals over subjects; 1 loses nothing, 0 is guessing."
    )
    head = ["", *(text(metric_name(name)) for name in names)]
    return plot("missing-curve", missing_figure(shown), caption) + table(head, rows)


def _provenance(result: Result, command: str) -> str:
    facts = {
        "Recipe": text(result.recipe),
        "Label set": text(result.label_set),
        "Protocol": text(result.protocol),
        "Seed": str(result.seed),
        "Settings tried": f"{result.tuning_trials} on validation",
        "Records left out": f"{result.excluded_records:,} without a label of the set",
        "Model": f'<span class="code">{text(result.bundle_digest)}</span>',
        "Test data": f'<span class="code">{text(result.data_digest)}</span>',
        "Versions": text(", ".join(f"{name} {v}" for name, v in result.versions.items())),
        "Time": f"{result.seconds:,.1f} s",
    }
    parts = {"train": result.splits.train, "validation": result.splits.validation}
    parts["test"] = result.splits.test
    columns = list(dict.fromkeys(key for part in parts.values() for key in part))
    head = ["Split", *(text(_words(key)) for key in columns)]
    rows = [
        [_words(name), *(text(_shown(part.get(key))) for key in columns)]
        for name, part in parts.items()
    ]
    html = terms(facts)
    if columns:
        html += f"<h3>Splits</h3>\n{table(head, rows, numbers_from=len(columns) + 1)}"
    if result.thresholds:
        folds = _folds(result.splits.validation)
        chosen = f"validation folds {folds}" if folds else "the validation split"
        cuts = ", ".join(f"{text(name)} {cut:.3f}" for name, cut in result.thresholds.items())
        html += f"<h3>Thresholds</h3><p>Chosen on {text(chosen)}, never on test: {cuts}.</p>"
    if command:
        html += f"<h3>How to reproduce</h3><pre><code>{text(command)}</code></pre>"
    return html


def _folds(part: dict[str, Any]) -> str:
    return _shown(part["folds"]) if part.get("folds") else ""


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | set):
        return ", ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _words(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
