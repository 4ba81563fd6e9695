"""The page that every report is printed on: shell, style, tables, and figures that need no network.

A page is one HTML file. Style, scripts and, where a figure asks for it, plotly.js are written into
it once, so that it opens on a machine without a network and still does in ten years. What the
sections say is left to `medts.evaluation.report` and others.

Whatever is called ``html`` or ``body``, and the cells of a table, is markup; every other string is
plain text and escaped here. `text` turns one into the other.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any, TypeGuard

from medts.evaluation.result import Measure

FOOTER = "Research software, not a medical device."


@dataclass(frozen=True)
class Section:
    """A part of a page that the table of contents points to.

    Args:
        anchor: Its id in the page.
        heading: Plain text.
        body: Markup.
    """

    anchor: str
    heading: str
    body: str


def page(
    title: str,
    sections: Sequence[Section],
    *,
    top: str = "",
    lead: str = "",
    footer: str = FOOTER,
) -> str:
    """Returns a self-contained HTML page.

    Args:
        title: Heading, and name of the browser's tab.
        sections: In reading order.
        top: Markup between the heading and the first section.
        lead: A sentence under the heading.
        footer: The last line.
    """
    contents = "".join(
        f'<li><a href="#{text(part.anchor)}">{text(part.heading)}</a></li>' for part in sections
    )
    bodies = "\n".join(
        f'<section id="{text(part.anchor)}"><h2>{text(part.heading)}</h2>\n{part.body}</section>'
        for part in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{text(title)}</title>
<style>
{_packaged("page.css")}</style>
</head>
<body>
<div class="shell">
<nav aria-label="Contents"><ol>{contents}</ol></nav>
<main>
<header><h1>{text(title)}</h1>
{f'<p class="lead">{text(lead)}</p>' if lead else ""}
{top}</header>
{bodies}
<footer>{text(footer)}</footer>
</main>
</div>
{_scripts(needs_plotly='<div class="plot' in bodies)}
</body>
</html>
"""


def text(value: object) -> str:
    """Returns plain text as markup."""
    return escape(str(value), quote=True)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers_from: int = 1,
    row_classes: Sequence[str] = (),
) -> str:
    """Returns a table whose first column names the rows.

    Args:
        head: Cells of the head.
        rows: Cells of each row.
        numbers_from: First column that is set flush right, as numbers are.
        row_classes: A class for each row, such as ``is-main`` or ``is-out``.
    """

    def cells(row: Sequence[str], tag: str) -> str:
        parts = []
        for column, html in enumerate(row):
            kind = ' class="number"' if column >= numbers_from else ""
            if html.startswith('<svg class="forest"'):
                kind = ' class="forest-cell"'
            scope = ' scope="col"' if tag == "th" else ' scope="row"' if column == 0 else ""
            name = "th" if scope else "td"
            parts.append(f"<{name}{scope}{kind}>{html}</{name}>")
        return "".join(parts)

    classes = list(row_classes) or [""] * len(rows)
    body = "\n".join(
        f'<tr class="{name}">{cells(row, "td")}</tr>'
        for row, name in zip(rows, classes, strict=True)
    )
    return (
        f'<div class="scroll"><table><thead><tr>{cells(head, "th")}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def measure_cell(measure: Measure | None) -> str:
    """Returns a value with its interval on the line below; a dash where it is not defined."""
    if measure is None or not is_known(measure.value):
        return "–"
    if not (is_known(measure.low) and is_known(measure.high)):
        return f"{measure.value:.3f}"
    between = " to " if measure.low < 0 else "–"
    bounds = f"{measure.low:.3f}{between}{measure.high:.3f}"
    return f'{measure.value:.3f}<span class="interval">{bounds}</span>'


def forest(measure: Measure | None, start: float, *, chance: float = 0.5) -> str:
    """Returns a measure drawn as a point on its interval, along an axis from ``start`` to 1."""
    width, middle = 170, 10

    def x(value: float) -> float:
        return 3 + (width - 6) * (min(max(value, start), 1.0) - start) / (1.0 - start)

    marks = f'<line class="whole" x1="3" x2="{width - 3}" y1="{middle}" y2="{middle}"/>'
    if start < chance:
        at = f"{x(chance):.1f}"
        marks += f'<line class="chance" x1="{at}" x2="{at}" y1="1" y2="19"/>'
    if measure is not None and is_known(measure.value):
        if is_known(measure.low) and is_known(measure.high):
            low, high = f"{x(measure.low):.1f}", f"{x(measure.high):.1f}"
            marks += f'<line class="span" x1="{low}" x2="{high}" y1="{middle}" y2="{middle}"/>'
        marks += f'<circle class="point" cx="{x(measure.value):.1f}" cy="{middle}" r="3.6"/>'
    opening = f'<svg class="forest" viewBox="0 0 {width} 20" role="img" aria-label="interval">'
    return f"{opening}{marks}</svg>"


def forest_axis(start: float) -> str:
    """Returns the head of a column of `forest` cells: the ends of its axis."""
    return (
        '<svg class="forest" viewBox="0 0 170 20" role="img" aria-label="axis">'
        f'<text x="0" y="15">{start:.1f}</text>'
        '<text x="170" y="15" text-anchor="end">1.0</text></svg>'
    )


def terms(pairs: Mapping[str, str]) -> str:
    """Returns a list of terms (plain text), each with its explanation (markup)."""
    items = "".join(f"<dt>{text(term)}</dt><dd>{html}</dd>" for term, html in pairs.items())
    return f'<dl class="terms">{items}</dl>'


def badge(words: str) -> str:
    """Returns a small flag to stand beside a name."""
    return f'<span class="badge">{text(words)}</span>'


def plot(anchor: str, figure: dict[str, Any], caption: str, *, size: str = "") -> str:
    """Returns a plotly figure with its caption (markup), drawn when the page opens.

    Args:
        anchor: Its id in the page.
        figure: ``data`` and ``layout`` as plotly.js takes them; numbers must be finite or None.
        caption: Markup.
        size: ``is-tall``, ``is-low`` or nothing.
    """
    content = json.dumps(figure, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure><figcaption>{caption}</figcaption><div class="plot {size}" id="{text(anchor)}">'
        f'</div><script type="application/json" id="{text(anchor)}-figure">{content}</script>'
        "</figure>"
    )


def _scripts(*, needs_plotly: bool) -> str:
    own = f"<script>\n{_packaged('page.js')}</script>"
    if not needs_plotly:
        return own
    # Imported here: a page of tables alone must not need plotly.
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>\n{own}"


def _packaged(name: str) -> str:
    return files("medts.evaluation").joinpath(name).read_text(encoding="utf-8")


def is_known(value: float | None) -> TypeGuard[float]:
    """Tells whether there is a number to show."""
    return value is not None and math.isfinite(value)
