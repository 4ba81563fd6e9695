"""Zero-phase filters and rational resampling of physical signals.

Pure functions of arrays; the unit of a signal is never changed here. Values must be finite:
gaps are filled by the caller, who knows what they mean.

Axes: C channels, T samples in time.
"""

from fractions import Fraction
from functools import cache

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError


def bandpass(
    signal: Float[np.ndarray, "C T"],
    sampling_rate: float,
    *,
    low_hz: float | None,
    high_hz: float | None,
    order: int = 2,
) -> Float[np.ndarray, "C T"]:
    """Applies a Butterworth filter forwards and backwards, so that no wave is delayed.

    Either edge may be None. The signal is extended at both ends by odd reflection over one
    period of the lower edge, or as much of it as the signal has.

    Raises:
        MedtsError: If an edge is not between zero and half the sampling rate.
    """
    edges = [edge for edge in (low_hz, high_hz) if edge is not None]
    if not edges or signal.shape[1] < 2:
        return signal
    for edge in edges:
        if not 0 < edge < sampling_rate / 2:
            raise MedtsError(
                f"filter edge {edge} Hz is not between 0 and {sampling_rate / 2} Hz",
                remedy="Choose an edge below half the sampling rate",
            )
    sections = _butterworth(low_hz, high_hz, sampling_rate, order)
    padding = min(signal.shape[1] - 1, int(sampling_rate / min(edges)))
    from scipy import signal as dsp

    filtered = dsp.sosfiltfilt(sections, signal.astype(np.float64), axis=1, padlen=padding)
    return filtered.astype(signal.dtype)


@cache
def _butterworth(
    low_hz: float | None, high_hz: float | None, sampling_rate: float, order: int
) -> np.ndarray:
    if low_hz is not None and high_hz is not None:
        edge, kind = [low_hz, high_hz], "bandpass"
    elif low_hz is not None:
        edge, kind = low_hz, "highpass"
    else:
        edge, kind = high_hz, "lowpass"
    from scipy import signal as dsp

    return np.asarray(dsp.butter(order, edge, btype=kind, fs=sampling_rate, output="sos"))


def resample(
    signal: Float[np.ndarray, "C T"], sampling_rate: float, to: float
) -> Float[np.ndarray, "C T2"]:
    """Changes the sampling rate by a polyphase filter; ``ceil(T · to / from)`` samples result.

    Rates are taken as a ratio of whole numbers whose denominator is at most 1,000, or as many times
    that as the rate is divided by: a ratio that needs a larger one is off by 0.05 % at most. The
    ends are continued by a line, so that an offset makes no step there.
    """
    if sampling_rate == to:
        return signal
    largest = 1000 * max(1, int(sampling_rate / to))
    ratio = Fraction(to / sampling_rate).limit_denominator(largest)
    up, down = ratio.numerator, ratio.denominator
    from scipy import signal as dsp

    return dsp.resample_poly(signal, up, down, axis=1, padtype="line").astype(signal.dtype)
