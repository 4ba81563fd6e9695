"""Forest plot as SVG: a named row for each estimate, a point on its interval, one axis below."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from medts.evaluation.result import Estimate
from medts.report.chart import GREY, HALO, RULE, TICK_WORDS, Axis, draw_ticks
from medts.report.svg import Sheet, element, label, shortened, straight

_NAMES, _NUMBERS, _TOP, _BELOW, _ROW = 50.0, 36.0, 2.0, 12.5, 7.0


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot.

    Args:
        name: Written at its left.
        estimate: The value with its interval; None makes the line a heading.
        color: Of point and interval.
        controls: Drawn in grey beneath it, by their names: the first filled, the others hollow.
    """

    name: str
    estimate: Estimate | None = None
    color: str = "#0072b2"
    controls: Mapping[str, Estimate] = field(default_factory=dict)


def forest_chart(
    rows: Sequence[ForestRow], across: Axis, *, mark_x: float, width: float = 150.0
) -> Sheet:
    """Draws a forest plot.

    Args:
        rows: From top to bottom.
        across: The axis of all values.
        mark_x: Where a dotted line stands upright, such as no difference.
        width: Millimetres of the whole.
    """
    bottom, reach = _TOP + _ROW * len(rows), width - _NAMES - _NUMBERS

    def place(value: float) -> float:
        return _NAMES + reach * across.at(min(max(value, across.low), across.high))

    dotted = {"class_": "floor", "stroke": GREY, "stroke_dasharray": "0.8 0.8"}
    parts = [straight(place(t), _TOP, place(t), bottom, **RULE) for t in across.ticks]
    parts.append(draw_ticks(across, _NAMES, reach, bottom))
    parts.append(straight(place(mark_x), _TOP, place(mark_x), bottom, stroke_width=0.3, **dotted))
    for index, row in enumerate(rows):
        parts.append(_row(row, _TOP + _ROW * (index + 0.5), place, width))
    return Sheet(width, bottom + _BELOW, Markup("").join(parts), f"Forest plot: {across.title}")


def _row(row: ForestRow, y: float, place: Callable[[float], float], width: float) -> Markup:
    name = shortened(row.name, 31)
    if row.estimate is None:
        return label(name, 0.0, y, size=3.0, font_weight="600")
    words = str(row.estimate).replace("-", "−")
    parts = [
        element("title", row.name),
        label(name, 2.0, y, size=2.9),
        label(words, width, y, size=2.5, text_anchor="end", **TICK_WORDS),
    ]
    for index, (control, estimate) in enumerate(row.controls.items()):
        dot = {"r": 0.75, "fill": "none" if index else GREY, "stroke": GREY, "stroke_width": 0.3}
        drawn = _point(estimate, y + 1.6 + 1.1 * index, place, GREY, 0.3, **dot)
        parts.append(element("g", element("title", f"{control}: {estimate}") + drawn))
    parts.append(_point(row.estimate, y, place, row.color, 0.6, r=1.3, fill=row.color, **HALO))
    return element("g", Markup("").join(parts), class_="series", data_name=row.name)


def _point(
    estimate: Estimate,
    y: float,
    place: Callable[[float], float],
    color: str,
    thick: float,
    **dot: str | float,
) -> Markup:
    """Draws the interval of an estimate and its value, as far as they are defined."""
    value, low, high = estimate.value, estimate.low, estimate.high
    drawn = Markup("")
    if low is not None and high is not None and math.isfinite(low + high):
        drawn += straight(place(low), y, place(high), y, stroke=color, stroke_width=thick)
    if value is not None and math.isfinite(value):
        drawn += element("circle", cx=place(value), cy=y, **dot)
    return drawn
