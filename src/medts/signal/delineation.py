"""ECG delineation: bounds of P, QRS and T on a median beat, over all leads at once.

The QRS is where the heart vector moves fast, in the space of all leads. P and T are delineated on
the first principal component of their stretch; the end of T is where the tangent of its steepest
descent meets the level before the QRS (Lepeschkin and Surawicz, Circulation 6:378, 1952).
Thresholds were chosen on LUDB records of odd number; see `docs/measurements.md` for the others.

Axes: C channels, P samples of a beat.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from medts.signal.filtering import fir_bandpass
from medts.signal.median_beat import MedianBeat


@dataclass(frozen=True)
class Waves:
    """Bounds of the waves of a median beat, as samples of it; None for a wave that is not there.

    Args:
        p_onset: Begin of the P wave.
        p_end: Its end.
        qrs_onset: Begin of the QRS.
        qrs_end: The J point.
        t_peak: Peak of the T wave.
        t_end: Its end.
    """

    qrs_onset: int
    qrs_end: int
    p_onset: int | None = None
    p_end: int | None = None
    t_peak: int | None = None
    t_end: int | None = None


_QRS_HZ, _P_HZ, _T_HZ = 40.0, 20.0, 6.0
"""Upper edges of what each wave is made of."""

_SLOW_SHARE, _QUIET_S = 0.05, 0.012
"""Share of the highest speed that the QRS exceeds, and how long it may fall below."""

_ST_S = 0.1
"""From the J point to where T may begin."""

_LEAST_P_MV = 0.02
_P_LIKENESS = 0.8
"""Correlation that a P wave usually has with the median one."""

MOST_IRREGULAR = 0.1
"""Usual change of an interval, as a share of it, above which no P wave leads the beats."""


def delineate(median: MedianBeat) -> Waves:
    """Delineates a median beat in mV: bounds of P, QRS and T.

    A P wave is only stated where it stands out of what differs between beats, as it does not in
    atrial fibrillation.
    """
    onset, end = _qrs(median)
    t_peak, t_end = _t_wave(median, onset, end)
    p_onset, p_end = _p_wave(median, onset)
    return Waves(onset, end, p_onset, p_end, t_peak, t_end)


def _qrs(median: MedianBeat) -> tuple[int, int]:
    rate = median.sampling_rate
    speed = _speed(_smooth(median.signal, rate, _QRS_HZ))
    reach = round(0.08 * rate)
    first = max(0, median.at_r - reach)
    steepest = first + int(np.argmax(speed[first : median.at_r + reach]))
    floor = float(np.quantile(speed[: max(1, first)], 0.2))
    top = float(speed[steepest]) - floor
    quiet = max(1, round(_QUIET_S * rate))
    is_fast = speed > floor + _SLOW_SHARE * top
    onset = steepest
    while onset > 0 and is_fast[max(0, onset - quiet) : onset].any():
        onset -= 1
    end = steepest
    while end < len(speed) - 1 and is_fast[end + 1 : end + 1 + quiet].any():
        end += 1
    return onset, end


def _t_wave(median: MedianBeat, onset: int, end: int) -> tuple[int | None, int | None]:
    """Returns peak and end of T, the latter by the tangent."""
    rate = median.sampling_rate
    first, n_samples = end + round(_ST_S * rate), median.signal.shape[1]
    if n_samples - first < 0.15 * rate:
        return None, None
    level = median.signal[:, max(0, onset - round(0.02 * rate)) : onset + 1].mean(axis=1)
    piece = _smooth(median.signal[:, first:], rate, _T_HZ) - level[:, None]
    wave = _component(piece) @ piece
    peak = int(np.argmax(np.abs(wave)))
    wave = wave * np.sign(wave[peak])
    slope = np.gradient(wave)
    descent = slope[peak : peak + round(0.16 * rate)]
    steepest = peak + int(np.argmin(descent))
    if slope[steepest] >= 0 or steepest == peak:
        return None, None
    t_end = first + steepest - wave[steepest] / slope[steepest]
    return first + peak, (round(t_end) if t_end < n_samples else None)


def _p_wave(median: MedianBeat, qrs_onset: int) -> tuple[int | None, int | None]:
    """Returns the bounds of P by tangents, if it is the same from beat to beat."""
    rate = median.sampling_rate
    first, last = max(0, qrs_onset - round(0.3 * rate)), qrs_onset - round(0.005 * rate)
    if last - first < 0.1 * rate or irregularity(median) > MOST_IRREGULAR:
        return None, None
    piece = _level(_smooth(median.signal[:, first:last], rate, _P_HZ))
    weights = _component(piece)
    wave = weights @ piece
    margin = round(0.03 * rate)
    peak = margin + int(np.argmax(np.abs(wave[margin:-margin])))
    if np.abs(piece[:, peak]).max() < _LEAST_P_MV:
        return None, None
    wave = wave * np.sign(wave[peak])
    slope = np.gradient(wave)
    reach = round(0.08 * rate)
    low = max(0, peak - reach)
    rising, falling = (
        low + int(np.argmax(slope[low:peak])),
        peak + int(np.argmin(slope[peak : peak + reach])),
    )
    if slope[rising] <= 0 or slope[falling] >= 0:
        return None, None
    onset = first + rising - wave[rising] / slope[rising]
    end = first + falling - wave[falling] / slope[falling]
    each = np.tensordot(median.beats[:, :, first:last], weights, (1, 0))
    each = _level(_smooth(each, rate, _P_HZ))
    cut = slice(max(0, round(onset) - first), max(1, round(end) - first))
    likeness = _correlations(each[:, cut], (weights @ piece)[cut])
    if np.median(likeness) < _P_LIKENESS or not 0.04 * rate < end - onset < 0.2 * rate:
        return None, None
    return max(0, round(onset)), min(round(end), qrs_onset)


def irregularity(median: MedianBeat) -> float:
    """Returns how much successive intervals usually differ, as a share of them."""
    rr = np.diff(median.r_peaks)
    return float(np.median(np.abs(np.diff(rr))) / np.median(rr)) if len(rr) > 2 else 0.0


def _level(rows: Float[np.ndarray, "n P2"]) -> Float[np.ndarray, "n P2"]:
    """Subtracts the line through both ends."""
    share = np.linspace(0.0, 1.0, rows.shape[1])
    return rows - (rows[:, :1] * (1 - share) + rows[:, -1:] * share)


def _correlations(
    rows: Float[np.ndarray, "n P2"], model: Float[np.ndarray, "P2"]
) -> Float[np.ndarray, "n"]:
    rows, model = rows - rows.mean(axis=1, keepdims=True), model - model.mean()
    size = np.linalg.norm(rows, axis=1) * np.linalg.norm(model)
    return rows @ model / np.maximum(size, 1e-12)


def _component(piece: Float[np.ndarray, "C P2"]) -> Float[np.ndarray, "C"]:
    """Returns the weights of the leads in the first principal component."""
    return np.linalg.svd(piece, full_matrices=False)[0][:, 0]


def _speed(signal: Float[np.ndarray, "C P"]) -> Float[np.ndarray, "P"]:
    """Returns the length of each step of the heart vector."""
    return np.sqrt((np.gradient(signal, axis=1) ** 2).sum(axis=0))


def _smooth(
    signal: Float[np.ndarray, "C P"], rate: float, high_hz: float
) -> Float[np.ndarray, "C P"]:
    return fir_bandpass(signal, rate, low_hz=None, high_hz=high_hz)
