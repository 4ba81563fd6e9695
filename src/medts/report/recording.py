"""recording.html: a recording as it was made, with its quality, measurements and facts beside it.

An ECG lies on its millimetre paper, anything else in strips; of a long recording a stretch is drawn
and all of it is seen at a glance. SVG holds the drawing alone.

Axes: T samples in time, N beats.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from medts.core.errors import ConfigError, MedtsError
from medts.core.files import write_whole
from medts.core.records import Record, Stream
from medts.report.layers import Spans
from medts.report.median_beat import draw_median_beat
from medts.report.page import render, write_page
from medts.report.paper import draw_record
from medts.report.strips import draw_strips
from medts.report.svg import Sheet
from medts.signal.measure import UNITS, Measurements, measure
from medts.signal.quality import Quality, judge

HEADLINE = {
    "rate_bpm": "Heart rate",
    "pr_ms": "PR",
    "qrs_ms": "QRS",
    "qt_ms": "QT",
    "qtc_fridericia_ms": "QTc (Fridericia)",
    "axis_deg": "QRS axis",
    "rmssd_ms": "RMSSD",
}
"""Measurements that stand in large figures, by their names."""

OTHERS = {
    "rr_ms": "RR interval",
    "sdnn_ms": "SDNN",
    "pnn50_ratio": "pNN50",
    "p_ms": "P duration",
    "qtc_bazett_ms": "QTc (Bazett)",
}
"""Measurements that stand in a table."""

_MOST_IN_OVERVIEW = 6


@dataclass(frozen=True)
class Shown:
    """What is shown of a recording.

    Args:
        record: The recording.
        quality: Of all of it.
        measured: Of its ECG; None where it has none.
        start_s: Where the drawing begins, from the start of the record.
        seconds: Length drawn, at most.
        file: Where it was read from.
        format: Name of the format.
    """

    record: Record
    quality: Quality
    measured: Measurements | None
    start_s: float = 0.0
    seconds: float = 10.0
    file: str = ""
    format: str = ""


def look_at(record: Record, **facts: str | float) -> Shown:
    """Judges and measures a recording for its page.

    Raises:
        ConfigError: If nothing of the recording lies after ``start_s``.
    """
    quality = judge(record)
    try:
        measured = measure(record, quality=quality)
    except MedtsError:  # no ECG
        measured = None
    shown = Shown(record, quality, measured, **facts)  # pyright: ignore[reportArgumentType]
    if not 0 <= shown.start_s < record.duration_s:
        raise ConfigError(
            f"{shown.start_s:g} s lies outside of the recording",
            field="start",
            remedy=f"It lasts {record.duration_s:g} s",
        )
    return shown


def write_recording(out: str | Path, shown: Shown) -> Path:
    """Writes a page (``.html``) or the drawing alone (``.svg``, ``.png``), by the name given.

    Raises:
        ConfigError: If the name ends in something else.
    """
    out = Path(out)
    if out.suffix == ".html":
        return write_page(out, recording_page(shown))
    if out.suffix not in (".svg", ".png"):
        raise ConfigError(
            f"cannot draw into {out.name!r}", field="out", remedy="Write .html, .svg or .png"
        )
    drawing = str(drawn(shown))
    if out.suffix == ".svg":
        return write_page(out, drawing)
    import resvg_py  # pyright: ignore[reportMissingImports] - the extra png

    with write_whole(out) as target:
        target.write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=drawing, dpi=200)))
    return out


def drawn(shown: Shown) -> Sheet:
    """Draws the stretch that is shown."""
    return draw_record(_cut(shown.record, shown.start_s, shown.seconds), seconds=shown.seconds)


def recording_page(shown: Shown) -> str:
    """Returns the page of one recording."""
    measured = shown.measured
    known = {} if measured is None else {each.name: each.value for each in measured.values()}
    beat = None
    if measured is not None and measured.beat is not None and measured.waves is not None:
        beat = draw_median_beat(measured.beat, measured.waves, measured.channels)
    return render(
        "recording",
        title=shown.record.record_id,
        shown=shown,
        drawing=drawn(shown),
        overview=_overview(shown),
        beat=beat,
        headline=[
            (name, _figures(key, known[key]), UNITS[key])
            for key, name in HEADLINE.items()
            if key in known
        ],
        others=[
            (name, f"{_figures(key, known[key])} {UNITS[key]}".strip())
            for key, name in OTHERS.items()
            if key in known
        ],
        by_lead=_by_lead(measured),
        problems=_problems(shown),
        facts=_facts(shown),
    )


def _cut(record: Record, start_s: float, seconds: float) -> Record:
    """Returns a stretch of a record; the clock goes on counting from its start."""
    streams = {}
    for name, stream in record.streams.items():
        first = max(0, round((start_s - stream.start_s) * stream.sampling_rate))
        last = max(0, round((start_s + seconds - stream.start_s) * stream.sampling_rate))
        if first < min(last, stream.n_samples):
            begin_s = stream.start_s + first / stream.sampling_rate
            streams[name] = replace(stream, signal=stream.signal[:, first:last], start_s=begin_s)
    return replace(record, streams=streams)


def _overview(shown: Shown) -> Sheet | None:
    """Draws all of a recording that is longer than what is shown; a few channels of each stream."""
    if shown.record.duration_s < 1.5 * shown.seconds:
        return None
    n_each = max(1, _MOST_IN_OVERVIEW // len(shown.record.streams))
    streams = {
        name: stream.pick(stream.channels[:n_each]) for name, stream in shown.record.streams.items()
    }
    if shown.measured is not None and (rate := _rate_trend(shown.measured)) is not None:
        streams["heart rate"] = rate
    span = (shown.start_s, shown.start_s + shown.seconds)
    names = {channel for stream in streams.values() for channel in stream.channels}
    marked = Spans({name: [span] for name in names}, "shown")
    return draw_strips(streams, seconds=shown.record.duration_s, layers=[marked])


def _rate_trend(measured: Measurements) -> Stream | None:
    """Returns the heart rate once a second, the median of five intervals; None of a few beats."""
    if len(measured.r_s) < 20:
        return None
    rate = 60 / np.diff(measured.r_s)
    smooth = np.median(sliding_window_view(np.pad(rate, 2, mode="edge"), 5), axis=1)
    time_s = np.arange(measured.r_s[0], measured.r_s[-1])
    signal = np.interp(time_s, measured.r_s[1:], smooth)[None]
    return Stream(signal, ("rate",), 1.0, "hr", "bpm", start_s=float(measured.r_s[0]))


def _by_lead(measured: Measurements | None) -> list[tuple[str, str, str]]:
    if measured is None:
        return []
    return [
        (lead, f"{level:+.2f}", f"{measured.t_mv[lead]:+.2f}" if lead in measured.t_mv else "–")
        for lead, level in measured.st_mv.items()
    ]


def _figures(name: str, value: float) -> str:
    return f"{value:.0%}" if name.endswith("ratio") else f"{value:.0f}"


def _problems(shown: Shown) -> list[tuple[str, str]]:
    """Returns the channels that have a finding, and how many have none."""
    quality = shown.quality
    names = (*quality.findings, *quality.not_judged)
    found = [(name, "; ".join(quality.problems(name))) for name in names]
    rows = [(name, words) for name, words in found if words]
    n_clean = len(names) - len(rows)
    if n_clean:
        rows.append(
            (f"{n_clean} {'other ' if rows else ''}channel{'s' * (n_clean > 1)}", "no finding")
        )
    return rows


def _facts(shown: Shown) -> dict[str, str]:
    """Returns what is known about a recording, as words."""
    record = shown.record
    facts = {"File": shown.file, "Format": shown.format, "Length": _duration(record.duration_s)}
    for name, stream in record.streams.items():
        what = f"{len(stream.channels)} channels, {stream.sampling_rate:g} Hz, {stream.unit}"
        facts[f"Stream {name}"] = what.replace("1 channels", "1 channel")
    if record.annotations:
        kinds = sorted({each.kind for each in record.annotations})
        facts["Annotations"] = f"{len(record.annotations)} ({', '.join(kinds)})"
    facts |= {
        name.replace("_", " ").capitalize(): f"{fact:g}" if isinstance(fact, float) else str(fact)
        for name, fact in record.facts.items()
        if fact is not None
    }
    if record.statements:
        facts["Statements"] = ", ".join(each.code for each in record.statements)
    if record.report:
        facts["Report"] = record.report
    return {name: words for name, words in facts.items() if words}


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.4g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
