"""Multi-segment WFDB records: segments joined in time, gaps as NaN.

In a fixed layout every segment holds the same channels; in a variable layout the first segment
has no samples and lists all channels there are. Channels are matched by name in both, and every
segment is converted to the unit in which a channel first occurs.

Axes: T samples in time.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from medts.core.errors import MedtsError, ReadError
from medts.core.montage import canonical_channel
from medts.core.units import conversion_factor
from medts.formats.base import Channel, Hints, settle_rate
from medts.formats.wfdb_header import (
    NULL_FILE,
    Header,
    Signal,
    load,
    parse,
    parse_segments,
    parse_signals,
)
from medts.formats.wfdb_signals import not_recorded, read_samples, to_physical


@dataclass(frozen=True)
class _Segment:
    """A segment with samples: where it begins, in frames, and what it holds."""

    header: Header
    start: int
    signals: list[Signal]
    samples: list[Int[np.ndarray, "_"] | None]


def join_segments(header: Header, hints: Hints) -> tuple[float, list[Channel]]:
    """Returns the frame rate and the joined channels.

    A channel has a resolution where all its segments have the same.
    """
    layout, segments, n_frames = _read_segments(header)
    if header.n_frames not in (None, n_frames):
        problem = f"the segments hold {n_frames} frames, the header says {header.n_frames}"
        raise ReadError(problem, path=header.path, field="number of samples")
    if not segments:
        raise ReadError("no segment holds a signal", path=header.path)
    rates = [each.header.rate for each in segments if each.header.rate is not None]
    stated = header.rate or (rates[0] if rates else None)
    rate = settle_rate(header.path, stated, hints)
    odd = next((each for each in rates if abs(each - rate) > 1e-6 * rate), None)
    if odd is not None:
        problem = f"a segment has {odd:g} Hz, the record {rate:g} Hz"
        raise ReadError(problem, path=header.path, field="sampling rate")
    reference = layout or segments[0].signals
    if len(reference) != header.n_channels:
        problem = f"{header.n_channels} channels are promised, {len(reference)} described"
        raise ReadError(problem, path=header.path)
    places = [_match(each, reference, is_subset_allowed=layout is not None) for each in segments]
    recorded = sum(each.size for part in segments for each in part.samples if each is not None)
    not_recorded(n_frames * sum(each.per_frame for each in reference) - recorded, header.path)
    channels = [
        _join(
            [
                (part, places[number].index(row))
                for number, part in enumerate(segments)
                if row in places[number]
            ],
            signal,
            n_frames,
            rate,
        )
        for row, signal in enumerate(reference)
    ]
    return rate, channels


def _read_segments(header: Header) -> tuple[list[Signal] | None, list[_Segment], int]:
    """Returns the layout, if there is one, the segments with samples, and the frames in all."""
    layout: list[Signal] | None = None
    segments: list[_Segment] = []
    start = 0
    for row, (name, stated) in enumerate(parse_segments(header)):
        if name == NULL_FILE:
            start += stated or 0
            continue
        text = load(header.path.with_name(f"{name}.hea"))
        if text is None:
            remedy = "Fetch it as well"
            raise ReadError(f"no header of segment {name!r}", path=header.path, remedy=remedy)
        part = parse(text)
        if part.n_segments is not None:
            raise ReadError("a segment that has segments itself", path=part.path)
        signals = parse_signals(part)
        if row == 0 and not stated and all(each.file == NULL_FILE for each in signals):
            layout = signals
            continue
        if stated == 0:
            continue
        if None not in (stated, part.n_frames) and stated != part.n_frames:
            problem = f"{stated} frames of segment {name!r}, whose own header says {part.n_frames}"
            raise ReadError(problem, path=header.path, field=f"segment line {row + 1}")
        part = replace(part, n_frames=part.n_frames or stated)
        n_frames, samples = read_samples(part, signals)
        segments.append(_Segment(part, start, signals, samples))
        start += n_frames
    return layout, segments, start


def _match(segment: _Segment, reference: list[Signal], *, is_subset_allowed: bool) -> list[int]:
    """Returns the row of the record that each signal of a segment belongs to."""
    known = [canonical_channel(each.name) for each in reference]
    names = [canonical_channel(each.name) for each in segment.signals]
    is_distinct = len(set(names)) == len(names) and len(set(known)) == len(known)
    if names == known:
        rows = list(range(len(names)))
    elif is_distinct and (set(names) <= set(known) if is_subset_allowed else {*names} == {*known}):
        rows = [known.index(name) for name in names]
    else:
        problem = f"holds the channels {', '.join(names)}, other segments {', '.join(known)}"
        raise ReadError(problem, path=segment.header.path, remedy="Read the segments one by one")
    for row, signal in zip(rows, segment.signals, strict=True):
        if signal.per_frame != reference[row].per_frame:
            raise ReadError(
                f"{signal.per_frame} samples per frame, in other segments "
                f"{reference[row].per_frame}",
                path=segment.header.path,
                field=signal.field,
                remedy="Read the segments one by one",
            )
    return rows


def _join(parts: list[tuple[_Segment, int]], signal: Signal, n_frames: int, rate: float) -> Channel:
    """Joins one channel: each part is a segment and the row that the channel has there."""
    values = np.full(n_frames * signal.per_frame, np.nan)
    unit = parts[0][0].signals[parts[0][1]].unit if parts else signal.unit
    steps: set[float] = set()
    for segment, row in parts:
        held, samples = segment.signals[row], segment.samples[row]
        if samples is None:
            continue
        physical = to_physical(samples, held, segment.header.path)
        factor = _factor(held, unit, segment.header)
        start = segment.start * signal.per_frame
        values[start : start + len(physical)] = physical * factor
        assert held.gain is not None
        steps.add(factor / abs(held.gain))
    return Channel(
        name=signal.name,
        values=values,
        sampling_rate=rate * signal.per_frame,
        unit=unit,
        resolution=steps.pop() if len(steps) == 1 else None,
    )


def _factor(signal: Signal, unit: str, header: Header) -> float:
    if signal.unit == unit:  # also where the unit is unknown
        return 1.0
    try:
        return conversion_factor(signal.unit, unit)
    except MedtsError as error:
        problem = f"unit {signal.unit!r} cannot be converted to {unit!r}, which another segment has"
        remedy = "Read the segments one by one"
        raise ReadError(problem, path=header.path, field=signal.field, remedy=remedy) from error
