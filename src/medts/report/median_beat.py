"""Median beat on millimetre paper (50 mm/s, 10 mm/mV), with the bounds of P, QRS and T.

Axes: C channels, P samples of a beat.
"""

import math

import numpy as np
from markupsafe import Markup

from medts.report.paper import MM_PER_MV, draw_grid
from medts.report.svg import Sheet, element, label, line, rectangles
from medts.signal.delineation import Waves
from medts.signal.median_beat import MedianBeat

_MM_PER_S = 50.0
_COLUMNS = 4
_ORDER = ("I", "aVR", "V1", "V4", "II", "aVL", "V2", "V5", "III", "aVF", "V3", "V6")


def draw_median_beat(beat: MedianBeat, waves: Waves, channels: tuple[str, ...]) -> Sheet:
    """Draws each lead of a median beat in a cell of its own, its waves shaded."""
    names = [name for name in _ORDER if name in channels]
    names += [name for name in channels if name not in names]
    level_at = slice(
        max(0, waves.qrs_onset - round(0.02 * beat.sampling_rate)), waves.qrs_onset + 1
    )
    signal = beat.signal - beat.signal[:, level_at].mean(axis=1, keepdims=True)
    length = signal.shape[1] / beat.sampling_rate * _MM_PER_S
    n_columns = min(_COLUMNS, len(names))
    n_rows = math.ceil(len(names) / n_columns)
    above = 5 * math.ceil(MM_PER_MV * min(max(float(signal.max()), 0.6), 3.0) / 5 + 0.6)
    below = 5 * math.ceil(MM_PER_MV * min(max(-float(signal.min()), 0.4), 2.5) / 5)
    cell = (5 * math.ceil(length / 5) + 5, above + below)
    width, height = n_columns * cell[0] + 5.0, n_rows * cell[1] + 10.0
    parts = [
        element("rect", class_="ground", width=width, height=height, fill="#fffaf8"),
        draw_grid(width, height),
    ]
    across = np.arange(signal.shape[1]) / beat.sampling_rate * _MM_PER_S
    for number, name in enumerate(names):
        row, column = divmod(number, n_columns)
        left, top = 5.0 + column * cell[0], 2.5 + row * cell[1]
        parts.append(_shading(waves, beat.sampling_rate, left, top, cell[1]))
        values = signal[channels.index(name)]
        style = {"class_": "trace", "stroke": "#1d1d1f", "stroke_width": 0.32}
        parts.append(line(left + across, top + above - MM_PER_MV * values, **style))
        parts.append(label(name, left + 0.8, top + 3.2, size=3.4, font_weight="500"))
    words = "50 mm/s · 10 mm/mV"
    parts.append(label(words, 5.0, height - 3.0, fill="#6f6f73", class_="grey"))
    return Sheet(width, height, Markup("").join(parts), f"median beat: {', '.join(names)}")


def _shading(waves: Waves, rate: float, left: float, top: float, height: float) -> Markup:
    """Draws the stretches of P, QRS and T behind a lead."""
    t_begin = None if waves.t_end is None else waves.qrs_end
    parts = []
    for kind, colour, begin, end in (
        ("p-wave", "#4c86b8", waves.p_onset, waves.p_end),
        ("qrs-wave", "#c2410c", waves.qrs_onset, waves.qrs_end),
        ("t-wave", "#3f8f63", t_begin, waves.t_end),
    ):
        if begin is not None and end is not None:
            x, wide = left + begin / rate * _MM_PER_S, (end - begin) / rate * _MM_PER_S
            box = [(x, top, wide, height)]
            parts.append(rectangles(box, class_=kind, fill=colour, fill_opacity=0.1))
    return Markup("").join(parts)
