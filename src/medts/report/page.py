"""Jinja2 templates of every report, and the few parts that are computed.

A page is one HTML file. Style, script and drawings are written into it, so that it opens on a
machine without a network and still does in ten years. Every string that a template prints is
escaped; markup is only what is a `Markup` or has ``__html__``.
"""

import math
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medts.core.files import write_whole
from medts.evaluation.result import Estimate
from medts.report.svg import element, visible
from medts.report.wording import control_definition, control_name, metric_name, words_of

FOOTER = "Research software, not a medical device."


def render(template: str, **values: Any) -> str:
    """Returns a page of one of the templates of this room.

    Args:
        template: Its name without ``.html.j2``.
        values: What it shows.
    """
    return environment().get_template(f"{template}.html.j2").render(values | {"contents": []})


def write_page(path: str | Path, html: str) -> Path:
    """Writes a page, whole or not at all, and returns where it is."""
    with write_whole(path) as target:
        target.write_text(html, encoding="utf-8")
    return Path(path)


@cache
def environment() -> Environment:
    """Returns the Jinja2 environment: autoescape on, a misspelt name is an error."""
    made = Environment(
        loader=PackageLoader("medts.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"forest": forest, "FOOTER": FOOTER}
    made.filters |= {
        "is_known": is_known,
        "metric_name": metric_name,
        "control_name": control_name,
        "control_definition": control_definition,
        "words": words_of,
    }
    return made


def forest(measure: Estimate | None, start: float, chance: float = 0.5) -> Markup:
    """Returns a forest plot of one measure: a point on its interval, on an axis from ``start``."""
    width, middle = 170.0, 10.0

    def x(value: float) -> float:
        return 3 + (width - 6) * (min(max(value, start), 1.0) - start) / (1.0 - start)

    def segment(kind: str, low: float, high: float) -> Markup:
        return element("line", class_=kind, x1=low, x2=high, y1=middle, y2=middle)

    marks = [segment("whole", 3, width - 3)]
    if start < chance:
        at = x(chance)
        marks.append(element("line", class_="chance", x1=at, x2=at, y1=1, y2=19))
    if measure is not None and is_known(measure.value):
        if is_known(measure.low) and is_known(measure.high):
            marks.append(segment("span", x(measure.low), x(measure.high)))
        marks.append(element("circle", class_="point", cx=x(measure.value), cy=middle, r=3.6))
    style = {"class_": "forest", "viewBox": f"0 0 {width:g} 20", "role": "img"}
    return element("svg", Markup("").join(marks), **style, aria_label="interval")


def is_known(value: float | None) -> TypeGuard[float]:
    """Returns whether there is a number to show."""
    return value is not None and math.isfinite(value)
