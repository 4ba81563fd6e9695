"""Forest plot as SVG: a named row for each value, a point on its interval, one axis below."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from medts.evaluation.result import Estimate
from medts.report.chart import GREY, Axis
from medts.report.svg import Sheet, element, label, line

_NAMES, _NUMBERS, _TOP, _BELOW, _ROW = 50.0, 36.0, 2.0, 12.5, 7.0


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot.

    Args:
        name: Written at its left.
        measure: The value with its interval; None makes the line a heading.
        color: Of point and interval.
        controls: Drawn in grey beneath it, by their names: the first filled, the others hollow.
    """

    name: str
    measure: Estimate | None = None
    color: str = "#0072b2"
    controls: Mapping[str, Estimate] = field(default_factory=dict)


def forest_chart(
    rows: Sequence[ForestRow], across: Axis, *, mark_x: float | None = None, width: float = 150.0
) -> Sheet:
    """Draws a forest plot.

    Args:
        rows: From top to bottom.
        across: The axis of all values.
        mark_x: Where a dotted line stands upright, such as no difference, if anywhere.
        width: Millimetres of the whole.
    """
    bottom = _TOP + _ROW * len(rows)
    reach = width - _NAMES - _NUMBERS

    def place(value: float) -> float:
        return _NAMES + reach * float(across.share(np.array([value]))[0])

    def upright(value: float, **style: str | float) -> Markup:
        x = place(value)
        return line(np.array([x, x]), np.array([_TOP, bottom]), **style)

    grid = {"class_": "rule", "stroke": "#e2e5e8", "stroke_width": 0.2}
    words = {"fill": "#5d6771", "class_": "grey"}
    parts = [upright(tick, **grid) for tick in across.ticks]
    parts += [
        label(f"{tick:g}", place(tick), bottom + 3.4, size=2.7, text_anchor="middle", **words)
        for tick in across.ticks
    ]
    if mark_x is not None:
        dotted = {"class_": "floor", "stroke": GREY, "stroke_dasharray": "0.8 0.8"}
        parts.append(upright(mark_x, stroke_width=0.3, **dotted))
    middle = _NAMES + reach / 2
    parts.append(label(across.title, middle, bottom + 8.6, size=2.9, text_anchor="middle"))
    for index, row in enumerate(rows):
        y = _TOP + _ROW * (index + 0.5)
        parts.append(_row(row, y, place, (across.low, across.high), width))
    return Sheet(width, bottom + _BELOW, Markup("").join(parts), f"Forest plot: {across.title}")


def _row(
    row: ForestRow,
    y: float,
    place: Callable[[float], float],
    ends: tuple[float, float],
    width: float,
) -> Markup:
    name = row.name if len(row.name) <= 31 else f"{row.name[:30]}…"
    if row.measure is None:
        return label(name, 0.0, y, size=3.0, font_weight="600")
    grey = {"fill": "#5d6771", "class_": "grey"}
    parts = [
        element("title", row.name),
        label(name, 2.0, y, size=2.9),
        label(str(row.measure).replace("-", "−"), width, y, size=2.5, text_anchor="end", **grey),
    ]
    for index, (control, measure) in enumerate(row.controls.items()):
        beneath = y + 1.6 + 1.1 * index
        fill = GREY if index == 0 else "none"
        drawn = _interval(measure, beneath, place, ends, thick=0.3)
        dot = _dot(measure, beneath, place, ends, r=0.75, fill=fill, stroke=GREY, stroke_width=0.3)
        parts.append(element("g", element("title", f"{control}: {measure}") + drawn + dot))
    halo = {"class_": "dot", "stroke": "#ffffff", "stroke_width": 0.3}
    parts.append(_interval(row.measure, y, place, ends, thick=0.6, color=row.color))
    parts.append(_dot(row.measure, y, place, ends, r=1.3, fill=row.color, **halo))
    return element("g", Markup("").join(parts), class_="series", data_name=row.name)


def _interval(
    measure: Estimate,
    y: float,
    place: Callable[[float], float],
    ends: tuple[float, float],
    *,
    thick: float,
    color: str = GREY,
) -> Markup:
    low, high = measure.low, measure.high
    if low is None or high is None or not math.isfinite(low + high):
        return Markup("")
    x = [place(min(max(end, ends[0]), ends[1])) for end in (low, high)]
    return line(np.array(x), np.array([y, y]), stroke=color, stroke_width=thick)


def _dot(
    measure: Estimate,
    y: float,
    place: Callable[[float], float],
    ends: tuple[float, float],
    **style: str | float,
) -> Markup:
    if measure.value is None or not math.isfinite(measure.value):
        return Markup("")
    x = place(min(max(measure.value, ends[0]), ends[1]))
    return element("circle", cx=x, cy=y, **style)
