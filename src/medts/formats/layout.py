"""Flattening a record into one list of channels, for WFDB, EDF, CSV and EEGLAB files.

All channels of such a file start together. What does not fit is refused with the remedy to write
NPZ, which holds everything; nothing is resampled or cut on the way.

Axes: T samples in time.
"""

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError
from medts.core.records import Record
from medts.formats.base import Channel

_ASCII_UNIT = {"µV": "uV", "µS": "uS", "°C": "degC", "m/s²": "m/s2", "a.u.": "NU"}

REMEDY = "Write it as .npz, which holds every record"


def flatten(record: Record, path: Path) -> list[Channel]:
    """Lists the channels of all streams, in ASCII units."""
    if any(stream.start_s != 0 for stream in record.streams.values()):
        raise MedtsError("streams start at different times", path=path, remedy=REMEDY)
    durations = {exact_duration_s(s.n_samples, s.sampling_rate) for s in record.streams.values()}
    if len(durations) > 1:
        raise MedtsError("streams end at different times", path=path, remedy=REMEDY)
    channels = [
        Channel(
            name=name,
            values=stream.signal[row].astype(np.float64),
            sampling_rate=float(stream.sampling_rate),
            unit=_ASCII_UNIT.get(stream.unit, stream.unit),
            resolution=None if stream.resolution is None else float(stream.resolution[row]),
        )
        for stream in record.streams.values()
        for row, name in enumerate(stream.channels)
    ]
    names = [channel.name for channel in channels]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise MedtsError(f"two streams have a channel {doubled!r}", path=path, remedy=REMEDY)
    return channels


def exact_rate(sampling_rate: float) -> Fraction:
    """Returns a rate as a ratio of whole numbers, such as 128/3."""
    return Fraction(sampling_rate).limit_denominator(10**6)


def exact_duration_s(n_samples: int, sampling_rate: float) -> Fraction:
    """Returns a duration in seconds without rounding."""
    return n_samples / exact_rate(sampling_rate)


def frame_rate(channels: list[Channel]) -> Fraction:
    """Returns the highest rate in Hz of which every channel's rate is a whole multiple."""
    rates = [exact_rate(channel.sampling_rate) for channel in channels]
    denominator = math.lcm(*(rate.denominator for rate in rates))
    return Fraction(math.gcd(*(int(rate * denominator) for rate in rates)), denominator)


def fits_resolution(values: Float[np.ndarray, "T"], resolution: float | None, limit: int) -> bool:
    """Whether all finite values are whole multiples of ``resolution`` up to ``limit``."""
    if resolution is None:
        return False
    steps = values[np.isfinite(values)] / resolution
    integers = np.rint(steps)
    return bool(np.all(np.abs(integers) <= limit) and np.all(np.abs(steps - integers) < 0.05))
