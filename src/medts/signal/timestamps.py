"""Regridding of uneven timestamps onto an even grid, linear interpolation, gaps as NaN.

Wearables stamp every sample with their own clock: nominal rates drift, packets arrive late and in
bursts, and some are lost. Samples that fall to one point of the grid are averaged, points between
two samples are interpolated by a straight line unless the samples lie too far apart.

Axes: C channels, n samples as the device gave them, T samples in time.
"""

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError


def to_grid(
    times_s: Float[np.ndarray, "n"],
    values: Float[np.ndarray, "C n"],
    sampling_rate: float,
    *,
    longest_step_s: float,
) -> Float[np.ndarray, "C T"]:
    """Resamples uneven timestamps to an even grid, from the first to the last, gaps as NaN.

    Args:
        times_s: Timestamps in seconds, in order; equal ones are allowed.
        values: One column per timestamp; one that is not finite counts as never recorded.
        sampling_rate: Rate of the grid, Hz.
        longest_step_s: Longest distance between two samples that is bridged; what is further
            from a sample than half a step of the grid and inside a longer one is NaN.

    Raises:
        MedtsError: If times are none, not finite or run backwards.
    """
    if not len(times_s) or not np.isfinite(times_s).all():
        raise MedtsError("timestamps are missing or not finite", field="times_s")
    if (np.diff(times_s) < 0).any():
        problem = f"timestamps run backwards after sample {int(np.argmax(np.diff(times_s) < 0))}"
        remedy = "Put samples in the order of their times, or split where the clock was reset"
        raise MedtsError(problem, field="times_s", remedy=remedy)
    place = (times_s - times_s[0]) * sampling_rate
    grid = np.arange(round(place[-1]) + 1, dtype=np.float64)
    rows = [_row(place, row, grid, longest_step_s * sampling_rate) for row in values]
    return np.array(rows, dtype=np.float32).reshape(len(values), len(grid))


def _row(
    place: Float[np.ndarray, "n"],
    values: Float[np.ndarray, "n"],
    grid: Float[np.ndarray, "T"],
    longest_step: float,
) -> Float[np.ndarray, "T"]:
    """Brings one channel to the grid; places are in steps of the grid."""
    is_finite = np.isfinite(values)
    if not is_finite.any():
        return np.full(len(grid), np.nan)
    place, values = place[is_finite], values[is_finite]
    cells, cell_of, count = np.unique(np.rint(place), return_inverse=True, return_counts=True)
    place = np.bincount(cell_of, place) / count
    values = np.bincount(cell_of, values) / count
    out = np.interp(grid, place, values)
    after = np.searchsorted(place, grid).clip(1, max(len(place) - 1, 1))
    before = after - 1
    after = after.clip(max=len(place) - 1)
    is_bridged = (place[after] - place[before] <= longest_step) & (
        (place[before] <= grid) & (grid <= place[after])
    )
    out[~is_bridged & ~np.isin(grid, cells)] = np.nan
    return out
