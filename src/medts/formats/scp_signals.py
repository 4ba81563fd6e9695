"""Samples of SCP-ECG: sections 3 to 6 of EN 1064, with every kind of compression that it has.

In the order of decoding: Huffman codes or 16-bit integers; first or second differences; bimodal
decimation, where samples between the protected zones were averaged in groups; and the reference
beat that was subtracted at every QRS.

Axes: T samples in time, S samples as stored.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import ReadError
from medts.formats.base import Channel
from medts.formats.leads import lead_name
from medts.formats.scp_huffman import Table, decode, read_tables
from medts.formats.streams import side_by_side

_SECTION = {3: "section 3 (leads)", 4: "section 4 (QRS)", 5: "section 5", 6: "section 6"}
_LARGEST_FACTOR = 8
_OVERFLOW = 1 << 16


@dataclass(frozen=True)
class Lead:
    """One lead of section 3: samples ``first`` to ``last``, counted from 1."""

    number: int
    first: int
    last: int

    @property
    def n_samples(self) -> int:
        """Samples of the finished lead."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Beats:
    """Section 4: where the reference beat was subtracted, and which zones were protected.

    Args:
        length_ms: Length of the reference beat.
        fiducial: Its fiducial point, counted from 1.
        of_reference: First sample, fiducial and last sample of each QRS of the reference's kind.
        protected: First and last sample of each zone that was not decimated.
    """

    length_ms: int = 0
    fiducial: int = 0
    of_reference: tuple[tuple[int, int, int], ...] = ()
    protected: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Data:
    """Section 5 or 6: its scale (nV), its interval (µs), and the stored samples of each lead."""

    step_nv: int
    interval_us: int
    is_bimodal: bool
    leads: list[Int[np.ndarray, "S"]]


def read_leads(path: Path, sections: dict[int, bytes]) -> list[Channel]:
    """Decodes the rhythm of every lead, on one axis of time.

    Raises:
        ReadError: If a section is cut short or contradicts another one.
    """
    leads, is_subtracted = _read_definitions(path, sections[3])
    beats = _read_beats(path, sections.get(4, b""), needs_all=is_subtracted)
    tables = read_tables(path, sections[2]) if 2 in sections else []
    interval_us, is_bimodal = _read_timing(path, sections[6])
    reference_us = _read_timing(path, sections[5])[0] if 5 in sections else 0
    factor = 1
    if (is_bimodal or is_subtracted) and reference_us and reference_us != interval_us:
        factor = interval_us // reference_us
        if factor * reference_us != interval_us or not 1 <= factor <= _LARGEST_FACTOR:
            raise ReadError(
                f"samples every {interval_us} µs do not fit a beat of {reference_us} µs",
                path=path,
                field=_SECTION[6],
            )
    zones = beats.protected if is_bimodal else ()
    gaps = [_gaps(lead, zones) for lead in leads]
    counts = [_n_stored(lead.n_samples, gap, factor) for lead, gap in zip(leads, gaps, strict=True)]
    rhythm = _read_data(path, 6, sections[6], counts, tables)
    samples = [
        _expand(stored, lead.n_samples, gap, factor) * float(rhythm.step_nv)
        for stored, lead, gap in zip(rhythm.leads, leads, gaps, strict=True)
    ]
    if is_subtracted:
        n_samples = round(beats.length_ms * 1000 / max(reference_us, 1))
        reference = _read_data(path, 5, sections.get(5, b""), [n_samples] * len(leads), tables)
        for lead, signal, beat in zip(leads, samples, reference.leads, strict=True):
            _add_beats(signal, lead, beat * float(reference.step_nv), beats)
    rate = _rate(interval_us / factor)
    return side_by_side(
        [
            [
                Channel(
                    name=lead_name(lead.number),
                    values=signal,
                    sampling_rate=rate,
                    unit="nV",
                    resolution=None if is_subtracted or factor > 1 else float(rhythm.step_nv),
                    modality="ecg",
                    start_s=(lead.first - 1) / rate,
                )
            ]
            for lead, signal in zip(leads, samples, strict=True)
        ]
    )


def _rate(interval_us: float) -> float:
    """Returns samples per second; the interval was rounded to whole µs: 1667 means 600 Hz."""
    rate = 1e6 / interval_us
    whole = round(rate)
    is_rounded = whole > 0 and abs(1e6 / whole - interval_us) <= 0.5
    return float(whole) if is_rounded else rate


def _read_definitions(path: Path, section: bytes) -> tuple[list[Lead], bool]:
    """Reads section 3: leads, and whether reference beats were subtracted (5.6.2)."""
    n_leads = section[0] if section else 0
    if n_leads == 0 or len(section) < 2 + 9 * n_leads:
        raise ReadError(f"does not hold its {n_leads} leads", path=path, field=_SECTION[3])
    rows = struct.iter_unpack("<IIB", section[2 : 2 + 9 * n_leads])
    leads = [Lead(number, first, last) for first, last, number in rows]
    for lead in leads:
        if not 1 <= lead.first <= lead.last:
            raise ReadError(
                f"lead {lead_name(lead.number)} has samples {lead.first} to {lead.last}",
                path=path,
                field=_SECTION[3],
            )
    return leads, bool(section[1] & 1)


def _read_beats(path: Path, section: bytes, *, needs_all: bool) -> Beats:
    """Reads section 4 (5.7)."""
    if len(section) < 6:
        if needs_all:
            raise ReadError("the subtracted beats are missing", path=path, field=_SECTION[4])
        return Beats()
    length_ms, fiducial, n_beats = struct.unpack_from("<HHH", section)
    end = 6 + 14 * n_beats
    if len(section) < end:
        if needs_all:
            raise ReadError(f"does not hold its {n_beats} beats", path=path, field=_SECTION[4])
        return Beats(length_ms, fiducial)
    rows = struct.iter_unpack("<HIII", section[6:end])
    zones = section[end : end + 8 * min(n_beats, (len(section) - end) // 8)]
    return Beats(
        length_ms,
        fiducial,
        tuple(row[1:] for row in rows if row[0] == 0),
        tuple(struct.iter_unpack("<II", zones)),  # pyright: ignore[reportArgumentType]
    )


def _read_timing(path: Path, section: bytes, number: int = 6) -> tuple[int, bool]:
    """Returns the sampling interval in µs and the flag of bimodal compression."""
    interval_us = struct.unpack_from("<H", section, 2)[0] if len(section) >= 6 else 0
    if interval_us == 0:
        raise ReadError("has no sampling interval", path=path, field=_SECTION[number])
    return interval_us, section[5] == 1


def _read_data(
    path: Path, number: int, section: bytes, counts: list[int], tables: list[Table]
) -> Data:
    """Decodes the stored samples of section 5 or 6; ``counts`` says how many each lead has.

    The byte counts of the leads have 16 bits, which long recordings overflow; the samples
    themselves say where a lead ends.
    """
    where, at = _SECTION[number], 6 + 2 * len(counts)
    if len(section) < at:
        raise ReadError("is missing or cut short", path=path, field=where)
    step_nv, interval_us, difference, bimodal = struct.unpack_from("<HHBB", section)
    if step_nv == 0 or difference > 2:
        raise ReadError(
            f"a scale of {step_nv} nV and differences of order {difference} are not read",
            path=path,
            field=where,
        )
    sizes = struct.unpack_from(f"<{len(counts)}H", section, 6)
    leads: list[np.ndarray] = []
    for row, (count, size) in enumerate(zip(counts, sizes, strict=True), 1):
        values, n_bytes = _read_lead(path, f"{where}, lead {row}", section[at:], count, tables)
        leads.append(_undo_differences(values, difference))
        # What the encoder padded is inside its count, which is known modulo 2¹⁶.
        at += n_bytes + (size - n_bytes) % _OVERFLOW if n_bytes > size else size
    return Data(step_nv, interval_us, bimodal == 1, leads)


def _read_lead(
    path: Path, where: str, data: bytes, count: int, tables: list[Table]
) -> tuple[Int[np.ndarray, "S"], int]:
    """Returns the stored numbers of one lead and the bytes they took."""
    if count > len(data) * (8 if tables else 1):
        raise ReadError(
            f"{count} samples cannot lie in {len(data)} bytes",
            path=path,
            field=where,
            remedy="Fetch the file again",
        )
    if tables:
        return decode(path, where, data, count, tables)
    if 2 * count > len(data):
        raise ReadError(f"{count} samples need {2 * count} bytes", path=path, field=where)
    return np.frombuffer(data, "<i2", count).astype(np.int64), 2 * count


def _undo_differences(values: Int[np.ndarray, "S"], order: int) -> Int[np.ndarray, "S"]:
    """Sums first or second differences (C.3.3) in 16 bits, as encoders computed them."""
    if order == 1:
        values = np.cumsum(values)
    elif order == 2 and values.size > 2:
        slope = np.cumsum(np.append(values[1] - values[0], values[2:]))
        values = np.append(values[0], values[0] + np.cumsum(slope))
    return values.astype(np.int16).astype(np.int64)


def _gaps(lead: Lead, zones: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    """Returns the stretches between protected zones as ranges of samples counted from 0."""
    gaps: list[tuple[int, int]] = []
    at = 0
    for first, last in sorted(zones):
        start, end = (min(max(n - lead.first, 0), lead.n_samples) for n in (first, last + 1))
        if end <= start:
            continue
        if start > at:
            gaps.append((at, start))
        at = max(at, end)
    return [*gaps, (at, lead.n_samples)] if at < lead.n_samples else gaps


def _n_stored(n_samples: int, gaps: list[tuple[int, int]], factor: int) -> int:
    """Returns how many samples are stored: one for each group of ``factor`` in a gap."""
    return n_samples - sum((end - start) - -(-(end - start) // factor) for start, end in gaps)


def _expand(
    stored: Int[np.ndarray, "S"], n_samples: int, gaps: list[tuple[int, int]], factor: int
) -> Float[np.ndarray, "T"]:
    """Undoes the decimation of the gaps (C.4): a straight line between the means of groups."""
    if factor == 1:
        return stored.astype(np.float64)
    signal = np.empty(n_samples)
    place = at = 0
    for start, end in [*gaps, (n_samples, n_samples)]:
        signal[place:start] = stored[at : at + start - place]
        at += start - place
        n_groups = -(-(end - start) // factor)
        if n_groups:
            middles = np.arange(n_groups) * factor + (factor - 1) / 2
            means = stored[at : at + n_groups]
            signal[start:end] = np.interp(np.arange(end - start), middles, means)
        at, place = at + n_groups, end
    return signal


def _add_beats(
    signal: Float[np.ndarray, "T"], lead: Lead, beat: Float[np.ndarray, "R"], beats: Beats
) -> None:
    """Adds the reference beat where it was subtracted, fiducial on fiducial (5.7.4)."""
    for first, fiducial, last in beats.of_reference:
        shift = fiducial - beats.fiducial + 1  # sample of the record that the beat begins at
        start = max(first, lead.first, shift)
        end = min(last, lead.last, shift + beat.size - 1)
        if end >= start:
            signal[start - lead.first : end - lead.first + 1] += beat[
                start - shift : end - shift + 1
            ]
