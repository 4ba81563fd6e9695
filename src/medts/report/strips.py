"""Strips: any recording as stacked rows with units, scale bars and an axis of seconds.

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
from medts.report.layers import Layer, draw_over, draw_under
from medts.report.place import Place, centred, draw_absence, draw_gaps, draw_line, is_recorded
from medts.report.svg import Sheet, element, label, line

_LEFT, _LENGTH, _RIGHT = 26.0, 222.0, 27.0
_HEAD, _FOOT = 7.0, 11.0
_MAX_CHANNELS = 32
_CLOCK = ((3600.0, "h"), (60.0, "min"))
"""Units of the axis of time; a unit is taken if five of it are shown."""


def draw_strips(
    streams: Mapping[str, Stream],
    *,
    seconds: float,
    layers: Sequence[Layer] = (),
    notes: Mapping[str, str] | None = None,
) -> Sheet:
    """Draws a strip per channel, the streams one under the other.

    Args:
        streams: By name.
        seconds: Length shown, at most.
        layers: What to draw behind and over the signal.
        notes: Words at the end of a channel's strip.
    """
    notes = notes or {}
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
        room = Place("", begin_s, begin_s + shown_s, _LEFT, 0.0, 0.92 * pitch, _LENGTH / shown_s)
        drawn = _draw_stream(stream, shown[name], room, top, pitch, layers, notes)
        parts.append(drawn)
        top += pitch * len(shown[name])
    description = f"{', '.join(streams)}: {n_rows} channels, {shown_s:g} s"
    return Sheet(width, height, Markup("").join(parts), description)


def _draw_stream(
    stream: Stream,
    channels: Sequence[str],
    room: Place,
    top: float,
    pitch: float,
    layers: Sequence[Layer],
    notes: Mapping[str, str],
) -> Markup:
    places = [
        centred(
            Place(
                channel,
                room.begin_s,
                room.end_s,
                room.left,
                top + pitch * (row + 0.5),
                room.height,
                room.mm_per_s,
            ),
            stream.signal[row].astype(np.float64),
            stream,
        )
        for row, channel in enumerate(channels)
    ]
    centre = np.array([place.centre for place in places])[:, None]
    n_shown = max(round((room.end_s - stream.start_s) * stream.sampling_rate), 0)
    gain, bar = _gain(stream.signal[: len(channels), :n_shown] - centre, 0.85 * pitch)
    middle = top + pitch * len(channels) / 2
    at = room.left + room.length
    parts = [_scale_bar(at + 4.0, middle, gain, bar, stream.unit)]
    for row, place in enumerate(places):
        parts.append(label(_short(place.channel), 3.0, place.baseline, size=3.0))
        if not is_recorded(stream, place.channel):
            parts.append(draw_absence(place, "not recorded"))
            continue
        scaled = replace(place, mm_per_unit=gain)
        signal = stream.signal[row].astype(np.float64)
        parts += [
            draw_under(scaled, layers),
            draw_gaps(scaled, signal, stream.sampling_rate, stream.start_s),
            draw_line(
                scaled,
                signal,
                stream.sampling_rate,
                stream.start_s,
                class_="trace",
                stroke="#1d1d1f",
                stroke_width=0.22,
                data_channel=place.channel,
            ),
            draw_over(scaled, layers),
        ]
        if place.channel in notes:
            style = {"fill": "#6f6f73", "class_": "grey", "text_anchor": "end"}
            words = notes[place.channel]
            parts.append(label(words, at + _RIGHT - 3.0, place.baseline, size=2.8, **style))
    return Markup("").join(parts)


def _heading(name: str, stream: Stream, top: float) -> Markup:
    words = f"{name} · {stream.unit} · {stream.sampling_rate:g} Hz"
    n_more = len(stream.channels) - _MAX_CHANNELS
    words += f" · {n_more} more channels are not drawn" if n_more > 0 else ""
    return label(words, 3.0, top + 4.2, size=2.8, fill="#6f6f73", class_="grey")


def _short(channel: str) -> str:
    return channel if len(channel) <= 14 else f"{channel[:13]}…"


def _time_axis(begin_s: float, shown_s: float, height: float) -> Markup:
    """Draws a line and a number at every round second or part of one."""
    unit_s, unit = next((each for each in _CLOCK if shown_s >= 5 * each[0]), (1.0, "s"))
    step = _nice(shown_s / unit_s / 5 * 1.01) * unit_s
    parts = []
    for count in range(math.floor(shown_s / step + 1e-6) + 1):
        x = _LEFT + _LENGTH * count * step / shown_s
        ends = np.array([2.0, height - 8.0])
        style = {"class_": "coarse plain-grid", "stroke": "#dfe2e6", "stroke_width": 0.15}
        parts.append(line(np.array([x, x]), ends, **style))
        words = f"{(begin_s + count * step) / unit_s:g} {unit}"
        style = {"fill": "#6f6f73", "class_": "grey", "text_anchor": "middle"}
        parts.append(label(words, x, height - 4.5, size=2.8, **style))
    return Markup("").join(parts)


def _gain(signal: Float[np.ndarray, "C T"], room: float) -> tuple[float, float]:
    """Chooses millimetres per unit, and the length of a scale bar in units."""
    finite = signal[np.isfinite(signal)]
    span = 2 * float(np.quantile(np.abs(finite), 0.998)) if finite.size else 0.0
    if not span > 0:
        return room, 1.0
    return room / span, _nice(span / 2)


def _scale_bar(x: float, middle: float, gain: float, bar: float, unit: str) -> Markup:
    half = gain * bar / 2
    style = {"class_": "trace scale-bar", "stroke": "#1d1d1f", "stroke_width": 0.4}
    drawn = line(np.array([x, x]), np.array([middle - half, middle + half]), **style)
    words = label(f"{bar:g} {unit}", x + 1.6, middle, size=2.8, fill="#6f6f73", class_="grey")
    return drawn + words


def _nice(value: float) -> float:
    """Returns the largest of 1, 2, 5, 10, … (or 0.5, 0.2, …) that is not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * (1 + 1e-9))
