"""EDF and EDF+ files (European Data Format) through edfio: EEG and polysomnography.

Reading, with that of BDF, is in `medts.formats.edf_reading`; here is what writes.

Axes: T samples in time.
"""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.core.records import Record
from medts.formats.base import Channel, Format, head_of
from medts.formats.edf_reading import read
from medts.formats.layout import REMEDY, exact_duration_s, exact_rate, fits_resolution, flatten

__all__ = ["FORMAT", "read", "recognises", "write"]

_MAGIC = b"0"
_LIMIT = 32_767


def recognises(path: Path) -> bool:
    """Whether the file begins like an EDF header."""
    head = head_of(path, 256)
    is_sized = len(head) < 256 or head[184:192].strip().isdigit()
    return head[:8].strip(b" \0") == _MAGIC and is_sized


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
