"""Plot of one channel in one place of a sheet: trace, gaps, and overlays.

Layers name channels and count seconds from the start of the record, so that the same layer fits
paper and strips: a heat map (saliency, attention), hidden or kept stretches, a second trace.

Axes: n bins in time, T samples in time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.core.records import Stream
from medts.report.svg import element, label, line, rectangles, stretches, thin

GREY_WORDS: dict[str, str] = {"fill": "#6f6f73", "class_": "grey"}
_GAP = {"class_": "gap", "fill": "#9a9aa0", "fill_opacity": 0.22}
_N_LEVELS = 10


@dataclass(frozen=True)
class Heat:
    """Heat map behind the signal: saliency of an explanation, attention of a sentence.

    Args:
        strength: Between 0 and 1 by channel, in bins of equal length; NaN where unknown.
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
        kind: ``hidden`` shades what was masked from a model, ``kept`` underlines tokens that
            a sparse encoder kept, ``shown`` marks what another drawing shows.
    """

    spans: Mapping[str, Sequence[tuple[float, float]]]
    kind: Literal["hidden", "kept", "shown"]


@dataclass(frozen=True)
class Overlay:
    """A second trace over the signal, such as a reconstruction; NaN interrupts it.

    Args:
        signal: By channel, in the unit of the stream.
        sampling_rate: Hz.
        start_s: Where the first sample lies.
    """

    signal: Mapping[str, Float[np.ndarray, "T"]]
    sampling_rate: float
    start_s: float = 0.0


Layer = Heat | Spans | Overlay


@dataclass(frozen=True)
class Place:
    """Where a stretch of one channel stands on a sheet, and at which scale.

    Args:
        stream: Whose channel.
        channel: Its name; one that the stream lacks is drawn as not recorded.
        begin_s: First second shown, from the start of the record.
        end_s: Last second shown.
        left: Millimetres from the left edge to the first second.
        baseline: Millimetres from the top to the value ``centre``.
        height: Millimetres that belong to the channel, half of them above the baseline.
        mm_per_s: Scale in time.
        mm_per_unit: Scale of the values.
    """

    stream: Stream
    channel: str
    begin_s: float
    end_s: float
    left: float = 0.0
    baseline: float = 0.0
    height: float = 0.0
    mm_per_s: float = 1.0
    mm_per_unit: float = 1.0

    @property
    def length(self) -> float:
        """Millimetres in time."""
        return (self.end_s - self.begin_s) * self.mm_per_s

    @property
    def is_recorded(self) -> bool:
        """Whether the channel has any sample at all."""
        channels = self.stream.channels
        return self.channel in channels and bool(
            np.isfinite(self.stream.signal[channels.index(self.channel)]).any()
        )

    @property
    def signal(self) -> Float[np.ndarray, "T"]:
        """All samples of the channel."""
        return self.stream.signal[self.stream.channels.index(self.channel)].astype(np.float64)

    @property
    def centre(self) -> float:
        """Median of the samples shown, which stands on the baseline."""
        piece = self.signal[slice(*self.samples(self.stream))]
        finite = piece[np.isfinite(piece)]
        return float(np.median(finite)) if finite.size else 0.0

    def samples(self, of: Stream | Overlay, n_samples: int | None = None) -> tuple[int, int]:
        """Returns the first sample shown of a stream or an overlay, and the one after its last."""
        n = self.stream.signal.shape[1] if n_samples is None else n_samples
        ends = (round((at - of.start_s) * of.sampling_rate) for at in (self.begin_s, self.end_s))
        first, last = (min(max(end, 0), n) for end in ends)
        return first, last

    def box(self, begin_s: float, end_s: float) -> tuple[float, float, float, float] | None:
        """Returns x, y, width and height of a stretch of time; None where it is not shown."""
        begin, end = max(begin_s, self.begin_s), min(end_s, self.end_s)
        if not end > begin:
            return None
        x = self.left + (begin - self.begin_s) * self.mm_per_s
        return x, self.baseline - self.height / 2, (end - begin) * self.mm_per_s, self.height


def draw_channel(place: Place, layers: Sequence[Layer], stroke_width: float) -> Markup:
    """Draws a channel: what lies under it, gaps, trace, and what lies over it."""
    stream, name = place.stream, place.channel
    parts = []
    for layer in layers:
        if isinstance(layer, Heat) and name in layer.strength:
            parts.append(_heat(place, layer))
        elif isinstance(layer, Spans) and name in layer.spans:
            parts.append(_spans(place, layer))
    trace = {"class_": "trace", "stroke": "#1d1d1f", "stroke_width": stroke_width}
    parts += [_gaps(place), _trace(place, place.signal, stream, **trace, data_channel=name)]
    over = {"class_": "overlay", "stroke": "#c2410c", "stroke_width": 0.4}
    parts += [
        _trace(place, layer.signal[name], layer, **over)
        for layer in layers
        if isinstance(layer, Overlay) and name in layer.signal
    ]
    return Markup("").join(parts)


def draw_absence(place: Place, words: str) -> Markup:
    """Draws a grey box with words instead of a channel that was not recorded."""
    high, wide = 0.6 * place.height, max(place.length - 2, 0.0)
    corner = {"x": place.left + 1, "y": place.baseline - high / 2}
    box = element("rect", **corner, width=wide, height=high, **_GAP)
    middle = place.left + place.length / 2
    return box + label(words, middle, place.baseline, size=3.2, **GREY_WORDS, text_anchor="middle")


def _trace(
    place: Place,
    signal: Float[np.ndarray, "T"],
    of: Stream | Overlay,
    **attributes: str | float,
) -> Markup:
    """Draws the samples that belong to a place, with ten points a millimetre."""
    first, last = place.samples(of, signal.size)
    time_s = of.start_s + np.arange(first, last) / of.sampling_rate
    across, value = thin(time_s, signal[first:last], limit=max(200, round(10 * place.length)))
    return line(
        place.left + (across - place.begin_s) * place.mm_per_s,
        place.baseline - (value - place.centre) * place.mm_per_unit,
        **attributes,
    )


def _gaps(place: Place) -> Markup:
    """Greys stretches of missing samples, from a twentieth of a second on."""
    rate, start_s = place.stream.sampling_rate, place.stream.start_s
    first, last = place.samples(place.stream)
    gaps = [
        ((first + begin) / rate + start_s, (first + end) / rate + start_s)
        for begin, end in stretches(~np.isfinite(place.signal[first:last]))
        if end - begin >= max(2.0, 0.05 * rate)
    ]
    return rectangles(_boxes(place, gaps), **_GAP)


def _boxes(
    place: Place, spans: Sequence[tuple[float, float]]
) -> list[tuple[float, float, float, float]]:
    boxes = (place.box(begin, end) for begin, end in spans)
    return [box for box in boxes if box is not None]


def _heat(place: Place, heat: Heat) -> Markup:
    """Draws bins of one strength as one path: a page of twelve leads stays small."""
    strength = np.nan_to_num(heat.strength[place.channel]).clip(0.0, 1.0)
    level = np.rint(_N_LEVELS * strength).astype(int)
    step_s = (heat.end_s - heat.start_s) / max(len(level), 1)
    paths = []
    for each in range(1, _N_LEVELS + 1):
        spans = [
            (heat.start_s + begin * step_s, heat.start_s + end * step_s)
            for begin, end in stretches(level == each)
        ]
        style = {"class_": "heat", "fill": "#ee7d2b", "fill_opacity": 0.7 * each / _N_LEVELS}
        paths.append(rectangles(_boxes(place, spans), **style))
    return Markup("").join(paths)


def _spans(place: Place, layer: Spans) -> Markup:
    shown = _boxes(place, layer.spans[place.channel])
    if layer.kind == "shown":
        return rectangles(shown, class_="shown", fill="#17608c", fill_opacity=0.2)
    if layer.kind == "hidden":
        return rectangles(shown, class_="hidden", fill="#c9a26b", fill_opacity=0.25)
    bars = [(x, y + high - 1.2, wide, 1.2) for x, y, wide, high in shown]
    return rectangles(bars, class_="kept", fill="#17608c")
