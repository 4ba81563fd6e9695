"""Charts as SVG: lines, steps, dots and bars on two axes, drawn once and readable in print.

A point carries its words as a tooltip, and each series the number of its group, by which the
page's script shows and hides classes. What is measured is left to `medts.report.figures`.

Axes: n points of a series.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.report.svg import Sheet, element, label, line, number

GREY = "#8d969e"

_LEFT, _RIGHT, _TOP = 14.0, 4.0, 5.0


@dataclass(frozen=True)
class Axis:
    """What one direction of a chart shows.

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
        parts.append(_dotted(frame, [across.low, across.high], [upward.low, upward.high]))
    if mark_x is not None:
        parts.append(_dotted(frame, [mark_x, mark_x], [upward.low, upward.high]))
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


def _axes(frame: Frame) -> Markup:
    """Draws grid lines, numbers and titles."""
    parts = []
    left, bottom = frame.left, frame.top + frame.height
    right = left + frame.width
    grid = {"class_": "rule", "stroke": "#e2e5e8", "stroke_width": 0.2}
    words = {"fill": "#5d6771", "class_": "grey"}
    for tick in frame.upward.ticks:
        y = frame.top + frame.height * (1 - float(frame.upward.share(np.array([tick]))[0]))
        parts.append(line(np.array([left, right]), np.array([y, y]), **grid))
        parts.append(label(f"{tick:g}", left - 1.5, y, size=2.7, text_anchor="end", **words))
    for tick in frame.across.ticks:
        x = left + frame.width * float(frame.across.share(np.array([tick]))[0])
        ends = np.array([bottom, bottom + 1.0])
        parts.append(
            line(np.array([x, x]), ends, class_="rule", stroke="#8d969e", stroke_width=0.2)
        )
        parts.append(label(f"{tick:g}", x, bottom + 3.4, size=2.7, text_anchor="middle", **words))
    floor = {"class_": "floor", "stroke": "#8d969e", "stroke_width": 0.25}
    parts.append(line(np.array([left, right]), np.array([bottom, bottom]), **floor))
    middle, title = left + frame.width / 2, {"size": 2.9, "text_anchor": "middle"}
    if frame.across.title:
        parts.append(label(frame.across.title, middle, bottom + 8.6, **title))
    turn = f"rotate(-90 3.2 {number(frame.top + frame.height / 2)})"
    y = frame.top + frame.height / 2
    parts.append(label(frame.upward.title, 3.2, y, **title, transform=turn))
    return Markup("").join(parts)


def _draw_series(series: Series, frame: Frame) -> Markup:
    x, y = frame.place(series.x, series.y)
    parts = []
    if series.low is not None and series.high is not None:
        _, low = frame.place(series.x, series.low)
        _, high = frame.place(series.x, series.high)
        gap = np.full_like(x, np.nan)
        across, down = np.stack([x, x, gap], axis=1), np.stack([low, high, gap], axis=1)
        parts.append(line(across.ravel(), down.ravel(), stroke=series.color, stroke_width=0.35))
    if series.kind == "bars":
        parts.append(_bars(series, frame, x, y))
    elif series.kind != "points":
        if series.kind == "steps":
            x_line, y_line = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
        else:
            x_line, y_line = x, y
        dash = {"stroke_dasharray": "1 1"} if series.is_dashed else {}
        width = 0.3 if series.is_faint else 0.5
        drawn = line(x_line, y_line, stroke=series.color, stroke_width=width, **dash)
        parts.append(drawn)
    parts += _points(series, x, y)
    style: dict[str, str | float] = {"class_": "series", "data_name": series.name}
    if series.group is not None:
        style["data_group"] = series.group
    if series.is_faint:
        style["opacity"] = 0.5
    if not series.is_shown:
        style["display"] = "none"
    hint = element("title", series.name)
    return element("g", Markup("").join([hint, *parts]), **style)


def _points(series: Series, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]) -> list[Markup]:
    """Draws marks; points with words but no mark are unseen circles that show a tooltip."""
    if series.kind == "bars" or not (series.is_dotted or series.words or series.tags):
        return []
    parts = []
    for i, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        if not (math.isfinite(across) and math.isfinite(down)):
            continue
        hint = element("title", series.words[i]) if series.words else ""
        place = {"cx": across, "cy": down}
        if series.is_dotted:
            halo = {"class_": "dot", "stroke": "#ffffff", "stroke_width": 0.3}
            parts.append(element("circle", hint, **place, r=1.1, fill=series.color, **halo))
        else:
            parts.append(element("circle", hint, **place, r=1.6, fill_opacity=0))
        if series.tags:
            parts.append(label(series.tags[i], across, down - 2.6, size=2.7, text_anchor="middle"))
    return parts


def _bars(
    series: Series, frame: Frame, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"]
) -> Markup:
    bottom = frame.top + frame.height
    wide = 0.085 * frame.width
    parts = []
    for i, (across, down) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        box = {"x": across - wide / 2, "y": down, "width": wide, "height": bottom - down}
        parts.append(element("rect", **box, class_="bar", fill=series.color))
        if series.tags:
            style = {"fill": "#5d6771", "class_": "grey", "text_anchor": "middle"}
            parts.append(label(series.tags[i], across, down - 1.8, size=2.4, **style))
    return Markup("").join(parts)


def _dotted(frame: Frame, x: list[float], y: list[float]) -> Markup:
    across, down = frame.place(np.array(x, dtype=float), np.array(y, dtype=float))
    style = {"class_": "floor", "stroke": GREY, "stroke_width": 0.25, "stroke_dasharray": "0.8 0.8"}
    return line(across, down, **style)


def _legend(series: Sequence[Series], width: float) -> tuple[float, Markup]:
    """Writes names above the axes, in as many lines as they take; returns the height of these."""
    x, y, parts = _LEFT, 3.0, []
    for each in {one.name: one for one in series}.values():
        words = each.name if len(each.name) <= 48 else f"{each.name[:47]}…"
        length = 9.0 + 1.5 * len(words)
        if x > _LEFT and x + length > width - _RIGHT:
            x, y = _LEFT, y + 4.6
        dash = {"stroke_dasharray": "1 1"} if each.is_dashed else {}
        ends = np.array([x, x + 5.0])
        style = {"stroke": each.color, "stroke_width": 0.7} | dash
        parts.append(line(ends, np.array([y, y]), **style))
        parts.append(label(words, x + 6.2, y, size=2.8))
        x += length
    return y + 2.5, Markup("").join(parts)
