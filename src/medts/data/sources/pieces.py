"""Segmentation of long recordings into fixed-length records that carry one label each.

Wearable, sleep and task recordings last minutes to a day, and a label holds for a part of them.
Such a part is a bout; a source reads the bouts of one recording, and `list_pieces` lists their
pieces as entries. A piece is what gets a label, so "one label in a hundred" means pieces.

Listing reads every recording once; entries of one recording are neighbours, and `keep_last` keeps
the last one read, so that ingest reads it only once more.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Labels
from medts.data.sources.reading import refused, wrong_folder

_NEGLIGIBLE_S = 1e-6

keep_last = lru_cache(maxsize=1)
"""Decorates what reads the bouts of a recording; `list_pieces` forgets what was kept before."""


@dataclass(frozen=True)
class Bout:
    """A stretch of a recording throughout which the same labels hold.

    Args:
        record: The recording, or the part of it that was read.
        start_s: Where the bout begins, seconds from the start of ``record``.
        stop_s: Where it ends.
        labels: As for an `Entry`.
    """

    record: Record
    start_s: float
    stop_s: float
    labels: Labels = field(default_factory=dict)


Read = Callable[[], Sequence[Bout]]
"""Reads the bouts of one recording; picklable, and quick when it is called again."""


def tile(start_s: float, stop_s: float, piece_s: float) -> list[tuple[float, float]]:
    """Returns pieces one after the other; the rest counts if it is at least half a piece.

    >>> tile(0.0, 25.0, 10.0), tile(0.0, 24.0, 10.0)
    ([(0.0, 10.0), (10.0, 20.0), (20.0, 25.0)], [(0.0, 10.0), (10.0, 20.0)])
    """
    n_whole = int((stop_s - start_s + _NEGLIGIBLE_S) / piece_s)
    edges = [start_s + number * piece_s for number in range(n_whole + 1)]
    if stop_s - edges[-1] >= piece_s / 2 - _NEGLIGIBLE_S:
        edges.append(stop_s)
    return list(pairwise(edges))


def list_pieces(
    read: Read, *, name: str, subject_id: str, fold: str, piece_s: float
) -> Iterator[Entry]:
    """Lists the pieces of all bouts of one recording as ``name/0000``, ``name/0001``, ….

    A recording that cannot be read, or of which no bout lasts half a piece, is one refused entry.
    """
    if clear := getattr(getattr(read, "func", read), "cache_clear", None):
        clear()  # the files may have changed since they were last read
    try:
        bouts = read()
    except MedtsError as error:
        fault = error if isinstance(error, ReadError) else ReadError(str(error))
        yield refused(name, subject_id, fold, fault)
        return
    places = [
        (b, *edges)
        for b, bout in enumerate(bouts)
        for edges in tile(bout.start_s, bout.stop_s, piece_s)
    ]
    if not places:
        fault = ReadError(f"nothing that could be labelled lasts {piece_s / 2:g} s", field=name)
        yield refused(name, subject_id, fold, fault)
    for number, (b, start_s, stop_s) in enumerate(places):
        record_id = f"{name}/{number:04d}"
        load = partial(
            load_piece,
            read,
            b,
            start_s=start_s,
            stop_s=stop_s,
            record_id=record_id,
            subject_id=subject_id,
        )
        yield Entry(record_id, subject_id, fold, load, bouts[b].labels)


def load_piece(
    read: Read, bout: int, *, start_s: float, stop_s: float, record_id: str, subject_id: str
) -> Record:
    """Cuts a piece out of a bout; streams of which nothing was recorded there are left out."""
    whole = read()[bout].record
    cuts = {name: cut(stream, start_s, stop_s) for name, stream in whole.streams.items()}
    streams = {name: stream for name, stream in cuts.items() if stream is not None}
    if not streams:
        problem = f"nothing was recorded between {start_s:g} and {stop_s:g} s"
        raise ReadError(problem, field=record_id)
    facts = {**whole.facts, "start_s": round(start_s, 6)}
    return replace(whole, record_id=record_id, subject_id=subject_id, streams=streams, facts=facts)


def cut(stream: Stream, start_s: float, stop_s: float) -> Stream | None:
    """Returns what a stream has between two times, from the nearest sample on; None if nothing."""
    rate, total = stream.sampling_rate, stream.n_samples
    first = round((start_s - stream.start_s) * rate)
    low, high = max(0, first), min(total, first + round((stop_s - start_s) * rate))
    if high <= low or not np.isfinite(stream.signal[:, low:high]).any():
        return None
    begin_s = round((low - first) / rate, 9)
    return replace(stream, signal=stream.signal[:, low:high], start_s=begin_s)


def runs(codes: Sequence[int] | np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Yields stretches of equal codes as ``(code, first, stop)``.

    >>> list(runs([1, 1, 4]))
    [(1, 0, 2), (4, 2, 3)]
    """
    codes = np.asarray(codes)
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for first, stop in pairwise(edges):
        if stop > first:
            yield int(codes[first]), first, stop


def numbered(paths: Iterable[Path], pattern: str, *, folder: Path, corpus: str) -> dict[int, Path]:
    """Returns files by the number in their names, in order."""
    found = {int(m[1]): path for path in paths if (m := re.fullmatch(pattern, path.name))}
    if not found:
        raise wrong_folder("holds no recording", folder, corpus)
    return dict(sorted(found.items()))
