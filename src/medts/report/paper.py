"""Drawing records: an ECG on millimetre paper (25 mm/s, 10 mm/mV), anything else as strips.

One unit of the drawing is one millimetre, so an ECG has its true scale. Twelve leads stand as
3×4 over a rhythm strip, as 6×2 or as 12×1; a lead or a stretch that was not recorded is greyed,
never drawn flat. Nothing is filtered: every piece is only centred on its median.

Axes: T samples in time.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from markupsafe import Markup

from medts.core.errors import MedtsError, unknown_name
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.report.place import GREY_WORDS, Layer, Place, draw_absence, draw_channel
from medts.report.strips import draw_strips
from medts.report.svg import Sheet, element, label, line, straight

MM_PER_S = 25.0
MM_PER_MV = 10.0

Layout = Literal["3x4+1", "6x2", "12x1"]
"""Rows by columns of the twelve leads; ``+1`` is a rhythm strip under them."""

_ROWS_OF_LEADS = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
_LEFT, _EDGE, _LEAST_ROOM, _MOST_ROOM = 20.0, 5.0, 20.0, 50.0
_MAX_ON_PAPER = 16


def draw_record(
    record: Record,
    *,
    stream: str | None = None,
    seconds: float = 10.0,
    layout: Layout | None = None,
    layers: Sequence[Layer] = (),
    notes: Mapping[str, str] | None = None,
) -> Sheet:
    """Draws the first seconds of a record; a template prints the result as SVG.

    An ECG in volts goes on paper; other streams, or several together, become stacked strips.

    Args:
        record: What to draw; NaN marks what was not recorded.
        stream: Name of the one stream to draw; all of them if None.
        seconds: Length shown, at most.
        layout: Of twelve leads. If None, 3x4+1, under four seconds 6x2, and 12x1 with layers,
            which would lose what lies outside of a lead's quarter.
        layers: What to draw behind and over the signal.
        notes: Words behind the name of a channel.

    Raises:
        MedtsError: If there is no stream of that name, or ``seconds`` is not positive.
    """
    if not seconds > 0:
        raise MedtsError(f"{seconds} s is nothing to draw", field="seconds")
    if stream is not None and stream not in record.streams:
        raise unknown_name(f"stream of record {record.record_id}", stream, record.streams)
    streams = record.streams if stream is None else {stream: record.streams[stream]}
    if len(streams) == 1 and is_paper(only := next(iter(streams.values()))):
        return draw_paper(only.to_unit("mV"), seconds, layout, layers, notes or {})
    return draw_strips(streams, seconds=seconds, layers=layers, notes=notes or {})


def is_paper(stream: Stream) -> bool:
    """Returns whether a stream is drawn on ECG paper: an ECG in volts of up to 16 leads."""
    is_ecg = stream.modality == "ecg" and stream.unit.endswith("V")
    return is_ecg and len(stream.channels) <= _MAX_ON_PAPER


def draw_paper(
    stream: Stream,
    seconds: float,
    layout: Layout | None,
    layers: Sequence[Layer],
    notes: Mapping[str, str],
) -> Sheet:
    """Draws an ECG in millivolts on millimetre paper."""
    shown_s = max(min(seconds, stream.duration_s), 1.0)
    if layout is None:
        layout = "12x1" if layers else "6x2" if shown_s < 4.0 else "3x4+1"
    rows = lay_out(stream, shown_s, layout)
    pitch = 25.0 if len(rows) <= 6 else 20.0
    length = max(place.left + place.length for row in rows for place in row)
    width = math.ceil((_LEFT + length + _EDGE) / 5) * 5.0
    above = _room(rows[0], is_above=True)
    below = _room(rows[-1], is_above=False)
    height = math.ceil((above + pitch * (len(rows) - 1) + below) / 5) * 5.0
    parts = [
        element("rect", class_="ground", width=width, height=height, fill="#fffaf8"),
        draw_grid(width, height),
    ]
    for number, row in enumerate(rows):
        baseline = above + pitch * number
        parts.append(_pulse(_EDGE, baseline))
        for place in row:
            left, high = _LEFT + place.left, 0.92 * pitch
            moved = replace(place, left=left, baseline=baseline, height=high)
            parts.append(_piece(moved, layers, notes.get(place.channel, "")))
    words = f"25 mm/s · 10 mm/mV · {stream.sampling_rate:g} Hz"
    parts.append(label(words, _EDGE, height - 3.2, size=3.0, **GREY_WORDS))
    description = f"ECG of {shown_s:g} s: {', '.join(stream.channels)}; {words}"
    return Sheet(width, height, Markup("").join(parts), description)


def lay_out(stream: Stream, shown_s: float, layout: Layout) -> list[list[Place]]:
    """Arranges leads in rows; one row per channel where they are not the standard twelve.

    In less than four seconds a half or a quarter would show no beat: two columns show all of it.
    """
    n_standard = len(set(stream.channels) & set(STANDARD_12_LEADS))
    if n_standard < 6 or n_standard < len(stream.channels):
        columns = [stream.channels]
    elif layout == "12x1":
        columns = [STANDARD_12_LEADS]
    elif layout == "6x2":
        columns = [STANDARD_12_LEADS[:6], STANDARD_12_LEADS[6:]]
    else:
        columns = list(zip(*_ROWS_OF_LEADS, strict=True))
    is_short = shown_s < 4.0
    part_s = shown_s if is_short else shown_s / len(columns)

    def place(lead: str, from_s: float, length_s: float, at_s: float = 0.0) -> Place:
        begin_s = stream.start_s + from_s
        scale = {"mm_per_s": MM_PER_S, "mm_per_unit": MM_PER_MV}
        return Place(stream, lead, begin_s, begin_s + length_s, left=MM_PER_S * at_s, **scale)

    rows = [
        [place(lead, 0.0 if is_short else i * part_s, part_s, i * part_s) for i, lead in row]
        for row in map(enumerate, zip(*columns, strict=True))
    ]
    if len(columns) == 4:
        strips = [place(lead, 0.0, shown_s) for lead in ("II", "V1", *stream.channels)]
        rows.append([next((each for each in strips if each.is_recorded), strips[0])])
    return rows


def _room(row: Sequence[Place], *, is_above: bool) -> float:
    """Returns millimetres between an outer row and the edge, so that no tall wave is cut off."""
    reach = _LEAST_ROOM
    for place in row:
        if not place.is_recorded:
            continue
        deviation = place.signal[slice(*place.samples(place.stream))] - place.centre
        finite = deviation[np.isfinite(deviation)]
        if finite.size:
            # Under the lowest row stand the words about the scale.
            end = float(finite.max()) + 0.2 if is_above else 0.6 - float(finite.min())
            reach = max(reach, MM_PER_MV * end)
    return 5.0 * math.ceil(min(reach, _MOST_ROOM) / 5)


def _piece(place: Place, layers: Sequence[Layer], note: str) -> Markup:
    """Draws one lead with its name and what lies over it."""
    if not place.is_recorded:
        return draw_absence(place, f"{place.channel}  not recorded")
    x, y = place.left, place.baseline
    tick = {"class_": "trace", "stroke": "#1d1d1f", "stroke_width": 0.22}
    return (
        draw_channel(place, layers, stroke_width=0.27)
        + straight(x, y - 10.5, x, y - 7.5, **tick)
        + _name(place.channel, note, x + 1.2, y - 8.6)
    )


def _name(channel: str, note: str, x: float, y: float) -> Markup:
    """Writes the lead's name, and small and grey behind it the note."""
    # A halo in the colour of the paper keeps the name readable where a trace crosses it.
    halo = {"paint_order": "stroke", "stroke": "#fffaf8", "stroke_width": "0.8"}
    named = label(channel, x, y, size=3.7, font_weight="500", class_="ink halo", **halo)
    if not note:
        return named
    return named + label(note, x + 2.6 * len(channel) + 2.5, y, size=2.8, **GREY_WORDS)


def _pulse(x: float, baseline: float) -> Markup:
    """Draws the calibration mark of 1 mV and 200 ms."""
    high = baseline - MM_PER_MV
    across = np.array([x, x + 2, x + 2, x + 7, x + 7, x + 9])
    down = np.array([baseline, baseline, high, high, baseline, baseline])
    return line(across, down, class_="trace calibration", stroke="#1d1d1f", stroke_width=0.28)


def draw_grid(width: float, height: float) -> Markup:
    """Draws the lines of millimetre paper."""
    fine = _grid(width, height, step=1.0, class_="fine", stroke="#f8dcd7", stroke_width=0.09)
    return fine + _grid(
        width, height, step=5.0, class_="coarse", stroke="#eeb2aa", stroke_width=0.16
    )


def _grid(width: float, height: float, *, step: float, **attributes: str | float) -> Markup:
    """Draws both directions as one path, which keeps the file small."""
    upright = "".join(f"M{x:g} 0V{height:g}" for x in np.arange(0.0, width + step / 2, step))
    level = "".join(f"M0 {y:g}H{width:g}" for y in np.arange(0.0, height + step / 2, step))
    return element("path", d=upright + level, fill="none", **attributes)
