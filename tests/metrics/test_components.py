import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.metrics.components import split_variance


def test_planted_components_are_recovered_also_with_unequal_numbers_of_seeds():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        draws = np.repeat(np.arange(8), [2, 3, 4, 2, 3, 4, 2, 3])
        effect = 0.02 * rng.normal(size=8)
        found.append(split_variance(0.8 + effect[draws] + 0.01 * rng.normal(size=23), draws))
    assert np.mean([f.seed for f in found]) == pytest.approx(0.01**2, rel=0.05)
    # Components below zero are cut off, so the mean is slightly high.
    assert np.mean([f.subsample for f in found]) == pytest.approx(0.02**2, rel=0.08)


def test_a_balanced_design_is_the_textbook_analysis_of_variance():
    values = np.array([0.80, 0.82, 0.90, 0.94, 0.70, 0.76])
    draws = ["a", "a", "b", "b", "c", "c"]
    means = np.array([0.81, 0.92, 0.73])
    within = (0.02**2 + 0.04**2 + 0.06**2) / 2 / 3
    between = 2 * means.var(ddof=1)
    found = split_variance(values, draws)
    assert found.seed == pytest.approx(within)
    assert found.subsample == pytest.approx((between - within) / 2)
    assert np.isnan(found.subject)


def test_the_test_subjects_share_is_what_all_runs_have_in_common():
    rng = np.random.default_rng(0)
    common = 0.03 * rng.normal(size=(3000, 1))
    resamples = 0.8 + common + np.zeros((3000, 6))
    found = split_variance(np.full(6, 0.8), [0, 0, 0, 1, 1, 1], resamples)
    assert found.subject == pytest.approx(0.03**2, rel=0.1)
    assert found.seed == pytest.approx(0, abs=1e-20)
    assert found.subsample == pytest.approx(0, abs=1e-20)


def test_what_the_runs_cannot_tell_is_nan():
    one_subsample = split_variance(np.array([0.8, 0.9]), [0, 0])
    assert np.isnan(one_subsample.subsample)
    assert one_subsample.seed == pytest.approx(0.005)
    one_seed_each = split_variance(np.array([0.8, 0.9]), [0, 1])
    assert np.isnan(one_seed_each.seed)
    with pytest.raises(MedtsError, match="1 of 2 runs") as refused:
        split_variance(np.array([0.8, np.nan]), [0, 1])
    assert refused.value.field == "values"
