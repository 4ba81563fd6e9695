import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.signal.timestamps import to_grid


def test_samples_on_the_grid_stay_what_they_are():
    times = np.arange(50) / 20.0
    values = np.random.default_rng(0).standard_normal((3, 50))
    np.testing.assert_allclose(to_grid(times, values, 20.0, longest_step_s=0.2), values, atol=1e-6)


def test_a_drifting_clock_is_followed_in_seconds_not_in_rows():
    times = np.arange(2004) / 20.037
    made = to_grid(times, np.sin(times)[None], 20.0, longest_step_s=0.2)
    grid = np.arange(made.shape[1]) / 20.0
    assert made.shape == (1, 2000)
    assert np.abs(made[0] - np.sin(grid)).max() < 1e-3


def test_a_long_step_is_nan_and_a_short_one_is_a_line():
    times = np.array([0.0, 0.1, 0.2, 0.4, 0.5, 1.5, 1.6])
    made = to_grid(times, 10 * times[None], 10.0, longest_step_s=0.2)[0]
    expected = np.arange(17.0)
    expected[6:15] = np.nan
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_burst_is_averaged_instead_of_picked_from():
    times = np.array([0.0, 0.98, 0.99, 1.01, 1.02, 2.0])
    made = to_grid(times, np.array([[0.0, 1.0, 3.0, 5.0, 7.0, 4.0]]), 1.0, longest_step_s=2.0)
    np.testing.assert_allclose(made, [[0.0, 4.0, 4.0]], atol=1e-6)


def test_lost_values_of_one_channel_are_bridged_or_nan_like_lost_samples():
    times = np.arange(10) / 10.0
    values = np.tile(np.arange(10.0), (2, 1))
    values[0, 2] = np.nan
    values[0, 5:9] = np.nan
    made = to_grid(times, values, 10.0, longest_step_s=0.2)
    assert made[0, 2] == pytest.approx(2.0)
    assert np.isnan(made[0, 5:9]).all()
    assert np.isfinite(made[1]).all()
    empty = to_grid(times, np.full((1, 10), np.nan), 10.0, longest_step_s=0.2)
    assert empty.shape == (1, 10)
    assert np.isnan(empty).all()


def test_a_clock_that_runs_backwards_or_says_nothing_is_refused():
    values = np.zeros((1, 3))
    with pytest.raises(MedtsError, match="run backwards after sample 1"):
        to_grid(np.array([0.0, 1.0, 0.5]), values, 1.0, longest_step_s=2.0)
    with pytest.raises(MedtsError, match="not finite"):
        to_grid(np.array([0.0, np.nan, 2.0]), values, 1.0, longest_step_s=2.0)
