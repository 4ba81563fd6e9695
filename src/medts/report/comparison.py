"""compare.html: recipes side by side, with paired differences and controls."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from medts.evaluation.comparison import PRIMARY, Comparison, Row, fraction_name
from medts.evaluation.result import Estimate
from medts.report.chart import Axis, Series, bounds, chart, ends_of, fitting_axis
from medts.report.figures import PALETTE
from medts.report.forest import ForestRow, forest_chart
from medts.report.page import render
from medts.report.svg import Sheet
from medts.report.wording import control_name, metric_definition, metric_name

_FIGURE_CONTROLS = ("random_encoder", "shuffled_training")
"""Controls that are drawn; the majority's ranking is a coin's and stands in the table."""


def comparison_page(comparison: Comparison, *, command: str = "") -> str:
    """Returns ``compare.html``.

    Args:
        comparison: Every number.
        command: What to type to get this comparison again.
    """
    metrics = list(dict.fromkeys(name for row in comparison.rows for name in row.metrics))
    kind = "multi" if "exact_match" in metrics else "single"
    definitions = {metric_name(name): metric_definition(name, kind) for name in metrics}
    controls = dict.fromkeys(name for row in comparison.rows for name in row.controls)
    return render(
        "compare",
        comparison=comparison,
        command=command,
        title=f"{len(comparison.recipes)} recipes on {comparison.label_set}",
        primary=PRIMARY,
        metrics=metrics,
        definitions={name: words for name, words in definitions.items() if words},
        controls=list(controls),
        by_fraction={
            each: [row for row in comparison.rows if row.label_fraction == each]
            for each in comparison.label_fractions
        },
        fraction_name=fraction_name,
        scores=score_figure(comparison),
        differences=difference_figure(comparison),
        learning=learning_figure(comparison),
    )


def recipe_color(comparison: Comparison, recipe: str) -> str:
    """Returns the colour of a recipe, the same in all figures."""
    return PALETTE[comparison.recipes.index(recipe) % len(PALETTE)]


def score_figure(comparison: Comparison) -> Sheet | None:
    """Draws the primary measure of each recipe with its controls beneath; None without rows."""
    lines: list[ForestRow] = []
    for fraction, rows in _by_fraction(comparison):
        if len(comparison.label_fractions) > 1:
            lines.append(ForestRow(fraction_name(fraction)))
        for row in rows:
            controls = {
                control_name(name).lower(): row.controls[name][PRIMARY]
                for name in _FIGURE_CONTROLS
                if PRIMARY in row.controls.get(name, {})
            }
            color = recipe_color(comparison, row.recipe)
            lines.append(ForestRow(row.recipe, row.metrics.get(PRIMARY), color, controls))
    if not any(each.estimate for each in lines):
        return None
    axis = _axis(
        metric_name(PRIMARY),
        (one for each in lines for one in (each.estimate, *each.controls.values())),
        0.5,
    )
    return forest_chart(lines, axis, mark_x=0.5)


def difference_figure(comparison: Comparison) -> Sheet | None:
    """Draws paired differences to the reference; None where there are none."""
    lines: list[ForestRow] = []
    for fraction in comparison.label_fractions:
        own = [
            each
            for each in comparison.differences
            if each.label_fraction == fraction and each.metric == PRIMARY
        ]
        if own and len(comparison.label_fractions) > 1:
            lines.append(ForestRow(fraction_name(fraction)))
        lines += [
            ForestRow(each.recipe, each.measure, recipe_color(comparison, each.recipe))
            for each in own
        ]
    if not any(each.estimate for each in lines):
        return None
    title = f"{metric_name(PRIMARY)} minus that of {comparison.recipes[0]}"
    return forest_chart(lines, _axis(title, (each.estimate for each in lines), 0.0), mark_x=0.0)


def learning_figure(comparison: Comparison) -> Sheet | None:
    """Draws the primary measure against the number of labelled records; None for one number."""
    sizes = sorted({row.n_train_records for row in comparison.rows})
    if len(sizes) < 2:
        return None
    step = (sizes[-1] / sizes[0]) ** 0.012
    drawn: list[Series] = []
    for index, recipe in enumerate(comparison.recipes):
        rows = [row for row in comparison.rows if row.recipe == recipe]
        rows.sort(key=lambda row: row.n_train_records)
        if not rows:
            continue
        color = recipe_color(comparison, recipe)
        apart = step ** (index - (len(comparison.recipes) - 1) / 2)  # intervals side by side
        untrained = [row.controls.get("random_encoder", {}).get(PRIMARY) for row in rows]
        if all(each is not None for each in untrained):
            # Of the same name and behind, so that the legend holds each recipe once.
            faint = _series(recipe, rows, untrained, color, apart, ", untrained encoder")
            drawn.append(replace(faint, is_dashed=True, is_faint=True, low=None, high=None))
        measures = [row.metrics[PRIMARY] for row in rows]
        drawn.append(_series(recipe, rows, measures, color, apart))
    across = fitting_axis("Labelled training records", [float(n) for n in sizes], is_log=True)
    across = replace(across, ticks=tuple(float(n) for n in sizes))
    upward = fitting_axis(metric_name(PRIMARY), ends_of(drawn))
    return chart(drawn, across, upward, width=150.0, height=86.0, has_legend=True)


def _series(
    name: str,
    rows: Sequence[Row],
    estimates: Sequence[Estimate | None],
    color: str,
    apart: float,
    kind: str = "",
) -> Series:
    words = tuple(
        f"{name}{kind}, {row.n_train_records:,} records: {each}"
        for row, each in zip(rows, estimates, strict=True)
    )
    x = np.array([apart * row.n_train_records for row in rows])
    style = {"color": color, "is_dotted": True, "words": words}
    return Series(name=name, x=x, **bounds(estimates), **style)


def _by_fraction(comparison: Comparison) -> Iterable[tuple[float, list[Row]]]:
    for fraction in comparison.label_fractions:
        rows = [row for row in comparison.rows if row.label_fraction == fraction]
        if rows:
            yield fraction, rows


def _axis(title: str, estimates: Iterable[Estimate | None], marked: float) -> Axis:
    values = [part for part in bounds(list(estimates)).values() if len(part)]
    return fitting_axis(title, [marked, *(end for part in values for end in part.tolist())])
