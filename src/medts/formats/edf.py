"""EDF and EDF+ files (European Data Format) through edfio: EEG and polysomnography.

Channels of different rates and modalities become streams of their own; the annotation channel
of EDF+ becomes annotations. A file longer or shorter than its header states is refused, as are
discontinuous files (EDF+D). The patient's name is never read.

Axes: T samples in time.
"""

import contextlib
import math
import warnings
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from medts.core.errors import MedtsError, ReadError
from medts.core.files import write_whole
from medts.core.records import Annotation, Fact, Record
from medts.formats.base import Channel, Format, Hints, gather, head_of, settle_rate
from medts.formats.layout import REMEDY, exact_duration_s, exact_rate, fits_resolution, flatten

_MAGIC = b"0       "
_LIMIT = 32_767


def recognises(path: Path) -> bool:
    """Whether the file begins like an EDF header."""
    head = head_of(path, 256)
    is_sized = len(head) < 256 or head[184:192].strip().isdigit()
    return head.startswith(_MAGIC) and is_sized


def read(path: Path, hints: Hints) -> Record:
    """Reads all signals in physical units, and the annotations of EDF+.

    Raises:
        ReadError: If the file is truncated, discontinuous, uncalibrated, or names and units do
            not suffice.
    """
    import edfio

    _check_length(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length of -1 and differing start dates are harmless
        try:
            edf = edfio.read_edf(path, header_encoding="latin-1")
            channels = [_channel(path, signal) for signal in edf.signals]
            annotations = edf.annotations
        except ReadError:
            raise
        except ValueError as error:
            raise ReadError(f"the header cannot be read: {error}", path=path) from error
        facts = _facts(edf)
    rates = [channel.sampling_rate for channel in channels]
    if rates and hints.sampling_rate not in rates:
        settle_rate(path, rates[0], hints)
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, hints),
        annotations=tuple(
            Annotation(each.onset, each.text, "annotation", duration_s=each.duration or 0.0)
            for each in annotations
        ),
        facts=facts,
    )


def write(record: Record, path: Path) -> None:
    """Writes EDF+; annotations keep time, duration and label, and ``sex`` is kept.

    Raises:
        MedtsError: If samples are missing, names are too long, or the durations do not fit.
    """
    import edfio

    channels = flatten(record, path)
    for channel in channels:
        if not np.all(np.isfinite(channel.values)):
            problem = "EDF cannot hold missing samples"
            raise MedtsError(problem, path=path, field=f"channel {channel.name}", remedy=REMEDY)
    sex: Any = record.facts.get("sex") if record.facts.get("sex") in ("F", "M") else "X"
    annotations = [
        edfio.EdfAnnotation(each.time_s, each.duration_s or None, each.label)
        for each in record.annotations
    ]
    duration_s = _record_duration_s(channels, path)
    try:
        edf = edfio.Edf(
            [_signal(channel) for channel in channels],
            patient=edfio.Patient(sex=sex),
            data_record_duration=duration_s,
            annotations=annotations or None,
        )
    except ValueError as error:
        raise MedtsError(f"EDF cannot hold this: {error}", path=path, remedy=REMEDY) from error
    with write_whole(path) as target:
        edf.write(target)


FORMAT = Format("edf", "EDF", (".edf", ".rec"), recognises, read, write, order=20)


def channel_labels(path: Path) -> list[str]:
    """Returns the names of the channels as the header spells them, without reading signals."""
    with path.open("rb") as file:
        count = file.read(256)[252:].strip()
        labels = file.read(16 * int(count) if count.isdigit() else 0).decode("latin-1")
    return [labels[at : at + 16].strip() for at in range(0, len(labels), 16)]


def _check_length(path: Path) -> None:
    """Compares the size of the file with its header."""
    with path.open("rb") as file:
        head = file.read(256)
        try:
            n_header, n_signals = int(head[184:192]), int(head[252:256])
            n_records = int(head[236:244])
            lengths = file.read(n_signals * 256)[n_signals * 216 : n_signals * 224]
            per_record = sum(int(lengths[at : at + 8]) for at in range(0, n_signals * 8, 8))
        except ValueError as error:
            problem = f"the header is garbled or cut short: {error}"
            raise ReadError(problem, path=path, remedy="Fetch it again") from error
    if head[192:197] == b"EDF+D":
        problem = "discontinuous recordings (EDF+D) are not supported"
        remedy = "Export it as EDF+C, or as one file per continuous part"
        raise ReadError(problem, path=path, remedy=remedy)
    n_bytes = path.stat().st_size - n_header
    n_held = Fraction(n_bytes, 2 * per_record) if per_record else Fraction(0)
    if n_held.denominator != 1 or n_records not in (-1, n_held):
        problem = f"holds {float(n_held):g} data records, the header says {n_records}"
        remedy = "Fetch the file again, or correct the header if it is complete"
        raise ReadError(problem, path=path, field="number of data records", remedy=remedy)


def _channel(path: Path, signal: Any) -> Channel:
    low, high = signal.digital_min, signal.digital_max
    if high == low or signal.physical_max == signal.physical_min:
        problem = "physical or digital range is empty, so the amplitudes are uncalibrated"
        raise ReadError(problem, path=path, field=f"channel {signal.label}")
    step = (signal.physical_max - signal.physical_min) / (high - low)
    offset = signal.physical_min / step - low
    is_whole = abs(offset - round(offset)) <= 1e-6 * max(1.0, abs(offset))
    return Channel(
        name=signal.label,
        values=(signal.digital.astype(np.float64) + (round(offset) if is_whole else offset)) * step,
        sampling_rate=float(signal.sampling_frequency),
        unit=signal.physical_dimension,
        resolution=abs(step) if is_whole else None,
    )


def _facts(edf: Any) -> dict[str, Fact]:
    """Returns start, and in EDF+ age, sex and device; other EDF files keep free text there."""
    facts: dict[str, Fact] = {}
    with contextlib.suppress(ValueError):
        facts["start"] = edf.startdatetime.isoformat()
    if not edf.reserved.startswith("EDF+"):
        return facts
    if edf.patient.sex in ("F", "M"):
        facts["sex"] = edf.patient.sex
    with contextlib.suppress(ValueError):
        facts["age"] = int((edf.startdate - edf.patient.birthdate).days / 365.2425)
    if edf.recording.equipment_code != "X":
        facts["device"] = edf.recording.equipment_code
    return facts


def _signal(channel: Channel) -> Any:
    """Scales a channel symmetrically about zero, so that zero and resolution stay exact."""
    import edfio

    values = channel.values
    step = channel.resolution
    if step is None or not fits_resolution(values, step, _LIMIT):
        step = float(np.abs(values).max() or 1.0) / _LIMIT
        limit = _shorten(step * _LIMIT * (1 + 1e-6), rounding=math.ceil)
        step = limit / _LIMIT
    else:
        limit = _shorten(step * _LIMIT, rounding=round)
    inside = limit * (1 - 1e-12)  # edfio rounds outwards, and would take -32.767 for -32.7671
    return edfio.EdfSignal.from_digital(
        np.rint(values / step).astype(np.int16),
        channel.sampling_rate,
        label=channel.name,
        physical_dimension=channel.unit,
        physical_range=(-inside, inside),
        digital_range=(-_LIMIT, _LIMIT),
    )


def _shorten(value: float, rounding: Any) -> float:
    """Rounds to seven characters, the sign being the eighth of a header field."""
    for decimals in range(5, -1, -1):
        short = rounding(value * 10**decimals) / 10**decimals
        if len(str(short)) <= 7 and "e" not in str(short):
            return short
    return float(rounding(value))


def _record_duration_s(channels: list[Channel], path: Path) -> float:
    """Picks the length nearest to a second that holds whole samples of every channel."""
    counts = [len(channel.values) for channel in channels]
    shared = math.gcd(*counts)
    total_s = exact_duration_s(counts[0], channels[0].sampling_rate)
    for n_records in sorted(_divisors(shared), key=lambda n: abs(float(total_s / n) - 1)):
        length_s = total_s / n_records
        text = str(float(length_s)).removesuffix(".0")
        if len(text) <= 8 and "e" not in text and Fraction(text) == length_s:
            return float(length_s)
    rates = ", ".join(sorted({f"{exact_rate(channel.sampling_rate)}" for channel in channels}))
    problem = f"{float(total_s):g} s at {rates} Hz cannot be cut into EDF data records"
    raise MedtsError(problem, path=path, remedy=f"Cut it to whole seconds. {REMEDY}")


def _divisors(number: int) -> list[int]:
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})
