"""Labelled windows of one record, from intervals or events in a table.

Intervals label the windows of a grid that begins with the record: what holds throughout a window
is its label, and a window in which something changes has none. Events get one window each, which
is NaN past either end of the record. These are the rules of `medts.data.sources.mit_bih`.

Axes: C channels, T samples in time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Annotation, Record, Stream
from medts.data.folders.settings import FolderSettings
from medts.data.folders.table import Row, Table
from medts.data.sources.base import Entry, Labels
from medts.data.sources.pieces import cut, tile


@dataclass(frozen=True)
class Mark:
    """An interval or event of a file: its times in seconds, its labels, and its row."""

    start_s: float
    stop_s: float
    labels: Labels
    row: Row


@dataclass(frozen=True)
class Place:
    """Where a window is: an interval of the record, or the surroundings of an event."""

    start_s: float
    stop_s: float
    event_s: float | None = None

    def cut(self, stream: Stream) -> Stream | None:
        """Returns what a stream has there; None if nothing."""
        if self.event_s is None:
            return cut(stream, self.start_s, self.stop_s)
        rate = stream.sampling_rate
        first = round((self.event_s - stream.start_s) * rate)
        first -= round((self.event_s - self.start_s) * rate)
        n_samples = round((self.stop_s - self.start_s) * rate)
        low, high = max(first, 0), min(first + n_samples, stream.n_samples)
        if high <= low or not np.isfinite(stream.signal[:, low:high]).any():
            return None
        signal = np.full((len(stream.signal), n_samples), np.nan, dtype=stream.signal.dtype)
        signal[:, low - first : high - first] = stream.signal[:, low:high]
        return replace(stream, signal=signal, start_s=0.0)


def read_marks(
    table: Table, rows: Sequence[Row], settings: FolderSettings, labels_of: Mapping[int, Labels]
) -> tuple[Mark, ...]:
    """Reads the intervals or events of one file, in the order of time.

    Raises:
        ReadError: If a time is missing or negative, or an interval ends before it begins.
    """
    marks = []
    for row in rows:
        if row.number not in labels_of:
            continue  # it only says that the file belongs to the corpus
        start_s = table.number(row, settings.start_column, "--start-column")
        if start_s < 0:
            problem = "lies before the start of the recording"
            raise table.fault(problem, (row,), settings.start_column, "--start-column")
        stop_s = start_s
        if settings.end_column:
            stop_s = table.number(row, settings.end_column, "--end-column")
            if not stop_s > start_s:
                problem = f"the interval ends at {stop_s:g} s and begins at {start_s:g} s"
                raise table.fault(problem, (row,), settings.end_column, "--end-column")
        marks.append(Mark(start_s, stop_s, labels_of[row.number], row))
    return tuple(sorted(marks, key=lambda mark: mark.start_s))


def check_overlaps(
    table: Table, marks: Sequence[Mark], settings: FolderSettings, label_sets: Sequence[LabelSet]
) -> None:
    """Checks that of intervals of which one holds, two never hold at once.

    Raises:
        ReadError: If two overlap; it names both rows.
    """
    for label_set in label_sets:
        name = label_set.name.partition("/")[2]
        last: Mark | None = None
        for mark in marks if label_set.kind != "multi" else ():
            if last and mark.start_s < last.stop_s - 1e-6:
                if mark.labels[name] != last.labels[name]:
                    problem = f"intervals of {name} overlap"
                    remedy = (
                        "Correct the times; or pass --label-separator ';' if several classes may "
                        "hold at once"
                    )
                    rows = (last.row, mark.row)
                    column = settings.start_column
                    raise table.fault(problem, rows, column, "--start-column", remedy)
                last = replace(last, stop_s=max(last.stop_s, mark.stop_s))
            else:
                last = mark


def list_windows(
    read: Callable[[], Record],
    marks: Sequence[Mark],
    settings: FolderSettings,
    label_sets: Sequence[LabelSet],
    *,
    entry: Entry,
    table: Table,
) -> Iterator[Entry]:
    """Lists the windows of one recording as ``name/0000``, ``name/0001``, ….

    Args:
        read: Reads the recording; quick when it is called again.
        marks: Its intervals or events.
        settings: Length and kind of the windows.
        label_sets: What the marks are labels of.
        entry: The whole recording: id, subject and fold.
        table: Names the rows in errors.

    Raises:
        ReadError: If the recording cannot be read, or a mark begins after its end.
    """
    record = read()
    tolerance_s = 0.5 / max(stream.sampling_rate for stream in record.streams.values())
    for mark in marks:
        if mark.start_s >= record.duration_s + tolerance_s:
            problem = f"{mark.start_s:g} s is past the end, at {record.duration_s:g} s"
            remedy = "Times are seconds from the start of the file"
            rows, column = (mark.row,), settings.start_column
            raise table.fault(problem, rows, column, "--start-column", remedy)
    window_s = settings.window_s or record.duration_s
    if settings.end_column:
        places = [Place(*edges) for edges in tile(0.0, record.duration_s, window_s)]
        labels = [
            _held(touching, place, label_sets, settings, tolerance_s)
            for place, touching in _touching(marks, places, tolerance_s)
        ]
        if not places:
            raise ReadError(f"lasts less than {window_s / 2:g} s", field="--window-s")
    else:
        before_s = window_s / 2 if settings.before_s is None else settings.before_s
        starts = [(mark.start_s - before_s, mark.start_s) for mark in marks]
        places = [Place(start_s, start_s + window_s, at) for start_s, at in starts]
        labels = [mark.labels for mark in marks]
    for number, (place, found) in enumerate(zip(places, labels, strict=True)):
        record_id = f"{entry.record_id}/{number:04d}"
        load = partial(load_window, read, place, record_id=record_id)
        yield replace(entry, record_id=record_id, load=load, labels=found)


def load_window(read: Callable[[], Record], place: Place, *, record_id: str) -> Record:
    """Cuts a window out of a recording, with its annotations in seconds from its own start."""
    whole = read()
    cuts = {name: place.cut(stream) for name, stream in whole.streams.items()}
    streams = {name: stream for name, stream in cuts.items() if stream is not None}
    if not streams:
        problem = f"nothing was recorded between {place.start_s:g} and {place.stop_s:g} s"
        raise ReadError(problem, field=record_id)
    facts = {**whole.facts, "recording": whole.record_id, "start_s": round(place.start_s, 6)}
    marks = tuple(_annotations(whole, place))
    return replace(whole, record_id=record_id, streams=streams, annotations=marks, facts=facts)


def _annotations(whole: Record, place: Place) -> Iterator[Annotation]:
    """Yields what is annotated there; what lasts is cut off at both ends."""
    for each in whole.annotations:
        start_s = max(each.time_s, place.start_s)
        stop_s = min(each.time_s + each.duration_s, place.stop_s)
        if place.start_s <= each.time_s < place.stop_s or stop_s - start_s > 1e-6:
            shifted = start_s - place.start_s
            yield replace(each, time_s=shifted, duration_s=max(0.0, stop_s - start_s))


def _touching(
    marks: Sequence[Mark], places: Sequence[Place], tolerance_s: float
) -> Iterator[tuple[Place, list[Mark]]]:
    """Yields consecutive windows with the intervals that reach into them."""
    n_seen, touching = 0, list[Mark]()
    for place in places:
        begin, end = place.start_s + tolerance_s, place.stop_s - tolerance_s
        while n_seen < len(marks) and marks[n_seen].start_s < end:
            touching.append(marks[n_seen])
            n_seen += 1
        touching = [mark for mark in touching if mark.stop_s > begin]
        yield place, touching


def _held(
    touching: Sequence[Mark],
    place: Place,
    label_sets: Sequence[LabelSet],
    settings: FolderSettings,
    tolerance_s: float,
) -> dict[str, tuple[str, ...] | None]:
    """Returns what holds throughout a window, for each label set."""
    begin, end = place.start_s + tolerance_s, place.stop_s - tolerance_s
    held: dict[str, tuple[str, ...] | None] = {}
    for label_set in label_sets:
        name = label_set.name.partition("/")[2]
        values = [mark.labels[name] for mark in touching]
        if None in values:
            held[name] = None
        elif label_set.kind == "multi":
            classes = [each for each in label_set.classes if any(each in (v or ()) for v in values)]
            spans = {
                each: _covers([m for m in touching if each in (m.labels[name] or ())], begin, end)
                for each in classes
            }
            held[name] = tuple(classes) if all(spans.values()) else None
        elif not values:
            has_class = settings.background and not label_set.has_numbers
            held[name] = (settings.background,) if has_class else None
        else:
            is_one = len(set(values)) == 1 and _covers(touching, begin, end)
            held[name] = values[0] if is_one else None
    return held


def _covers(marks: Sequence[Mark], begin: float, end: float) -> bool:
    """Whether intervals, in order of their starts, cover a window without a hole."""
    reached = begin
    for mark in marks:
        if mark.start_s > reached + 1e-6 and mark.start_s > begin:
            return False
        reached = max(reached, mark.stop_s)
    return reached >= end
