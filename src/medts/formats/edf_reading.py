"""Samples and annotations of EDF, EDF+, BDF and BDF+.

Every data record of a + file says when it began: where the clock jumps, in discontinuous files and
in those that only pretend to be continuous, the time between is NaN. A channel without calibration
is left out and said, the others are read.

Axes: R data records, T samples in time.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from medts.core.errors import MedtsError, ReadError
from medts.core.montage import canonical_channel, guess_modality
from medts.core.records import Annotation, Record
from medts.core.units import canonical_unit
from medts.formats.base import Channel, Hints, gather, settle_rate
from medts.formats.ecg import LARGEST
from medts.formats.edf_header import Header, Signal, decode_text, read_header

_TAL = re.compile(rb"([+-]\d+(?:[.,]\d*)?)(?:\x15(\d+(?:[.,]\d*)?))?\x14([^\x00]*)\x14\x00")
"""Time-stamped annotation list: onset, duration, texts between the bytes 20."""

_JUMP_S = 0.002
"""A clock that is off by less was rounded."""

_MOST_SPREAD = 100
"""Gaps may not stretch a recording to more than this multiple of what is there."""


def read(path: Path, hints: Hints) -> Record:
    """Reads all signals in physical units, and the annotations of EDF+ and BDF+.

    Raises:
        ReadError: If the file is truncated, empty or uncalibrated, or names and units do not
            suffice.
    """
    header = read_header(path)
    records = _read_records(path, header)
    starts_s, annotations = _read_annotations(path, header, records)
    rows = [row for row, each in enumerate(header.signals) if not each.is_annotation]
    if not rows and annotations:  # a hypnogram, stored apart from its signals
        return Record(path.stem, {}, header.patient[0], annotations=annotations, facts=header.facts)
    if header.n_records == 0 or not rows:
        raise ReadError("the file holds no samples", path=path, field="data records")
    usable, left_out = _usable(path, header, records, rows, hints)
    places = _places(path, header, starts_s)
    channels = [_channel(header, row, records, places) for row in usable]
    rates = [channel.sampling_rate for channel in channels]
    if hints.sampling_rate not in rates:
        settle_rate(path, rates[0], hints)
    facts = header.facts
    if left_out:
        facts["left_out"] = left_out
    if any(not each.label.isascii() for each in annotations) and not _is_utf8(header, records):
        facts["annotation_encoding"] = "not UTF-8; read as Latin-1"
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, hints),
        subject_id=header.patient[0],
        annotations=annotations,
        facts=facts,
    )


def _usable(
    path: Path, header: Header, records: UInt8[np.ndarray, "R B"], rows: list[int], hints: Hints
) -> tuple[list[int], str]:
    """Picks the rows that can be read, and says which others there are.

    Left out are signals without calibration or samples, dummies without a letter in their name,
    and exact copies; one that ``channels=`` names is never left out.
    """
    signals = header.signals
    names = {row: canonical_channel(hints.renamed(signals[row].label)) for row in rows}
    usable = [row for row in rows if _is_calibrated(signals[row])]
    lost = [row for row in rows if row not in usable]
    wanted = [names[row] for row in lost if names[row] in (hints.channels or ())]
    wanted = [name for name in wanted if name not in {names[row] for row in usable}]
    if wanted or not usable:
        raise ReadError(
            "physical or digital range is empty or no number, so the amplitudes are uncalibrated",
            path=path,
            field=f"channel {wanted[0] if wanted else names[lost[0]]}",
            remedy="Leave it out with channels= (--channels), or correct the header",
        )
    said = {"uncalibrated": [signals[row].label for row in lost]}
    if len({names[row] for row in usable}) < len(usable) != len(hints.channels or ()):
        named = [row for row in usable if any(map(str.isalnum, names[row]))] or usable
        copies = [row for row in named if _is_copy(header, records, row, named)]
        said["unnamed"] = [signals[row].label for row in usable if row not in named]
        said["copies"] = [signals[row].label for row in copies]
        usable = [row for row in named if row not in copies]
        if set(hints.channels or ()) <= {names[row] for row in usable} and hints.channels:
            usable = [row for row in usable if names[row] in hints.channels]
    return usable, "; ".join(f"{why}: {', '.join(each)}" for why, each in said.items() if each)


def _is_copy(header: Header, records: UInt8[np.ndarray, "R B"], row: int, rows: list[int]) -> bool:
    """Whether an earlier signal has the same name, calibration and samples."""
    alike = [each for each in rows if each < row and header.signals[each] == header.signals[row]]
    return any(
        np.array_equal(records[:, _span(header, each)], records[:, _span(header, row)])
        for each in alike
    )


def _is_utf8(header: Header, records: UInt8[np.ndarray, "R B"]) -> bool:
    """Whether all annotations are in UTF-8, as EDF+ asks for."""
    rows = [row for row, each in enumerate(header.signals) if each.is_annotation]
    try:
        for row in rows:
            for raw in records[:, _span(header, row)]:
                raw.tobytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_records(path: Path, header: Header) -> UInt8[np.ndarray, "R B"]:
    """Returns the bytes of every data record."""
    data = np.fromfile(path, np.uint8, offset=header.n_bytes)
    return data.reshape(header.n_records, -1) if header.n_records else data.reshape(0, 0)


def _span(header: Header, row: int) -> slice:
    """Returns where a signal lies in each data record."""
    start = header.sample_bytes * sum(each.per_record for each in header.signals[:row])
    return slice(start, start + header.sample_bytes * header.signals[row].per_record)


def _read_annotations(
    path: Path, header: Header, records: UInt8[np.ndarray, "R B"]
) -> tuple[Float[np.ndarray, "R"] | None, tuple[Annotation, ...]]:
    """Returns when each data record began (None where nothing says so), and the annotations."""
    rows = [row for row, each in enumerate(header.signals) if each.is_annotation]
    if not rows or header.n_records == 0:
        return None, ()
    starts_s: list[float] = []
    found: list[tuple[float, float, bytes]] = []
    for place, row in enumerate(rows):
        for number, raw in enumerate(records[:, _span(header, row)]):
            listed = raw.tobytes()
            if place == 0:  # the first list of a record begins with the record's own time
                clock = _TAL.match(listed)
                if clock is None and not header.kind:
                    return None, ()
                if clock is None:
                    raise ReadError(
                        f"data record {number + 1} does not say when it began",
                        path=path,
                        field=header.signals[row].label,
                    )
                starts_s.append(_seconds(clock[1]))
            found += [
                (_seconds(onset), _seconds(duration or b"0"), text)
                for onset, duration, texts in _TAL.findall(listed)
                for text in texts.split(b"\x14")
                if text
            ]
    first_s = starts_s[0]
    return np.array(starts_s), tuple(
        Annotation(onset - first_s, decode_text(text), "annotation", duration_s=duration)
        for onset, duration, text in found
    )


def _seconds(text: bytes) -> float:
    return float(text.replace(b",", b"."))


def _is_calibrated(signal: Signal) -> bool:
    low, high = signal.physical
    is_finite = all(abs(limit) < LARGEST for limit in (*signal.physical, *signal.digital))
    return bool(
        signal.per_record and is_finite and high != low and signal.digital[0] != signal.digital[1]
    )


def _places(
    path: Path, header: Header, starts_s: Float[np.ndarray, "R"] | None
) -> Float[np.ndarray, "R"] | None:
    """Returns when each data record begins, in seconds from the first; None where none jumps."""
    if starts_s is None or header.n_records < 2:
        return None
    length_s = float(header.duration_s)
    fastest = max(each.per_record for each in header.signals if not each.is_annotation)
    jumps_s = np.diff(starts_s) - length_s
    is_jump = np.abs(jumps_s) > max(1.5 * length_s / max(fastest, 1), _JUMP_S)
    if not is_jump.any():
        return None
    if np.any(jumps_s[is_jump] < 0):
        number = int(np.flatnonzero(is_jump & (jumps_s < 0))[0]) + 2
        raise ReadError(
            f"data record {number} begins before the one before it ends",
            path=path,
            field="annotations",
        )
    shifts_s = np.append(0.0, np.cumsum(np.where(is_jump, jumps_s, 0.0)))
    if shifts_s[-1] > _MOST_SPREAD * header.n_records * length_s:
        raise ReadError(
            f"gaps of {shifts_s[-1]:g} s between {header.n_records} data records of {length_s:g} s",
            path=path,
            field="annotations",
            remedy="Export it as one file per continuous part",
        )
    return np.arange(header.n_records) * length_s + shifts_s


def _channel(
    header: Header,
    row: int,
    records: UInt8[np.ndarray, "R B"],
    places_s: Float[np.ndarray, "R"] | None,
) -> Channel:
    signal = header.signals[row]
    (low, high), (least, most) = signal.physical, signal.digital
    step = (high - low) / (most - least)
    offset = low / step - least
    is_whole = abs(offset - round(offset)) <= 1e-6 * max(1.0, abs(offset))
    values = _integers(records[:, _span(header, row)], header.sample_bytes).astype(np.float64)
    values += round(offset) if is_whole else offset
    values *= step
    rate = float(signal.per_record / header.duration_s)
    if places_s is not None:
        values = _spread(values, np.rint(places_s * rate).astype(np.int64))
    channel = Channel(
        signal.label, values.ravel(), rate, signal.unit, abs(step) if is_whole else None
    )
    return channel if _has_known_unit(channel) else replace(channel, unit="")


def _has_known_unit(channel: Channel) -> bool:
    """Whether the unit is known or matters; a trigger in "Boolean" takes the others not along."""
    if guess_modality(channel.name) != "other":
        return True
    try:
        canonical_unit(channel.unit)
    except MedtsError:
        return False
    return True


def _integers(raw: UInt8[np.ndarray, "R B"], sample_bytes: int) -> Int[np.ndarray, "R S"]:
    """Reads little-endian integers of 16 or 24 bits."""
    if sample_bytes == 2:
        return np.ascontiguousarray(raw).view("<i2")
    parts = raw.reshape(len(raw), -1, 3)
    wide = np.zeros((*parts.shape[:2], 4), np.uint8)
    wide[:, :, 1:] = parts
    return wide.view("<i4")[:, :, 0] >> 8  # shifted back, which extends the sign


def _spread(
    values: Float[np.ndarray, "R S"], places: Int[np.ndarray, "R"]
) -> Float[np.ndarray, "T"]:
    """Lays data records where their clocks say; NaN where there was none."""
    size = values.shape[1]
    laid = np.full(int(places[-1]) + size, np.nan)
    laid[places[:, None] + np.arange(size)] = values
    return laid
