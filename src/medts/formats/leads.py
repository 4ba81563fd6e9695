"""ECG lead codes (SCP-ECG, DICOM) and derived limb leads (Einthoven, Goldberger).

SCP-ECG and ISO/IEEE 11073-10102 number leads alike, and DICOM takes over both. The four limb
leads that follow from I and II by Einthoven's and Goldberger's equations are often left out of a
file; they are computed, and marked as derived.

Axes: T samples in time.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from medts.core.channels import canonical_channel
from medts.formats.base import Channel

_CHEST = ("V1", "V2", "V3", "V4", "V5", "V6", "V7")
_RIGHT = ("V2R", "V3R", "V4R", "V5R", "V6R", "V7R")
LEAD_OF_NUMBER: dict[int, str] = {
    **dict(enumerate(("I", "II", *_CHEST, *_RIGHT, "vx", "vy", "vz", "CC5", "CM5"), 1)),
    **dict(enumerate(("LA", "RA", "LL", "fI", "fE", "fC", "fA", "fM", "fF", "fH"), 21)),
    **dict(enumerate(("III", "aVR", "aVL", "aVF", "-aVR", "V8", "V9", "V8R", "V9R"), 61)),
    **dict(enumerate(("D", "A", "J", "Defib", "Extern", "A1", "A2", "A3", "A4"), 70)),
}
"""EN 1064, table of lead identifications; the same numbers in ISO/IEEE 11073-10102, partition 2."""

_FROM_I_AND_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
"""Weights of I and II; aVL is (I - III) / 2, and aVF (II + III) / 2."""

_LONGEST_S, _SHORTEST_S = 1.0, 0.1
"""Of a calibration pulse with its margins, and of its rectangle."""

_TOLERANCE_MV, _NOISE_MV = 0.05, 0.03
_PULSE_LEADS = 6
"""Fewer channels may agree by chance, as in a file of two identical leads."""


def lead_name(number: int) -> str:
    """Returns the name of a lead by its number in SCP-ECG and ISO/IEEE 11073.

    >>> lead_name(2), lead_name(61), lead_name(200)
    ('II', 'III', 'lead 200')
    """
    return LEAD_OF_NUMBER.get(number, f"lead {number}")


def with_limb_leads(channels: Sequence[Channel]) -> list[Channel]:
    """Adds those of III, aVR, aVL and aVF that are not there, where I and II are."""
    rows = {canonical_channel(each.name): each for each in channels}
    first, second = rows.get("I"), rows.get("II")
    if first is None or second is None or len(rows) != len(channels):
        return list(channels)
    if _timing(first) != _timing(second):
        return list(channels)
    derived = [
        _combine(name, first, second, weights)
        for name, weights in _FROM_I_AND_II.items()
        if name not in rows
    ]
    at = max(row for row, each in enumerate(channels) if each in (first, second)) + 1
    return [*channels[:at], *derived, *channels[at:]]


def _timing(channel: Channel) -> tuple[object, ...]:
    return channel.values.size, channel.sampling_rate, channel.start_s, channel.unit


def _combine(name: str, first: Channel, second: Channel, weights: tuple[float, float]) -> Channel:
    is_even = first.resolution is not None and first.resolution == second.resolution
    step = (first.resolution or 0.0) * min(abs(weight) for weight in weights)
    return replace(
        first,
        name=name,
        values=weights[0] * first.values + weights[1] * second.values,
        resolution=step if is_even else None,
        is_derived=True,
    )


def calibration_start(
    channels: Sequence[Float[np.ndarray, "T"]], step_mv: float, sampling_rate: float
) -> int | None:
    """Returns the first sample of a calibration pulse at the end; None where there is none.

    There, all leads agree: zero, a rectangle of 1 mV, zero. Carts that filter what they store
    round it off a little.
    """
    n_samples = channels[0].size if channels else 0
    if len(channels) < _PULSE_LEADS or {each.size for each in channels} != {n_samples}:
        return None
    first = max(n_samples - round(_LONGEST_S * sampling_rate), 0)
    tail = np.stack([each[first:] for each in channels]) * step_mv
    lowest, highest = tail.min(0), tail.max(0)
    is_high = np.flatnonzero((lowest > 1 - _TOLERANCE_MV) & (highest < 1 + _TOLERANCE_MV))
    if is_high.size < _SHORTEST_S * sampling_rate or not -_NOISE_MV < lowest[-1] < _NOISE_MV:
        return None
    differs = np.flatnonzero(~(highest - lowest < 2 * _NOISE_MV))
    wanders = np.flatnonzero(~(np.maximum(highest, -lowest) < _NOISE_MV))
    wanders = wanders[wanders < is_high[0] - 2]  # the rising edge takes a sample or two
    start = max(n[-1] + 1 if n.size else 0 for n in (differs, wanders))
    return None if start > is_high[0] else int(first + start)
