"""Any recording as stacked strips, with units, scale bars and an axis of seconds.

The channels of a stream share one gain, chosen so that the stream fills its rows, and one scale
bar; the streams share the axis of time.

Axes: C channels, T samples in time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from medts.core.records import Stream
from medts.report.place import GREY_WORDS, Layer, Place, draw_absence, draw_channel
from medts.report.svg import Sheet, element, label, shortened, straight

_LEFT, _LENGTH, _RIGHT = 26.0, 222.0, 27.0
_HEAD, _FOOT = 7.0, 11.0
_MAX_CHANNELS = 32
_CLOCK = ((3600.0, "h"), (60.0, "min"))
"""Units of the axis of time; a unit is taken if five of it are shown."""


def draw_strips(
    streams: Mapping[str, Stream],
    *,
    seconds: float,
    layers: Sequence[Layer],
    notes: Mapping[str, str],
) -> Sheet:
    """Draws a strip per channel, the streams one under the other.

    Args:
        streams: By name.
        seconds: Length shown, at most.
        layers: What to draw behind and over the signal.
        notes: Words at the end of a channel's strip.
    """
    begin_s = min(stream.start_s for stream in streams.values())
    end_s = max(stream.start_s + stream.duration_s for stream in streams.values())
    shown_s = max(min(seconds, end_s - begin_s), 0.1)
    shown = {name: stream.channels[:_MAX_CHANNELS] for name, stream in streams.items()}
    n_rows = sum(map(len, shown.values()))
    pitch = 15.0 if n_rows <= 12 else 9.0
    width = _LEFT + _LENGTH + _RIGHT
    height = sum(_HEAD + pitch * len(channels) for channels in shown.values()) + _FOOT
    parts = [
        element("rect", class_="plain", width=width, height=height, fill="#fbfbfc"),
        _time_axis(begin_s, shown_s, height),
    ]
    top = 0.0
    for name, stream in streams.items():
        parts.append(_heading(name, stream, top))
        top += _HEAD
        places = [
            Place(
                stream=stream,
                channel=channel,
                begin_s=begin_s,
                end_s=begin_s + shown_s,
                left=_LEFT,
                baseline=top + pitch * (row + 0.5),
                height=0.92 * pitch,
                mm_per_s=_LENGTH / shown_s,
            )
            for row, channel in enumerate(shown[name])
        ]
        parts += _draw_stream(places, top, pitch, layers, notes)
        top += pitch * len(places)
    description = f"{', '.join(streams)}: {n_rows} channels, {shown_s:g} s"
    return Sheet(width, height, Markup("").join(parts), description)


def _draw_stream(
    places: Sequence[Place],
    top: float,
    pitch: float,
    layers: Sequence[Layer],
    notes: Mapping[str, str],
) -> list[Markup]:
    if not places:
        return []
    stream, at = places[0].stream, _LEFT + _LENGTH
    centre = np.array([place.centre for place in places])[:, None]
    n_shown = max(round((places[0].end_s - stream.start_s) * stream.sampling_rate), 0)
    gain, bar = _gain(stream.signal[: len(places), :n_shown] - centre, 0.85 * pitch)
    parts = [_scale_bar(at + 4.0, top + pitch * len(places) / 2, gain, bar, stream.unit)]
    for place in places:
        parts.append(label(shortened(place.channel, 14), 3.0, place.baseline, size=3.0))
        if not place.is_recorded:
            parts.append(draw_absence(place, "not recorded"))
            continue
        parts.append(draw_channel(replace(place, mm_per_unit=gain), layers, stroke_width=0.22))
        if place.channel in notes:
            style = {**GREY_WORDS, "text_anchor": "end"}
            words = notes[place.channel]
            parts.append(label(words, at + _RIGHT - 3.0, place.baseline, size=2.8, **style))
    return parts


def _heading(name: str, stream: Stream, top: float) -> Markup:
    words = f"{name} · {stream.unit} · {stream.sampling_rate:g} Hz"
    n_more = len(stream.channels) - _MAX_CHANNELS
    words += f" · {n_more} more channels are not drawn" if n_more > 0 else ""
    return label(words, 3.0, top + 4.2, size=2.8, **GREY_WORDS)


def _time_axis(begin_s: float, shown_s: float, height: float) -> Markup:
    """Draws a line and a number at every round second or part of one."""
    unit_s, unit = next((each for each in _CLOCK if shown_s >= 5 * each[0]), (1.0, "s"))
    step = _nice(shown_s / unit_s / 5 * 1.01) * unit_s
    rule = {"class_": "coarse plain-grid", "stroke": "#dfe2e6", "stroke_width": 0.15}
    words = {**GREY_WORDS, "text_anchor": "middle"}
    parts = []
    for count in range(math.floor(shown_s / step + 1e-6) + 1):
        x = _LEFT + _LENGTH * count * step / shown_s
        parts.append(straight(x, 2.0, x, height - 8.0, **rule))
        time = f"{(begin_s + count * step) / unit_s:g} {unit}"
        parts.append(label(time, x, height - 4.5, size=2.8, **words))
    return Markup("").join(parts)


def _gain(signal: Float[np.ndarray, "C T"], room: float) -> tuple[float, float]:
    """Chooses millimetres per unit, and the length of a scale bar in units."""
    finite = signal[np.isfinite(signal)]
    span = 2 * float(np.quantile(np.abs(finite), 0.998)) if finite.size else 0.0
    return (room / span, _nice(span / 2)) if span > 0 else (room, 1.0)


def _scale_bar(x: float, middle: float, gain: float, bar: float, unit: str) -> Markup:
    half = gain * bar / 2
    style = {"class_": "trace scale-bar", "stroke": "#1d1d1f", "stroke_width": 0.4}
    drawn = straight(x, middle - half, x, middle + half, **style)
    return drawn + label(f"{bar:g} {unit}", x + 1.6, middle, size=2.8, **GREY_WORDS)


def _nice(value: float) -> float:
    """Returns the largest of 1, 2, 5, 10, … (or 0.5, 0.2, …) that is not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * (1 + 1e-9))
