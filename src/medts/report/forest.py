"""Forest plot as SVG: a named row for each value, a point on its interval, one axis below."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from medts.evaluation.result import Measure
from medts.report.chart import GREY, Axis
from medts.report.svg import Sheet, element, label, line

_NAMES, _NUMBERS, _TOP, _BELOW, _ROW = 50.0, 36.0, 2.0, 12.5, 6.4


@dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot.

    Args:
        name: Written at its left.
        measure: The value with its interval; None makes the line a heading.
        color: Of point and interval.
        is_minor: Whether it stands behind the others, as a control does.
    """

    name: str
    measure: Measure | None = None
    color: str = "#0072b2"
    is_minor: bool = False


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
    name = row.name if len(row.name) <= 34 else f"{row.name[:33]}…"
    if row.measure is None:
        return label(name, 0.0, y, size=3.0, font_weight="600")
    grey = {"fill": "#5d6771", "class_": "grey"}
    parts = [
        element("title", f"{row.name}: {row.measure}"),
        label(
            name, 2.0, y, size=2.9 if not row.is_minor else 2.6, **(grey if row.is_minor else {})
        ),
        label(_numbers(row.measure), width, y, size=2.5, text_anchor="end", **grey),
    ]
    value, low, high = row.measure.value, row.measure.low, row.measure.high
    if value is None or not math.isfinite(value):
        return element("g", Markup("").join(parts))
    if low is not None and high is not None and math.isfinite(low + high):
        span = [place(min(max(end, ends[0]), ends[1])) for end in (low, high)]
        thick = 0.35 if row.is_minor else 0.6
        parts.append(line(np.array(span), np.array([y, y]), stroke=row.color, stroke_width=thick))
    halo = {"class_": "dot", "stroke": "#ffffff", "stroke_width": 0.3}
    size = 0.9 if row.is_minor else 1.3
    at = place(min(max(value, ends[0]), ends[1]))
    parts.append(element("circle", cx=at, cy=y, r=size, fill=row.color, **halo))
    return element("g", Markup("").join(parts), class_="series", data_name=row.name)


def _numbers(measure: Measure) -> str:
    return str(measure).replace("-", "−")
