"""Median beat (signal-averaged ECG): aligned beats of the dominant shape, one median per lead.

Beats are compared in the QRS over all leads at once. The largest group of alike beats is the
dominant rhythm's; ectopic and disturbed ones stay out. Averaging lifts P and T waves out of the
noise, and a lead without a clear QRS is measured by the beats of the others.

Axes: C channels, T samples in time, N beats, P samples of a beat.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.lib.stride_tricks import sliding_window_view

from medts.signal.beats import find_r_peaks
from medts.signal.filtering import fir_bandpass
from medts.signal.preprocess import fill_gaps

ALIKE = 0.9
"""Correlation of two beats of one shape, over the QRS of all leads."""

_QRS_REACH_S = 0.08
_LONGEST_BEFORE_S, _LONGEST_AFTER_S = 0.4, 0.7
_PIECE_S = 300.0
_MOST_BEATS = 200
"""Beats that are averaged; of a long recording those at even distances."""


@dataclass(frozen=True)
class MedianBeat:
    """The dominant beat of an ECG, and how alike each beat is to it.

    Args:
        signal: Median over the dominant beats, zero-phase filtered above 0.5 Hz, in the unit given.
        sampling_rate: Hz.
        at_r: Index of the R-peak in ``signal``.
        r_peaks: Every beat found, as sample indices of the recording.
        similarity: Correlation of each beat's QRS with the median's; NaN where the recording begins
            or ends within the beat.
        beats: The beats that were averaged, for measures of noise.
    """

    signal: Float[np.ndarray, "C P"]
    sampling_rate: float
    at_r: int
    r_peaks: Int[np.ndarray, "N"]
    similarity: Float[np.ndarray, "N"]
    beats: Float[np.ndarray, "N2 C P"]

    @property
    def is_dominant(self) -> Bool[np.ndarray, "N"]:
        """Beats of the dominant shape."""
        return self.similarity > ALIKE

    def qrs(self) -> slice:
        """Samples around the R-peak that surely hold the QRS."""
        reach = round(_QRS_REACH_S * self.sampling_rate)
        return slice(max(0, self.at_r - reach), self.at_r + reach)


def find_median_beat(signal: Float[np.ndarray, "C T"], sampling_rate: float) -> MedianBeat | None:
    """Finds beats and averages those of the dominant shape; None where fewer than two are whole.

    Five minutes are worked on at a time, so that a day takes little more room than an hour.

    Raises:
        MedtsError: If the rate is below 50 Hz.
    """
    n_piece = round(_PIECE_S * sampling_rate)
    n_margin = round(3.0 * sampling_rate)
    n_samples = signal.shape[1]
    r_peaks: list[np.ndarray] = []
    for first in range(0, max(1, n_samples - n_margin), n_piece):
        low, high = max(0, first - n_margin), min(n_samples, first + n_piece + n_margin)
        found = low + _r_peaks(signal[:, low:high], sampling_rate)
        last = first + n_piece if first + n_piece < n_samples - n_margin else n_samples
        r_peaks.append(found[(found >= first) & (found < last)])
    return average_beats(signal, sampling_rate, np.concatenate(r_peaks))


def _r_peaks(signal: Float[np.ndarray, "C T"], sampling_rate: float) -> Int[np.ndarray, "N"]:
    """Finds R-peaks at about 250 Hz, which is enough before beats are aligned."""
    n_mean = max(1, round(sampling_rate / 250))
    if n_mean == 1:
        return find_r_peaks(signal, sampling_rate)
    n_blocks = signal.shape[1] // n_mean
    blocks = signal[:, : n_blocks * n_mean].reshape(len(signal), n_blocks, n_mean)
    return find_r_peaks(blocks.mean(axis=2), sampling_rate / n_mean) * n_mean + n_mean // 2


def average_beats(
    signal: Float[np.ndarray, "C T"], sampling_rate: float, r_peaks: Int[np.ndarray, "N"]
) -> MedianBeat | None:
    """Averages the beats at ``r_peaks`` that are alike; None where fewer than two are whole."""
    if len(r_peaks) < 2:
        return None
    usual_s = float(np.median(np.diff(r_peaks))) / sampling_rate
    before = round(min(_LONGEST_BEFORE_S, 0.5 * usual_s) * sampling_rate)
    after = round(min(_LONGEST_AFTER_S, 0.8 * usual_s) * sampling_rate)
    reach = round(_QRS_REACH_S * sampling_rate)
    n_samples = signal.shape[1]
    whole = np.flatnonzero((r_peaks >= before + 4) & (r_peaks + after + 4 <= n_samples))
    if len(whole) < 2 or before <= reach or after <= reach:
        return None
    chosen = whole
    if len(whole) > _MOST_BEATS:
        chosen = whole[np.linspace(0, len(whole) - 1, _MOST_BEATS).astype(int)]
    r_peaks = r_peaks.copy()
    cut = _cut(signal, sampling_rate, r_peaks[chosen], before, after)
    qrs = slice(before - reach, before + reach)
    beats, shift = _aligned(cut, np.median(cut[:, :, 4:-4][:, :, qrs], axis=0), qrs)
    r_peaks[chosen] += shift
    shapes = _normalised(beats[:, :, qrs])
    likeness = shapes @ shapes.T
    model = int(np.argmax((likeness > ALIKE).sum(axis=1) + 1e-3 * likeness.mean(axis=1)))
    dominant = np.median(beats[likeness[model] > ALIKE][:, :, qrs], axis=0)
    shape = _normalised(dominant[None])[0]
    similarity = np.full(len(r_peaks), np.nan)
    similarity[chosen] = shapes @ shape
    is_alike = similarity[chosen] > ALIKE
    if is_alike.sum() >= 2:
        beats = beats[is_alike]
    for first in range(0, len(whole) if len(whole) > len(chosen) else 0, _MOST_BEATS):
        others = whole[first : first + _MOST_BEATS]
        others = others[np.isnan(similarity[others])]
        cut = _cut(signal, sampling_rate, r_peaks[others], reach, reach)
        aligned, shift = _aligned(cut, dominant, slice(0, 2 * reach))
        r_peaks[others] += shift
        similarity[others] = _normalised(aligned) @ shape
    return MedianBeat(np.median(beats, axis=0), sampling_rate, before, r_peaks, similarity, beats)


def _cut(
    signal: Float[np.ndarray, "C T"],
    sampling_rate: float,
    r_peaks: Int[np.ndarray, "N"],
    before: int,
    after: int,
) -> Float[np.ndarray, "N C P"]:
    """Cuts beats with four samples to spare on either side, freed of drift."""
    n_margin = round(2.0 * sampling_rate)
    beats, n_done = [], 0
    while n_done < len(r_peaks):
        low = max(0, int(r_peaks[n_done]) - before - 4 - n_margin)
        n_now = n_done + int(
            np.searchsorted(r_peaks[n_done:], r_peaks[n_done] + _PIECE_S * sampling_rate)
        )
        high = int(r_peaks[n_now - 1]) + after + 4 + n_margin
        filled = np.stack([fill_gaps(row) for row in signal[:, low:high].astype(np.float64)])
        level = fir_bandpass(filled, sampling_rate, low_hz=0.5, high_hz=None)
        windows = sliding_window_view(level, before + after + 8, axis=1)
        beats.append(windows[:, r_peaks[n_done:n_now] - before - 4 - low].transpose(1, 0, 2))
        n_done = n_now
    return np.concatenate(beats)


def _aligned(
    cut: Float[np.ndarray, "N C P"], model: Float[np.ndarray, "C P2"], qrs: slice
) -> tuple[Float[np.ndarray, "N C P3"], Int[np.ndarray, "N"]]:
    """Moves each beat by up to four samples to fit a model of the QRS; returns by how many."""
    fits = [
        np.einsum("ncp,cp->n", cut[:, :, qrs.start + 4 + s : qrs.stop + 4 + s], model)
        for s in range(-4, 5)
    ]
    shift = np.argmax(fits, axis=0) - 4
    n_samples = cut.shape[2] - 8
    moved = [each[:, 4 + s : 4 + s + n_samples] for each, s in zip(cut, shift, strict=True)]
    return np.stack(moved) if moved else cut[:, :, 8:], shift


def _normalised(qrs: Float[np.ndarray, "N C P"]) -> Float[np.ndarray, "N P2"]:
    """Returns each beat as one vector of length one, every lead without its mean."""
    level = qrs - qrs.mean(axis=2, keepdims=True)
    flat = level.reshape(len(level), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
