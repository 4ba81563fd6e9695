import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.metrics.regression import (
    averaged,
    r_squared,
    regression_intervals,
    regression_measures,
)

RNG = np.random.default_rng(0)
TARGET = 60 + 15 * RNG.normal(size=(40, 2))
PREDICTED = TARGET + RNG.normal(2.0, 5.0, size=(40, 2))
TARGET[[3, 17], 1] = np.nan


def reference(y, p):
    """The textbook's formulas, on the records that are known."""
    known = np.isfinite(y)
    y, p = y[known], p[known]
    difference = p - y
    half = 1.959963984540054 * difference.std(ddof=1)
    return {
        "r2": 1 - (difference**2).sum() / ((y - y.mean()) ** 2).sum(),
        "mae": np.abs(difference).mean(),
        "rmse": np.sqrt((difference**2).mean()),
        "pearson_r": np.corrcoef(y, p)[0, 1],
        "bias": difference.mean(),
        "limit_low": difference.mean() - half,
        "limit_high": difference.mean() + half,
    }


def test_every_measure_is_the_textbooks_and_missing_targets_take_no_part():
    found = regression_measures(TARGET, PREDICTED, np.ones((1, 40)))
    for k in range(2):
        for name, value in reference(TARGET[:, k], PREDICTED[:, k]).items():
            assert found[name][0, k] == pytest.approx(value, rel=1e-9), name


def test_a_weight_counts_a_record_that_often():
    weights = RNG.integers(0, 3, size=(5, 40)).astype(float)
    found = regression_measures(TARGET, PREDICTED, weights)
    for row, counts in enumerate(weights.astype(int)):
        repeated = np.repeat(np.arange(40), counts)
        for name, value in reference(TARGET[repeated, 0], PREDICTED[repeated, 0]).items():
            assert found[name][row, 0] == pytest.approx(value, rel=1e-9), name


def test_the_mean_as_prediction_has_no_r2_above_zero_and_no_correlation():
    constant = np.full((40, 1), TARGET[:, 0].mean())
    found = regression_measures(TARGET[:, :1], constant, np.ones((1, 40)))
    assert found["r2"][0, 0] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(found["pearson_r"][0, 0])


def test_a_target_that_does_not_vary_has_no_r2():
    same = np.full((40, 1), 63.1)
    assert np.isnan(r_squared(same, PREDICTED[:, :1])).all()


def test_units_are_not_averaged():
    both = averaged(regression_measures(TARGET, PREDICTED, np.ones((1, 40))))
    assert set(both) == {"r2", "pearson_r"}
    assert both["r2"][0] == pytest.approx(r_squared(TARGET, PREDICTED).mean())
    one = averaged(regression_measures(TARGET[:, :1], PREDICTED[:, :1], np.ones((1, 40))))
    assert set(one) == {"r2", "mae", "rmse", "pearson_r", "bias"}


def test_intervals_resample_subjects_not_records():
    subjects = [str(number) for number in range(40)]
    alone, _ = regression_intervals(TARGET, PREDICTED, subjects)
    # Ten copies of each record of a subject say no more than one.
    ten = [np.repeat(each, 10, axis=0) for each in (TARGET, PREDICTED)]
    copied, _ = regression_intervals(*ten, np.repeat(subjects, 10).tolist())
    assert copied["r2"].low == pytest.approx(alone["r2"].low)
    as_records, _ = regression_intervals(*ten, [str(number) for number in range(400)])
    wide, narrow = (each["r2"].high - each["r2"].low for each in (alone, as_records))
    assert narrow < 0.6 * wide
    assert alone["r2"].low < alone["r2"].value < alone["r2"].high


def test_a_diverged_prediction_is_refused():
    broken = PREDICTED.copy()
    broken[0, 0] = np.nan
    with pytest.raises(MedtsError, match="NaN or infinite"):
        regression_measures(TARGET, broken, np.ones((1, 40)))
