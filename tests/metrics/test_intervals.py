import numpy as np
import pytest
from scipy import stats

from medts.metrics.intervals import (
    Interval,
    macro_interval,
    percentile_interval,
    proportion_interval,
    resample_correlation,
    steadied_interval,
    wilson_interval,
)


def test_the_percentile_interval_is_scipys_on_its_own_resamples_of_a_skewed_sample():
    sample = np.random.default_rng(0).exponential(size=40)
    theirs = stats.bootstrap(
        (sample,), np.mean, method="percentile", n_resamples=999, rng=np.random.default_rng(1)
    )
    ours = percentile_interval(float(sample.mean()), theirs.bootstrap_distribution)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=1e-9)


def test_wilson_is_that_of_scipy():
    for n_right, n in ((0, 8), (3, 8), (97, 100), (8, 8)):
        theirs = stats.binomtest(n_right, n).proportion_ci(method="wilson")
        ours = wilson_interval(n_right / n, n)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_a_proportion_with_one_case_per_subject_is_wilsons_and_repeats_add_nothing():
    right = np.array([1.0, 1, 0, 1, 0, 1, 1, 1, 1, 0])
    once = proportion_interval(right, np.ones(10))
    plain = wilson_interval(0.7, 10)
    assert (once.low, once.high) == (plain.low, plain.high)
    # Four copies of the same answer per subject are hardly more evidence than one.
    copied = proportion_interval(4 * right, np.full(10, 4.0))
    naive = wilson_interval(0.7, 40)
    assert copied.value == pytest.approx(0.7)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.2)
    assert copied.high - copied.low > 1.6 * (naive.high - naive.low)


def test_a_perfect_share_still_has_a_width_by_its_subjects():
    found = proportion_interval(np.full(6, 5.0), np.full(6, 5.0))
    assert found.high == 1.0
    assert found.low == pytest.approx(wilson_interval(1.0, 6).low)


def test_the_macro_interval_is_exact_for_normal_means_with_known_correlation():
    correlation = np.array([[1, 0.5], [0.5, 1]])
    halves = np.array([0.2, 0.1])
    parts = [Interval(0.5, 0.5 - h, 0.5 + h) for h in halves]
    found = macro_interval(parts, correlation)
    expected = np.sqrt(0.2**2 + 0.1**2 + 2 * 0.5 * 0.2 * 0.1) / 2
    assert (found.value - found.low, found.high - found.value) == pytest.approx(
        (expected, expected)
    )


def test_the_macro_interval_leaves_out_undefined_classes():
    parts = [Interval(0.8, 0.7, 0.9), Interval(np.nan, np.nan, np.nan)]
    found = macro_interval(parts, np.eye(2))
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.7, 0.9))
    assert np.isnan(macro_interval(parts[1:], np.eye(1)).low)


def test_correlation_is_numpys_and_bears_gaps_and_constants():
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(500, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(
        resample_correlation(drawn), np.corrcoef(drawn, rowvar=False), atol=1e-12
    )
    drawn[::7, 0] = np.nan
    gappy = resample_correlation(np.column_stack([drawn, np.ones(500)]))
    rows = np.isfinite(drawn[:, 0])
    assert gappy[0, 1] == pytest.approx(np.corrcoef(drawn[rows, 0], drawn[rows, 1])[0, 1], abs=0.01)
    assert gappy[3].tolist() == [0, 0, 0, 1]


def test_the_steadied_interval_is_a_bootstrap_one_with_many_subjects_and_has_width_at_one():
    rng = np.random.default_rng(0)
    drawn = 0.7 + 0.01 * rng.normal(size=(2000, 1))
    many = steadied_interval(np.array([0.7]), drawn, np.array([2100]))
    assert (many.low, many.high) == pytest.approx((0.68, 0.72), abs=0.002)
    perfect = steadied_interval(np.array([1.0]), np.ones((50, 1)), np.array([12]))
    assert 0.6 < perfect.low < 0.9
    assert perfect.high == 1.0


def test_a_bias_of_the_resamples_moves_the_interval_but_it_keeps_the_value():
    rng = np.random.default_rng(0)
    noise = 0.01 * rng.normal(size=(2000, 1))
    found = steadied_interval(np.array([0.5]), 0.51 + noise, np.array([2500]))
    assert found.low < 0.475 < found.value < found.high < 0.515
    far = steadied_interval(np.array([0.5]), 0.6 + noise, np.array([2500]))
    assert far.high == far.value == 0.5


def test_undefined_values_have_undefined_intervals():
    undefined = [
        percentile_interval(np.nan, np.array([0.1, 0.2])),
        percentile_interval(0.5, np.full(3, np.nan)),
        proportion_interval(np.zeros(2), np.zeros(2)),
        steadied_interval(np.array([np.nan]), np.full((3, 1), np.nan), np.array([0])),
    ]
    assert all(np.isnan(i.low) and np.isnan(i.high) for i in undefined)
