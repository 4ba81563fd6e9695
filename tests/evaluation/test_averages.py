from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from medts.core.errors import MedtsError
from medts.evaluation.averages import average, mean_interval
from medts.evaluation.scoring import Scored
from medts.metrics.intervals import Interval


def parts(values, half=0.04):
    return [Interval(value, value - half, value + half) for value in values]


def resamples(n_draws, correlation, seed=0):
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(4000, 1))
    own = rng.normal(size=(4000, n_draws))
    return np.sqrt(correlation) * common + np.sqrt(1 - correlation) * own


def test_one_draw_keeps_its_interval():
    found = mean_interval(parts([0.8]), resamples(1, 0.5))
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.76, 0.84))


def test_draws_that_agree_and_share_their_luck_are_as_sure_as_one():
    drawn = np.repeat(resamples(1, 0.0), 5, axis=1)
    found = mean_interval(parts([0.8] * 5), drawn)
    assert (found.low, found.high) == pytest.approx((0.76, 0.84), abs=1e-9)


def test_draws_with_luck_of_their_own_average_it_out():
    found = mean_interval(parts([0.8] * 4), resamples(4, 0.0))
    assert found.high - 0.8 == pytest.approx(0.04 / 2, rel=0.05)


def test_the_spread_between_draws_widens_by_students_rule():
    values = np.array([0.7, 0.8, 0.9])
    drawn = np.repeat(resamples(1, 0.0), 3, axis=1)
    found = mean_interval(parts(values), drawn)
    people = (0.04 / norm.ppf(0.975)) ** 2
    draws = values.var(ddof=1) / 3
    df = (people + draws) ** 2 / (draws**2 / 2)
    reach = t.ppf(0.975, df) * np.sqrt(people + draws)
    assert found.low == pytest.approx(0.8 - reach)
    assert found.high == pytest.approx(min(1.0, 0.8 + reach))


def test_no_interval_leaves_the_range_of_its_measure():
    drawn = resamples(2, 0.5)
    assert mean_interval(parts([0.5, 0.99]), drawn).high == 1.0
    assert mean_interval(parts([0.5, 0.99]), drawn).low == 0.0
    assert mean_interval(parts([1.0, 1.9]), drawn, limit=2.0).high == 2.0


def test_what_is_undefined_stays_so():
    nothing = Interval(np.nan, np.nan, np.nan)
    assert np.isnan(mean_interval([nothing, nothing], resamples(2, 0.5)).value)
    alone = [Interval(0.6, np.nan, np.nan), Interval(0.8, np.nan, np.nan)]
    found = mean_interval(alone, resamples(2, 0.5))
    assert found.value == pytest.approx(0.7)
    assert np.isnan(found.low)


def scored(task, seed):
    rng = np.random.default_rng(seed)
    n_records, n_classes = task.test.target.shape
    probability = 0.5 * rng.random((n_records, n_classes)) + 0.4 * task.test.target
    return Scored(
        task.store, task.label_set, task.test, probability.astype(np.float64),
        np.full(n_classes, 0.5), np.full(n_classes, 0.2),
    )  # fmt: skip


def test_the_average_is_of_values_and_not_of_probabilities(task):
    draws = [scored(task, seed) for seed in range(4)]
    overall, per_class = average(draws)
    tables = [each.table() for each in draws]
    for name, found in overall.items():
        values = [table.metrics[name].value for table in tables]
        assert found.value == pytest.approx(np.mean(values))
        assert found.low <= found.value <= found.high
    for name, n in tables[0].n_positive.items():
        assert per_class[name]["n_positive"].value == n


def test_draws_on_different_records_are_not_averaged(task):
    first, second = scored(task, 0), scored(task, 1)
    other = task.test.take(np.arange(len(task.test))[::-1].copy())
    with pytest.raises(MedtsError, match="different records") as refused:
        average([first, replace(second, test=other)])
    assert refused.value.field == "test"
