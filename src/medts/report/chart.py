"""Charts as SVG: lines, steps, dots and bars on two axes, readable in print.

A point carries its words as a tooltip, and each series the number of its group, by which the
page's script shows and hides classes. What is drawn is chosen in `medts.report.figures`.

Axes: n points of a series.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.evaluation.result import Estimate
from medts.report.svg import Sheet, element, label, line, number, shortened, straight

GREY = "#8d969e"
RULE = {"class_": "rule", "stroke": "#e2e5e8", "stroke_width": 0.2}
TICK_WORDS = {"fill": "#5d6771", "class_": "grey"}
HALO = {"class_": "dot", "stroke": "#ffffff", "stroke_width": 0.3}

_LEFT, _RIGHT, _TOP = 14.0, 4.0, 5.0
_DASHES = {"stroke_dasharray": "1 1"}


@dataclass(frozen=True)
class Axis:
    """One direction of a chart.

    Args:
        title: Words along it.
        low: Value where it begins.
        high: Value where it ends.
        ticks: Values that are written.
        is_log: True spaces powers of ten alike.
    """

    title: str
    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def share(self, value: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
        """Returns where values lie between the two ends, as shares of the axis."""
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = np.log10(value), math.log10(low), math.log10(high)
        return (value - low) / (high - low)

    def at(self, value: float) -> float:
        """Returns where one value lies, as a share of the axis."""
        return float(self.share(np.array([value]))[0])


@dataclass(frozen=True)
class Series:
    """Points of one colour.

    Args:
        name: For the legend and the tooltips.
        x: Across; not a number interrupts a line.
        y: Upward.
        color: Of line and dots.
        kind: How points are joined; a bar stands on the axis.
        is_dashed: Whether the line is broken.
        is_dotted: Whether the points are marked.
        low: Lower ends of intervals, if any.
        high: Upper ends.
        words: A tooltip for each point, if any.
        group: Number by which a reader shows or hides it; -1 belongs to all.
        is_shown: Whether it is visible at first.
        is_faint: Whether it stays behind the others, where there are too many to tell apart.
        tags: Words that are written beside each point, if any.
    """

    name: str
    x: Float[np.ndarray, "n"]
    y: Float[np.ndarray, "n"]
    color: str = "#0072b2"
    kind: Literal["line", "steps", "bars", "points"] = "line"
    is_dashed: bool = False
    is_dotted: bool = False
    low: Float[np.ndarray, "n"] | None = None
    high: Float[np.ndarray, "n"] | None = None
    words: tuple[str, ...] = ()
    group: int | None = None
    is_shown: bool = True
    is_faint: bool = False
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frame:
    """The rectangle between the axes, in millimetres from the upper left corner."""

    left: float
    top: float
    width: float
    height: float
    across: Axis
    upward: Axis

    def place(
        self, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
    ) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
        """Returns where points lie on the sheet."""
        right = self.left + self.width * self.across.share(x)
        return right, self.top + self.height * (1.0 - self.upward.share(y))


def chart(
    series: Sequence[Series],
    across: Axis,
    upward: Axis,
    *,
    width: float = 108.0,
    height: float = 84.0,
    has_legend: bool = False,
    has_diagonal: bool = False,
    mark_x: float | None = None,
) -> Sheet:
    """Draws series on two axes.

    Args:
        series: From back to front.
        across: The horizontal axis.
        upward: The vertical axis.
        width: Millimetres of the whole.
        height: Millimetres of the whole.
        has_legend: Whether names stand above the axes.
        has_diagonal: Whether a dotted line joins the corners.
        mark_x: Where a dotted line stands upright, if anywhere.
    """
    above, legend = _legend(series, width) if has_legend else (0.0, Markup(""))
    top, below = _TOP + above, 12.5 if across.title else 6.0
    frame = Frame(_LEFT, top, width - _LEFT - _RIGHT, height - _TOP - below, across, upward)
    parts = [legend, _axes(frame)]
    if has_diagonal:
        parts.append(_dotted(frame, [across.low, across.high]))
    if mark_x is not None:
        parts.append(_dotted(frame, [mark_x, mark_x]))
    parts += [_draw_series(each, frame) for each in series]
    words = f"{upward.title} against {across.title}"
    return Sheet(width, height + above, Markup("").join(parts), words)


def stack(upper: Sheet, lower: Sheet) -> Sheet:
    """Puts one chart under the other."""
    moved = element("g", lower.content, transform=f"translate(0 {number(upper.height)})")
    height = upper.height + lower.height
    return Sheet(max(upper.width, lower.width), height, upper.content + moved, upper.description)


def unit_axis(title: str) -> Axis:
    """Returns an axis of shares, from 0 to 1."""
    return Axis(title, 0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


def fitting_axis(title: str, values: Sequence[float], *, is_log: bool = False) -> Axis:
    """Returns an axis with round ticks around values; those that are not finite are left out."""
    kept = [value for value in values if math.isfinite(value) and (value > 0 or not is_log)]
    low, high = (min(kept), max(kept)) if kept else (0.0, 1.0)
    if is_log:
        low, high = 0.8 * (low or 1.0), 1.25 * (high or 1.0)
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in ((1,), (1, 3), (1, 2, 5)):
            ticks = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
            if len(ticks) >= 3:
                break
        return Axis(title, low, high, tuple(ticks), is_log=True)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(i * step, 12) for i in range(first, last + 1)]
    return Axis(title, ticks[0], ticks[-1], tuple(ticks))


def ends_of(series: Sequence[Series]) -> list[float]:
    """Returns every value of some series and of their intervals, for an axis that holds them."""
    parts = [part for one in series for part in (one.y, one.low, one.high) if part is not None]
    return [value for part in parts for value in part.tolist()]


def bounds(estimates: Sequence[Estimate | None]) -> dict[str, Float[np.ndarray, "n"]]:
    """Returns values and bounds of estimates as ``y``, ``low`` and ``high`` of a series."""
    names = {"y": "value", "low": "low", "high": "high"}
    found = {
        field: [getattr(each, name, None) for each in estimates] for field, name in names.items()
    }
    return {
        field: np.array([math.nan if x is None else x for x in values], dtype=np.float64)
        for field, values in found.items()
    }


def draw_ticks(axis: Axis, left: float, width: float, bottom: float) -> Markup:
    """Writes numbers and title under a horizontal axis."""
    style = {"size": 2.7, "text_anchor": "middle", **TICK_WORDS}
    parts = [
        label(f"{tick:g}", left + width * axis.at(tick), bottom + 3.4, **style)
        for tick in axis.ticks
    ]
    if axis.title:
        middle = left + width / 2
        parts.append(label(axis.title, middle, bottom + 8.6, size=2.9, text_anchor="middle"))
    return Markup("").join(parts)


def _axes(frame: Frame) -> Markup:
    """Draws grid lines, numbers and titles."""
    parts = []
    left, bottom, right = frame.left, frame.top + frame.height, frame.left + frame.width
    numbers = {"size": 2.7, "text_anchor": "end", **TICK_WORDS}
    for tick in frame.upward.ticks:
        y = frame.top + frame.height * (1 - frame.upward.at(tick))
        parts.append(straight(left, y, right, y, **RULE))
        parts.append(label(f"{tick:g}", left - 1.5, y, **numbers))
    for tick in frame.across.ticks:
        x = left + frame.width * frame.across.at(tick)
        parts.append(straight(x, bottom, x, bottom + 1.0, **(RULE | {"stroke": GREY})))
    parts.append(draw_ticks(frame.across, left, frame.width, bottom))
    parts.append(
        straight(left, bottom, right, bottom, class_="floor", stroke=GREY, stroke_width=0.25)
    )
    y = frame.top + frame.height / 2
    turned = {"size": 2.9, "text_anchor": "middle", "transform": f"rotate(-90 3.2 {number(y)})"}
    parts.append(label(frame.upward.title, 3.2, y, **turned))
    return Markup("").join(parts)


def _draw_series(series: Series, frame: Frame) -> Markup:
    x, y = frame.place(series.x, series.y)
    parts = [element("title", series.name)]
    if series.low is not None and series.high is not None:
        (_, low), (_, high) = (frame.place(series.x, end) for end in (series.low, series.high))
        gap = np.full_like(x, np.nan)
        across, down = np.stack([x, x, gap], axis=1), np.stack([low, high, gap], axis=1)
        parts.append(line(across.ravel(), down.ravel(), stroke=series.color, stroke_width=0.35))
    if series.kind == "bars":
        parts.append(_bars(series, frame, x, y))
    elif series.kind != "points":
        x_line, y_line = (
            (np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]) if series.kind == "steps" else (x, y)
        )
        width = {"stroke_width": 0.3 if series.is_faint else 0.5}
        dashes = _DASHES if series.is_dashed else {}
        parts.append(line(x_line, y_line, stroke=series.color, **width, **dashes))
    parts += _points(series, x, y)
    style: dict[str, str | float] = {"class_": "series", "data_name": series.name}
    if series.group is not None:
        style["data_group"] = series.group
    if series.is_faint:
        style["opacity"] = 0.5
    if not series.is_shown:
        style["display"] = "none"
    return element("g", Markup("").join(parts), **style)


def _points(series: Series, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> list[Markup]:
    """Draws marks; points with words but no mark are unseen circles that show a tooltip."""
    if series.kind == "bars" or not (series.is_dotted or series.words or series.tags):
        return []
    parts = []
    mark = {"r": 1.1, "fill": series.color, **HALO}
    unseen = {"r": 1.6, "fill_opacity": 0}
    for i, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if not (math.isfinite(across) and math.isfinite(down)):
            continue
        hint = element("title", series.words[i]) if series.words else ""
        style = mark if series.is_dotted else unseen
        parts.append(element("circle", hint, cx=across, cy=down, **style))
        if series.tags:
            parts.append(label(series.tags[i], across, down - 2.6, size=2.7, text_anchor="middle"))
    return parts


def _bars(
    series: Series, frame: Frame, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
) -> Markup:
    bottom, wide = frame.top + frame.height, 0.085 * frame.width
    words = {"size": 2.4, "text_anchor": "middle", **TICK_WORDS}
    parts = []
    for i, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        box = {"x": across - wide / 2, "y": down, "width": wide, "height": bottom - down}
        parts.append(element("rect", **box, class_="bar", fill=series.color))
        if series.tags:
            parts.append(label(series.tags[i], across, down - 1.8, **words))
    return Markup("").join(parts)


def _dotted(frame: Frame, x: list[float]) -> Markup:
    """Draws a dotted line from the bottom of a frame to its top."""
    across, down = frame.place(np.array(x), np.array([frame.upward.low, frame.upward.high]))
    style = {"class_": "floor", "stroke": GREY, "stroke_width": 0.25, "stroke_dasharray": "0.8 0.8"}
    return line(across, down, **style)


def _legend(series: Sequence[Series], width: float) -> tuple[float, Markup]:
    """Writes names above the axes, in as many lines as they take; returns the height of these."""
    x, y, parts = _LEFT, 3.0, []
    for each in {one.name: one for one in series}.values():
        words = shortened(each.name, 48)
        length = 9.0 + 1.5 * len(words)
        if x > _LEFT and x + length > width - _RIGHT:
            x, y = _LEFT, y + 4.6
        dashes = _DASHES if each.is_dashed else {}
        parts.append(straight(x, y, x + 5.0, y, stroke=each.color, stroke_width=0.7, **dashes))
        parts.append(label(words, x + 6.2, y, size=2.8))
        x += length
    return y + 2.5, Markup("").join(parts)
