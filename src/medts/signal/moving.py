"""Moving mean, maximum and median of a series, and peak detection, without SciPy.

Values are those of ``uniform_filter1d``, ``maximum_filter1d`` and ``median_filter`` of
``scipy.ndimage`` and of ``scipy.signal.find_peaks``, which take a second to import. A window of
even size reaches one value further back than ahead.

Axes: T samples in time, N peaks.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy.lib.stride_tricks import sliding_window_view

_BLOCK = 2**20
"""Numbers in an intermediate array."""


def moving_mean(values: Float[np.ndarray, "T"], size: int) -> Float[np.ndarray, "T"]:
    """Returns means over ``size`` values, with the ends reflected."""
    total = np.cumsum(np.pad(_around(values, size, "symmetric"), (1, 0)))
    return (total[size:] - total[:-size]) / size


def moving_maximum(
    values: Float[np.ndarray, "T"], size: int, step: int = 1
) -> Float[np.ndarray, "T2"]:
    """Returns every ``step``-th maximum over ``size`` values, with the ends reflected."""
    return sliding_window_view(_around(values, size, "symmetric"), size)[::step].max(axis=1)


def moving_median(values: Float[np.ndarray, "T"], size: int) -> Float[np.ndarray, "T"]:
    """Returns medians over ``size`` (odd) values, with the ends held."""
    windows = sliding_window_view(_around(values, size, "edge"), size)
    n_rows = max(1, _BLOCK // size)
    starts = range(0, len(windows), n_rows)
    return np.concatenate([np.median(windows[at : at + n_rows], axis=1) for at in starts])


def _around(values: np.ndarray, size: int, mode: str) -> np.ndarray:
    return np.pad(values, (size // 2, size - 1 - size // 2), mode=mode)  # pyright: ignore


def find_peaks(values: Float[np.ndarray, "T"], *, distance: int) -> Int[np.ndarray, "N"]:
    """Returns local maxima (the middle of flat ones), the highest first to keep its distance.

    Args:
        values: A maximum at either end is none, for what lies beyond is not known.
        distance: Of peaks nearer to each other than this many samples the higher one stays.
    """
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)  # of runs of one value
    ends = np.append(starts[1:], len(values)) - 1
    level = values[starts]
    is_peak = np.zeros(len(starts), dtype=bool)
    is_peak[1:-1] = (level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])
    peaks = (starts[is_peak] + ends[is_peak]) // 2
    is_kept = np.ones(len(peaks), dtype=bool)
    for highest in np.argsort(values[peaks])[::-1]:
        if is_kept[highest]:
            low, high = np.searchsorted(peaks, peaks[highest] + np.array([1 - distance, distance]))
            is_kept[low:high] = False
            is_kept[highest] = True
    return peaks[is_kept]
