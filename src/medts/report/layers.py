"""What can lie over or under a drawn signal: relevance, hidden or kept stretches, a second line.

A layer names channels and counts seconds from the start of the record, so that the same layer
fits paper and strips.

Axes: n bins in time, T samples in time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.report.place import Place, draw_line
from medts.report.svg import rectangles, stretches

_N_LEVELS = 10


@dataclass(frozen=True)
class Heat:
    """Strength behind the signal: saliency of an explanation, attention of a sentence.

    Args:
        strength: Between 0 and 1 by channel, in bins of equal length; NaN where none is known.
        start_s: Where the first bin begins.
        end_s: Where the last bin ends.
    """

    strength: Mapping[str, Float[np.ndarray, "n"]]
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Spans:
    """Stretches of time of single channels.

    Args:
        spans: Begin and end of each stretch, by channel.
        kind: ``hidden`` shades what a model could not see, ``kept`` underlines tokens that
            a sparse encoder kept, ``shown`` marks what another drawing shows.
    """

    spans: Mapping[str, Sequence[tuple[float, float]]]
    kind: Literal["hidden", "kept", "shown"]


@dataclass(frozen=True)
class Overlay:
    """A second line over the signal, such as what a model restored; NaN interrupts it.

    Args:
        signal: By channel, in the unit of the stream.
        sampling_rate: Hz.
        start_s: Where the first sample lies.
    """

    signal: Mapping[str, Float[np.ndarray, "T"]]
    sampling_rate: float
    start_s: float = 0.0


Layer = Heat | Spans | Overlay


def draw_under(place: Place, layers: Sequence[Layer]) -> Markup:
    """Draws what lies behind the signal."""
    parts = []
    for layer in layers:
        if isinstance(layer, Heat) and place.channel in layer.strength:
            parts.append(_draw_heat(place, layer))
        elif isinstance(layer, Spans) and place.channel in layer.spans:
            parts.append(_draw_spans(place, layer))
    return Markup("").join(parts)


def draw_over(place: Place, layers: Sequence[Layer]) -> Markup:
    """Draws what lies before the signal."""
    return Markup("").join(
        draw_line(
            place,
            layer.signal[place.channel],
            layer.sampling_rate,
            layer.start_s,
            class_="overlay",
            stroke="#c2410c",
            stroke_width=0.4,
        )
        for layer in layers
        if isinstance(layer, Overlay) and place.channel in layer.signal
    )


def _draw_heat(place: Place, heat: Heat) -> Markup:
    """Draws bins of one strength as one path: a page of twelve leads stays small."""
    strength = np.nan_to_num(heat.strength[place.channel]).clip(0.0, 1.0)
    level = np.rint(_N_LEVELS * strength).astype(int)
    step_s = (heat.end_s - heat.start_s) / max(len(level), 1)
    paths = []
    for each in range(1, _N_LEVELS + 1):
        boxes = [
            place.box(heat.start_s + begin * step_s, heat.start_s + end * step_s)
            for begin, end in stretches(level == each)
        ]
        shown = [box for box in boxes if box is not None]
        opacity = 0.7 * each / _N_LEVELS
        paths.append(rectangles(shown, class_="heat", fill="#ee7d2b", fill_opacity=opacity))
    return Markup("").join(paths)


def _draw_spans(place: Place, layer: Spans) -> Markup:
    boxes = [place.box(begin, end) for begin, end in layer.spans[place.channel]]
    shown = [box for box in boxes if box is not None]
    if layer.kind == "shown":
        return rectangles(shown, class_="shown", fill="#17608c", fill_opacity=0.2)
    if layer.kind == "hidden":
        return rectangles(shown, class_="hidden", fill="#c9a26b", fill_opacity=0.25)
    bars = [(x, y + high - 1.2, wide, 1.2) for x, y, wide, high in shown]
    return rectangles(bars, class_="kept", fill="#17608c")
