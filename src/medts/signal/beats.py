"""QRS detection (R-peaks) in an ECG of any number of leads, after Pan and Tompkins.

Pan and Tompkins (IEEE Trans. Biomed. Eng. 32:230, 1985): the band in which a QRS stands out, its
slope squared, the mean over the length of a QRS, and a threshold that follows the signal. Their
detector is online; this one is offline, so the threshold looks both ways, and leads are averaged.

Axes: C channels, T samples in time, N beats.
"""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import MedtsError
from medts.signal.filtering import fir_bandpass
from medts.signal.moving import find_peaks, moving_maximum, moving_mean, moving_median
from medts.signal.preprocess import fill_gaps

QRS_BAND_HZ = (5.0, 18.0)
"""Where a QRS has more power than P, T, drift and muscle."""

LOWEST_RATE_HZ = 50.0
_REFRACTORY_S = 0.2
_EARLIEST_FULL_S = 0.36


def find_r_peaks(signal: Float[np.ndarray, "C T"], sampling_rate: float) -> Int[np.ndarray, "N"]:
    """QRS detection (Pan-Tompkins): the R-peaks of an ECG, as sample indices in time order.

    Leads that are flat or were not recorded take no part; gaps are bridged. In noise alone peaks
    are found all the same: signal quality is not judged.

    >>> r_peaks = find_r_peaks(stream.signal, stream.sampling_rate)  # doctest: +SKIP
    >>> 60 / np.diff(r_peaks / stream.sampling_rate).mean()  # beats per minute  # doctest: +SKIP

    Args:
        signal: In any unit; its scale does not matter.
        sampling_rate: Hz.

    Raises:
        MedtsError: If the rate is below 50 Hz, at which a QRS and a T wave look alike.
    """
    if sampling_rate < LOWEST_RATE_HZ:
        problem = f"{sampling_rate:g} Hz is too slow to find beats"
        remedy = f"Give a recording of {LOWEST_RATE_HZ:g} Hz or more"
        raise MedtsError(problem, field="sampling_rate", remedy=remedy)
    leads = qrs_band(signal, sampling_rate)
    if not len(leads):
        return np.zeros(0, dtype=np.int64)
    slope = np.gradient(leads, axis=1) * sampling_rate
    energy = moving_mean((slope**2).mean(axis=0), max(1, round(0.12 * sampling_rate)))
    found = _select(energy, sampling_rate)
    magnitude = np.sqrt((leads**2).mean(axis=0))
    return np.unique([_summit(magnitude, at, round(0.1 * sampling_rate)) for at in found]).astype(
        np.int64
    )


def qrs_band(signal: Float[np.ndarray, "C T"], sampling_rate: float) -> Float[np.ndarray, "C2 T"]:
    """Band-pass of the QRS of the leads that hold something, each scaled to about one."""
    filled = np.stack([fill_gaps(row) for row in signal.astype(np.float64)])
    filled = filled[np.ptp(filled, axis=1) > 0] if filled.shape[1] else filled[:0]
    if not len(filled):
        return filled
    low_hz, high_hz = QRS_BAND_HZ
    filled -= np.median(filled, axis=1, keepdims=True)
    leads = fir_bandpass(filled, sampling_rate, low_hz=low_hz, high_hz=high_hz)
    size = np.quantile(np.abs(leads), 0.98, axis=1, keepdims=True)
    return leads[size[:, 0] > 0] / size[size[:, 0] > 0]


def _select(energy: Float[np.ndarray, "T"], sampling_rate: float) -> list[int]:
    """Selects the peaks of the energy that are beats, by an adaptive threshold.

    Two seconds hold a beat, so the median over such maxima is the energy of a usual one; a lone
    artefact or a few large ectopic beats do not move it.
    """
    # Every tenth of a second is enough for a level that changes over seconds.
    step = max(1, round(0.1 * sampling_rate))
    highest = moving_maximum(energy, max(1, round(2.0 * sampling_rate)), step)
    usual = np.repeat(moving_median(highest, 101), step)[: len(energy)]
    # Bordered by zeros, for a recording may begin or stop in the middle of a QRS.
    bordered = np.pad(energy, 1)
    distance = max(1, round(_REFRACTORY_S * sampling_rate))
    candidates = [int(at) - 1 for at in find_peaks(bordered, distance=distance)]
    accepted: list[int] = []
    for at in candidates:
        if energy[at] < 0.15 * usual[at]:
            continue
        if accepted and at - accepted[-1] < _EARLIEST_FULL_S * sampling_rate:
            # So soon after a beat it is a T wave unless it is steep.
            if energy[at] < 0.3 * energy[accepted[-1]]:
                continue
            if energy[accepted[-1]] < 0.3 * energy[at]:
                accepted.pop()
        accepted.append(at)
    return _search_back(accepted, candidates, energy, usual)


def _search_back(
    accepted: list[int],
    candidates: list[int],
    energy: Float[np.ndarray, "T"],
    usual: Float[np.ndarray, "T"],
) -> list[int]:
    """Takes the best of the weak peaks wherever a beat seems to be missing."""
    if len(accepted) < 3:
        return accepted
    longest = 1.66 * float(np.median(np.diff(accepted)))
    regained = []
    for before, after in pairwise(accepted):
        if after - before > longest:
            margin = longest / 3.5
            between = [at for at in candidates if before + margin < at < after - margin]
            best = max(between, key=lambda at: energy[at], default=None)
            if best is not None and energy[best] > 0.06 * usual[best]:
                regained.append(best)
    return sorted([*accepted, *regained])


def _summit(magnitude: Float[np.ndarray, "T"], at: int, reach: int) -> int:
    low = max(0, at - reach)
    return low + int(np.argmax(magnitude[low : at + reach + 1]))
