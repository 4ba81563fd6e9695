"""Shards: int16 quantisation of signals on disk, without loss where the resolution is known.

A signal is kept as ``value = integer · step + zero`` per channel. Where the recorder's own
resolution is known and fits, nothing is lost; otherwise the step is the channel's range over
65,534, so the error is at most half of that. The integer -32,768 stands for "not recorded", and for
samples so far off that the step they need would flatten the rest of their channel.

Axes: C channels, T samples in time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int16

from medts.core.records import Stream

GAP = np.int16(-32768)
_LIMIT = 32767

_FARTHEST = 4096
"""Distance from the median, in median distances, from which a sample is off the scale: kept, it
would leave sixteen steps to half of the others. A pacing spike is below a tenth of it."""

_LOOKED_AT = 64

STREAM_TYPE = pa.struct(
    {
        **dict.fromkeys(("name", "modality", "unit"), pa.string()),
        **dict.fromkeys(("sampling_rate", "start_s"), pa.float64()),
        "channels": pa.list_(pa.string()),
        "n_samples": pa.int64(),
        "shard": pa.int32(),
        "offset": pa.int64(),
        **dict.fromkeys(("step", "zero"), pa.list_(pa.float64())),
        "has_gaps": pa.bool_(),
    }
)
"""One stream in the index: what it is, and where in which shard its integers lie."""


def described(name: str, stream: Stream) -> dict[str, Any]:
    """Returns the fields of `STREAM_TYPE` that do not depend on where the signal is stored."""
    fields = ("modality", "unit", "sampling_rate", "start_s", "n_samples")
    found = {field: getattr(stream, field) for field in fields}
    return {"name": name, **found, "channels": list(stream.channels)}


@dataclass(frozen=True)
class Quantised:
    """A signal as integers, with the two numbers per channel that give it back."""

    values: Int16[np.ndarray, "C T"]
    step: Float[np.ndarray, "C"]
    zero: Float[np.ndarray, "C"]
    n_spikes: tuple[int, ...]

    @property
    def has_gaps(self) -> bool:
        """True if some sample was never recorded."""
        return bool((self.values == GAP).any())


def quantise(stream: Stream) -> Quantised:
    """Quantises physical values to int16, without loss where the resolution allows it."""
    signal = stream.signal.astype(np.float64)
    is_finite = np.isfinite(signal)
    n_channels = len(signal)
    step, zero = np.ones(n_channels), np.zeros(n_channels)
    n_spikes = [0] * n_channels
    values = np.full(signal.shape, GAP, dtype=np.int16)
    for row in range(n_channels):
        finite = signal[row, is_finite[row]]
        if finite.size == 0:
            continue
        resolution = None if stream.resolution is None else float(stream.resolution[row])
        if resolution is None or not _is_lossless(finite, resolution):
            low, high = finite.min(), finite.max()
            is_spike = None if stream.modality == "other" else _spikes(finite, high - low)
            if is_spike is not None:
                n_spikes[row] = int(is_spike.sum())
                is_finite[row, np.flatnonzero(is_finite[row])[is_spike]] = False
                finite = finite[~is_spike]
                low, high = finite.min(), finite.max()
            if is_spike is None or resolution is None or not _is_lossless(finite, resolution):
                zero[row] = (low + high) / 2
                resolution = (high - low) / (2 * _LIMIT) or 1.0
        step[row] = resolution
        values[row, is_finite[row]] = np.rint((finite - zero[row]) / resolution).astype(np.int16)
    return Quantised(values, step, zero, tuple(n_spikes))


def _spikes(values: Float[np.ndarray, "n"], span: float) -> Bool[np.ndarray, "n"] | None:
    """Finds samples off the scale, such as -999999; none in a channel that is mostly constant."""
    some = values[:: max(1, values.size // _LOOKED_AT)]
    if span <= _FARTHEST / 2 * _scale(np.abs(some - _median(some))):
        return None
    distances = np.abs(values - _median(values))
    is_spike = distances > _FARTHEST * (_scale(distances) or np.inf)
    return is_spike if is_spike.any() else None


def _scale(distances: Float[np.ndarray, "n"]) -> float:
    """Returns the median of the distances that are not zero."""
    apart = distances[distances > 0]
    return _median(apart) if apart.size else 0.0


def _median(values: Float[np.ndarray, "n"]) -> float:
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])


def _is_lossless(values: Float[np.ndarray, "n"], step: float) -> bool:
    integers = np.rint(values / step)
    if np.abs(integers).max() > _LIMIT:
        return False
    return bool(np.abs(integers * step - values).max() <= 1e-2 * step)


def dequantise(
    values: Int16[np.ndarray, "C T"],
    entry: dict[str, Any],
    out: Float[np.ndarray, "C T"],
    *,
    is_exact: bool = True,
) -> None:
    """Dequantises into ``out``; ``entry`` is a value of `STREAM_TYPE`.

    Exact, the product is rounded once, from double precision, as by a reader of the original
    file. In single precision it is three times faster, off by one in the last place at most.
    """
    step, zero = np.asarray(entry["step"])[:, None], np.asarray(entry["zero"])[:, None]
    if not is_exact:
        np.copyto(out, values)
        out *= step.astype(np.float32)
        if zero.any():
            out += zero.astype(np.float32)
    elif zero.any():
        out[:] = values * step + zero
    else:
        np.multiply(values, step, out=out, casting="same_kind")
    if entry["has_gaps"]:
        out[values == GAP] = np.nan
