"""SVG in millimetres: elements, paths and a sheet to draw on.

A colour is written at each element, for a picture that stands alone, and each element has a
class, so that a page can give it another colour in the dark.

Axes: T samples in time, n points that are drawn.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from markupsafe import Markup, escape

_UNSEEN = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\u202a-\\u202e\\u2066-\\u2069]")


@dataclass(frozen=True)
class Sheet:
    """A drawing whose unit is one millimetre; a template prints it as it is.

    Args:
        width: Millimetres.
        height: Millimetres.
        content: Elements, from back to front.
        description: What a screen reader reads out.
    """

    width: float
    height: float
    content: Markup
    description: str = ""

    def __html__(self) -> str:
        """Returns the SVG; Jinja2 and markupsafe call this instead of escaping."""
        size = f"{number(self.width)} {number(self.height)}"
        return element(
            "svg",
            self.content,
            xmlns="http://www.w3.org/2000/svg",
            class_="sheet",
            viewBox=f"0 0 {size}",
            width=f"{number(self.width)}mm",
            height=f"{number(self.height)}mm",
            role="img",
            aria_label=printable(self.description),
            font_family="Inter, Helvetica Neue, Segoe UI, Liberation Sans, Arial, sans-serif",
        )

    def __str__(self) -> str:
        return self.__html__()


def element(tag: str, content: str = "", /, **attributes: str | float) -> Markup:
    """Returns an element; ``class_`` is written ``class``, any other ``_`` a hyphen.

    >>> element("text", "a < b", x=1.0, font_size=3.25)
    Markup('<text x="1" font-size="3.25">a &lt; b</text>')
    """
    words = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), written(value))
        for name, value in attributes.items()
    )
    if not content:
        return Markup(f"<{tag}{words}/>")
    return Markup(f"<{tag}{words}>{escape(visible(content))}</{tag}>")


def visible(value: object) -> object:
    """Replaces direction overrides, isolates and controls in words that come from outside.

    Escaping keeps markup out, but an isolate that is opened in a name and never closed would
    close that of its element instead, and the rest of the line would read backwards.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", value)
    return value


def written(value: object) -> object:
    """Writes the value of an attribute: a length or an opacity shortly, words as they are."""
    return number(value) if isinstance(value, float | int) else visible(value)


def number(value: float) -> str:
    """Writes a number with at most two decimals: a hundredth of a millimetre."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def label(words: str, x: float, y: float, *, size: float = 3.0, **attributes: str) -> Markup:
    """Returns text whose middle is at height ``y``; direction marks and controls are left out."""
    style = {"fill": "#1d1d1f", "class_": "ink"} | attributes
    # A third of the size below the middle is the baseline; `dominant-baseline` is not universal.
    return element("text", printable(words), x=x, y=y + 0.35 * size, font_size=size, **style)


def printable(words: str, limit: int = 120) -> str:
    r"""Keeps what can be seen of the first characters: XML holds no controls.

    >>> printable("V1\x00\u202e")
    'V1'
    """
    return shortened("".join(each for each in words if each.isprintable()), limit)


def shortened(words: str, limit: int) -> str:
    """Cuts words to a number of characters, with an ellipsis at the end."""
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def rectangles(boxes: list[tuple[float, float, float, float]], **attributes: str | float) -> Markup:
    """Returns boxes of (x, y, width, height) as one path, or nothing where there are none."""
    if not boxes:
        return Markup("")
    d = "".join(
        f"M{number(x)} {number(y)}h{number(wide)}v{number(high)}h{number(-wide)}z"
        for x, y, wide, high in boxes
    )
    return element("path", d=d, **attributes)


def line(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], **attributes: str | float) -> Markup:
    """Returns a line through points as one path, interrupted where a coordinate is NaN."""
    pieces = []
    for begin, end in stretches(np.isfinite(x) & np.isfinite(y)):
        # Whole hundredths, then differences: half the size of absolute numbers, without drift.
        points = np.rint(100 * np.stack([x[begin:end], y[begin:end]], axis=1)).astype(int)
        across, down = points[0].tolist()
        steps = np.diff(points, axis=0).tolist()
        words = "".join(_pair(*step) for step in steps) or "0 0"
        pieces.append(f"M{_hundredths(across)} {_hundredths(down)}l{words.strip()}")
    if not pieces:
        return Markup("")
    style = {"fill": "none", "stroke_linejoin": "round", "stroke_linecap": "round"}
    return element("path", d="".join(pieces), **(style | attributes))


def straight(x: float, y: float, x_end: float, y_end: float, **style: str | float) -> Markup:
    """Returns a straight line between two points."""
    return line(np.array([x, x_end]), np.array([y, y_end]), **style)


def _pair(across: int, down: int) -> str:
    """Writes a step; a minus sign separates numbers as well as a space does."""
    words = _hundredths(across), _hundredths(down)
    return "".join(each if each[0] == "-" else f" {each}" for each in words)


def _hundredths(value: int) -> str:
    """Writes hundredths as shortly as SVG allows.

    >>> _hundredths(-5), _hundredths(120), _hundredths(0)
    ('-.05', '1.2', '0')
    """
    sign, (whole, part) = "-" if value < 0 else "", divmod(abs(value), 100)
    decimals = f".{part:02d}".rstrip("0") if part else ""
    return f"{sign}{whole or ''}{decimals}" if whole or part else "0"


def stretches(is_in: Bool[np.ndarray, "T"]) -> list[tuple[int, int]]:
    """Returns where each run of True begins, and where it has ended.

    >>> stretches(np.array([False, True, True, False, True]))
    [(1, 3), (4, 5)]
    """
    change = np.diff(np.concatenate([[0], is_in.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return list(zip(begins.tolist(), ends.tolist(), strict=True))


def thin(
    time_s: Float[np.ndarray, "T"], signal: Float[np.ndarray, "T"], *, limit: int
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Min-max decimation: keeps the lowest and highest sample of every run, in order of time."""
    if signal.size <= limit:
        return time_s, signal
    run = math.ceil(2 * signal.size / limit)
    n_runs = math.ceil(signal.size / run)
    padded = np.pad(signal, (0, n_runs * run - signal.size), constant_values=np.nan)
    runs = padded.reshape(n_runs, run)
    low = np.where(np.isnan(runs), np.inf, runs).argmin(axis=1)
    high = np.where(np.isnan(runs), -np.inf, runs).argmax(axis=1)
    # Of a run without a number both are its first sample, which is none: the line is interrupted.
    kept = np.sort(np.stack([low, high], axis=1), axis=1) + run * np.arange(n_runs)[:, None]
    return time_s[kept.ravel()], signal[kept.ravel()]
