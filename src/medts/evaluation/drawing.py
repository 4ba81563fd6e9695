"""Drawing records: an ECG on millimetre paper, anything else as strips with scale bars.

One unit of the axes is one millimetre of paper, so an ECG has its true scale: 25 mm a second and
10 mm a millivolt. Twelve leads stand as three rows of four, one after the other in time, over a
rhythm strip; a lead that was not recorded is greyed, never drawn flat. Nothing is filtered: every
piece is only centred on its median.

Axes: C channels, T samples in time.
"""

import hashlib
import io
import math
import re
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medts.core.errors import MedtsError, unknown_name
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream

MM_PER_S = 25.0
MM_PER_MV = 10.0

_ROWS_OF_LEADS = (
    ("I", "aVR", "V1", "V4"),
    ("II", "aVL", "V2", "V5"),
    ("III", "aVF", "V3", "V6"),
)
_SHEET, _FINE, _COARSE, _INK = "#fffaf8", "#f8dcd7", "#eeb2aa", "#1d1d1f"
_GREY, _PALE, _PLAIN = "#6f6f73", "#e3e5e8", "#fbfbfc"
_MAX_POINTS = 24_000
_MAX_CHANNELS = 32


@dataclass(frozen=True)
class _Piece:
    """A stretch of one channel and where it starts on its row, in seconds."""

    channel: str
    start_s: float
    length_s: float
    at_s: float = 0.0


def draw_record(record: Record, *, stream: str | None = None, seconds: float = 10.0) -> Figure:
    """Draws the first seconds of a record, in millimetres.

    An ECG in volts goes on paper; other streams, or several together, become stacked strips.

    Args:
        record: What to draw; NaN marks what was not recorded.
        stream: Name of the one stream to draw; all of them if None.
        seconds: Length shown, at most.

    Raises:
        MedtsError: If there is no stream of that name, or ``seconds`` is not positive.
    """
    if not seconds > 0:
        raise MedtsError(f"{seconds} s is nothing to draw", field="seconds")
    if stream is not None and stream not in record.streams:
        raise unknown_name(f"stream of record {record.record_id}", stream, record.streams)
    streams = record.streams if stream is None else {stream: record.streams[stream]}
    if len(streams) == 1:
        only = next(iter(streams.values()))
        if only.modality == "ecg" and only.unit.endswith("V") and len(only.channels) <= 16:
            return _draw_on_paper(only.to_unit("mV"), seconds)
    return _draw_strips(streams, seconds)


def figure_svg(fig: Figure) -> str:
    """Returns a figure as markup to stand inside a page, the same for the same figure.

    Coordinates keep 0.01 point, ids are made unique to the figure, and text stays text.
    """
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "medts", "path.simplify_threshold": 0.04}
    ):
        fig.savefig(buffer, format="svg", metadata=nothing)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg)
    svg = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", svg)
    svg = re.sub(r"\s*\n\s*", " ", svg)
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]
    return re.sub(r"(id=\"|href=\"#|url\(#)", rf"\1f{own}-", svg).strip()


def _draw_on_paper(stream: Stream, seconds: float) -> Figure:
    shown_s = max(min(seconds, stream.duration_s), 1.0)
    rows = _lay_out(stream, shown_s)
    left, edge, pitch = 20.0, 5.0, 25.0
    end_s = max(piece.at_s + piece.length_s for row in rows for piece in row)
    width = math.ceil((left + MM_PER_S * end_s + edge) / 5) * 5
    height = pitch * (len(rows) - 1) + 40.0
    fig, axes = _sheet(width, height, _SHEET)
    _draw_grid(axes, width, height, step=1, color=_FINE, line=0.25)
    _draw_grid(axes, width, height, step=5, color=_COARSE, line=0.45)

    for i, row in enumerate(rows):
        baseline = height - 20.0 - pitch * i
        _draw_pulse(axes, edge, baseline)
        for piece in row:
            _draw_piece(axes, stream, piece, left, baseline)
    words = f"25 mm/s · 10 mm/mV · {stream.sampling_rate:g} Hz"
    axes.text(edge, 3.2, words, fontsize=8.5, color=_GREY, va="center")
    return fig


def _lay_out(stream: Stream, shown_s: float) -> list[list[_Piece]]:
    """Arranges leads: three rows of four over a rhythm strip, or one row per channel.

    In less than four seconds a quarter would show no beat: six rows of two show all of it.
    """
    n_standard = len(set(stream.channels) & set(STANDARD_12_LEADS))
    if n_standard < 6 or n_standard < len(stream.channels):
        return [[_Piece(channel, 0.0, shown_s)] for channel in stream.channels]
    if shown_s < 4.0:
        pairs = zip(STANDARD_12_LEADS[:6], STANDARD_12_LEADS[6:], strict=True)
        return [[_Piece(a, 0.0, shown_s), _Piece(b, 0.0, shown_s, shown_s)] for a, b in pairs]
    quarter_s = shown_s / 4
    rows = [
        [_Piece(lead, i * quarter_s, quarter_s, i * quarter_s) for i, lead in enumerate(leads)]
        for leads in _ROWS_OF_LEADS
    ]
    recorded = [lead for lead in ("II", "V1", *stream.channels) if _is_recorded(stream, lead)]
    return [*rows, [_Piece(recorded[0] if recorded else "II", 0.0, shown_s)]]


def _is_recorded(stream: Stream, channel: str) -> bool:
    """Tells whether a channel has any sample at all."""
    if channel not in stream.channels:
        return False
    return bool(np.isfinite(stream.signal[stream.channels.index(channel)]).any())


def _draw_pulse(axes: Axes, x: float, baseline: float) -> None:
    """Draws the step of 1 mV and 200 ms that says what the scale is."""
    high = baseline + MM_PER_MV
    across = [x, x + 2, x + 2, x + 7, x + 7, x + 9]
    upward = [baseline, baseline, high, high, baseline, baseline]
    axes.plot(across, upward, color=_INK, linewidth=0.8, gid="calibration")


def _draw_piece(axes: Axes, stream: Stream, piece: _Piece, left: float, baseline: float) -> None:
    start, length = left + MM_PER_S * piece.at_s, MM_PER_S * piece.length_s
    if not _is_recorded(stream, piece.channel):
        _draw_absence(axes, piece.channel, start, baseline, length, high=14.0)
        return
    first = round(piece.start_s * stream.sampling_rate)
    last = first + round(piece.length_s * stream.sampling_rate)
    signal = stream.signal[stream.channels.index(piece.channel), first:last]
    time_s = np.arange(signal.size) / stream.sampling_rate
    across, upward = thin(time_s, _centred(signal), limit=round(20 * length))
    axes.plot(
        start + MM_PER_S * across,
        baseline + MM_PER_MV * upward,
        color=_INK,
        linewidth=0.75,
        solid_joinstyle="round",
        gid=f"lead {piece.channel}",
    )
    axes.plot([start, start], [baseline + 7.5, baseline + 10.5], color=_INK, linewidth=0.6)
    axes.text(start + 1.2, baseline + 9, piece.channel, fontsize=10.5, color=_INK, va="center")


def _draw_strips(streams: dict[str, Stream], seconds: float) -> Figure:
    """Draws one strip per channel; the channels of a stream share a gain and a scale bar."""
    begin_s = min(stream.start_s for stream in streams.values())
    end_s = max(stream.start_s + stream.duration_s for stream in streams.values())
    shown_s = max(min(seconds, end_s - begin_s), 0.1)
    channels = {name: stream.channels[:_MAX_CHANNELS] for name, stream in streams.items()}
    n_rows = sum(len(names) for names in channels.values())
    pitch, gap, left, length = (16.0 if n_rows <= 12 else 9.0), 9.0, 26.0, 220.0
    width, height = left + length + 24.0, 12.0 + pitch * n_rows + gap * len(streams)
    fig, axes = _sheet(width, height, _PLAIN)
    whole = np.arange(0.0, shown_s + 1e-9, _nice(shown_s / 8))
    for second in whole.tolist():
        x = left + length * second / shown_s
        axes.plot([x, x], [10.0, height - 2], color=_PALE, linewidth=0.5)
        axes.text(x, 5.5, f"{second:g} s", fontsize=7, color=_GREY, ha="center", va="center")

    y = height
    for name, stream in streams.items():
        cut = len(stream.channels) - len(channels[name])
        words = f"{name} · {stream.sampling_rate:g} Hz" + f" · {cut} more channels" * bool(cut)
        axes.text(3.0, y - gap / 2 - 0.5, words, fontsize=8, color=_GREY, va="center")
        y -= gap
        shift = stream.start_s - begin_s
        n_shown = min(max(round((shown_s - shift) * stream.sampling_rate), 0), stream.n_samples)
        signal = np.stack([_centred(row[:n_shown]) for row in stream.signal])
        gain, bar = _gain(signal, 0.85 * pitch)
        _draw_scale_bar(axes, left + length + 4.0, y - pitch / 2, gain, bar, stream.unit)
        for i, channel in enumerate(channels[name]):
            middle = y - pitch * (i + 0.5)
            axes.text(3.0, middle, channel[:14], fontsize=8.5, color=_INK, va="center")
            if not np.isfinite(signal[i]).any():
                _draw_absence(axes, "", left, middle, length, high=0.6 * pitch)
                continue
            time_s = shift + np.arange(n_shown) / stream.sampling_rate
            across, upward = thin(time_s, signal[i], limit=_MAX_POINTS // n_rows)
            across, upward = left + length * across / shown_s, middle + gain * upward
            axes.plot(across, upward, color=_INK, linewidth=0.6, gid=f"channel {channel}")
        y -= pitch * len(channels[name])
    return fig


def _gain(signal: Float[np.ndarray, "C T"], room: float) -> tuple[float, float]:
    """Chooses millimetres per unit, and the length of a scale bar in units."""
    finite = signal[np.isfinite(signal)]
    span = 2 * float(np.quantile(np.abs(finite), 0.998)) if finite.size else 0.0
    if not span > 0:
        return room, 1.0
    return room / span, _nice(span / 2)


def _draw_scale_bar(
    axes: Axes, x: float, middle: float, gain: float, bar: float, unit: str
) -> None:
    half = gain * bar / 2
    axes.plot([x, x], [middle - half, middle + half], color=_INK, linewidth=1.2, gid="scale bar")
    axes.text(x + 2, middle, f"{bar:g} {unit}", fontsize=7.5, color=_GREY, va="center")


def _draw_absence(
    axes: Axes, channel: str, x: float, baseline: float, length: float, *, high: float
) -> None:
    place = (x + 1, baseline - high / 2)
    axes.add_patch(Rectangle(place, length - 2, high, facecolor="#cfcfd2", alpha=0.45, linewidth=0))
    words = f"{channel}  not recorded".strip()
    axes.text(x + length / 2, baseline, words, fontsize=9, color=_GREY, ha="center", va="center")


def _draw_grid(
    axes: Axes, width: float, height: float, *, step: int, color: str, line: float
) -> None:
    """Draws both directions as one path, which keeps the file small."""
    gap = math.nan
    upright = [[x, x, gap, 0.0, height, gap] for x in np.arange(0.0, width + step, step)]
    level = [[0.0, width, gap, y, y, gap] for y in np.arange(0.0, height + step, step)]
    lines = np.array(upright + level)
    axes.plot(lines[:, :3].ravel(), lines[:, 3:].ravel(), color=color, linewidth=line)


def _sheet(width: float, height: float, color: str) -> tuple[Figure, Axes]:
    """Returns a figure and axes in which one unit is one millimetre."""
    fig = Figure(figsize=(width / 25.4, height / 25.4), facecolor=color)
    axes = fig.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return fig, axes


def thin(
    time_s: Float[np.ndarray, "T"], signal: Float[np.ndarray, "T"], *, limit: int
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Keeps the lowest and highest value of every run of samples, so that no peak is lost."""
    if signal.size <= limit:
        return time_s, signal
    run = math.ceil(2 * signal.size / limit)
    n_runs = math.ceil(signal.size / run)
    padded = np.pad(signal, (0, n_runs * run - signal.size), constant_values=np.nan)
    runs = padded.reshape(n_runs, run)
    ends = np.stack([np.fmin.reduce(runs, axis=1), np.fmax.reduce(runs, axis=1)], axis=1)
    starts = time_s[::run]
    half = (time_s[1] - time_s[0]) * run / 2
    return np.stack([starts, starts + half], axis=1).ravel(), ends.ravel()


def _centred(signal: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    finite = signal[np.isfinite(signal)]
    return signal - np.median(finite) if finite.size else signal


def _nice(value: float) -> float:
    """Returns the largest of 1, 2, 5, 10, … (or 0.5, 0.2, …) that is not above ``value``."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (5, 2, 1) if step * power <= value * (1 + 1e-9))
