"""Moving statistics and peaks against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, signal

from medts.signal.moving import find_peaks, moving_maximum, moving_mean, moving_median

few_levels = st.lists(st.integers(0, 4), min_size=1, max_size=60)
distinct = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60, unique=True)


@given(distinct, st.integers(1, 80), st.integers(1, 5))
def test_moving_mean_and_maximum_equal_those_of_scipy(values, size, step):
    values = np.array(values)
    expected = ndimage.uniform_filter1d(values, size)
    np.testing.assert_allclose(moving_mean(values, size), expected, atol=1e-9)
    expected = ndimage.maximum_filter1d(values, size)[::step]
    assert np.array_equal(moving_maximum(values, size, step), expected)


@pytest.mark.parametrize(("n_samples", "size"), [(1, 101), (40, 101), (300, 5), (30_000, 101)])
def test_moving_median_equals_that_of_scipy_in_blocks_too(n_samples, size):
    values = np.random.default_rng(0).standard_normal(n_samples)
    expected = ndimage.median_filter(values, size=size, mode="nearest")
    assert np.array_equal(moving_median(values, size), expected)


@given(few_levels)
def test_local_maxima_equal_those_of_scipy_flat_ones_too(values):
    values = np.array(values, dtype=float)
    assert np.array_equal(find_peaks(values, distance=1), signal.find_peaks(values)[0])


@given(distinct, st.integers(1, 20))
def test_peaks_at_a_distance_equal_those_of_scipy(values, distance):
    values = np.array(values)
    expected = signal.find_peaks(values, distance=distance)[0]
    assert np.array_equal(find_peaks(values, distance=distance), expected)
