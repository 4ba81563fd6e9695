import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from medts.core.errors import MedtsError
from medts.metrics.calibration import (
    calibration_error,
    fit_temperature,
    judged_decisions,
    log_losses,
    reliability,
    scale_logits,
)


def single_example(n_records=4000, temperature=1.0, seed=0):
    """Labels drawn from the softmax of logits; the returned logits are these × temperature."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n_records, 3))
    drawn = (rng.random((n_records, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return np.eye(3)[drawn], temperature * logits


def test_the_reliability_curve_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    probability = rng.beta(0.5, 2, size=500)
    is_true = (rng.random(500) < probability).astype(float)
    ours = reliability(is_true, probability, 10)
    observed, mean = calibration_curve(is_true, probability, n_bins=10)
    np.testing.assert_allclose(ours.observed, observed)
    np.testing.assert_allclose(ours.probability, mean)
    assert ours.count.sum() == 500


def test_the_error_is_the_count_weighted_gap_and_empty_bins_are_left_out():
    probability = np.array([0.9] * 8 + [0.1] * 2)
    is_true = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 1])
    found = reliability(is_true, probability, 10)
    assert found.count.tolist() == [2, 8]
    assert found.error == pytest.approx(0.8 * 0.4 + 0.2 * 0.4)


def test_a_probability_on_the_edge_of_two_bins_belongs_to_the_lower():
    found = reliability(np.array([0, 1, 1]), np.array([0.25, 0.5, 0.75]), n_bins=2)
    assert found.count.tolist() == [2, 1]


def test_calibrated_scores_have_a_small_error_and_overconfident_ones_a_large():
    target, logits = single_example()
    honest = calibration_error(target, softmax(logits, axis=1), "single")
    loud = calibration_error(target, softmax(4 * logits, axis=1), "single")
    assert honest < 0.03
    assert loud > 0.1
    rng = np.random.default_rng(1)
    probability = rng.random((4000, 2))
    drawn = (rng.random((4000, 2)) < probability).astype(float)
    assert calibration_error(drawn, probability, "multi") < 0.04


def test_only_the_decided_class_is_judged_in_a_single_label_set():
    target = np.array([[1, 0], [0, 1.0]])
    probability = np.array([[0.8, 0.2], [0.7, 0.3]])
    is_true, likely = judged_decisions(target, probability, "single")
    assert is_true[:, 0].tolist() == [True, False]
    assert likely[:, 0].tolist() == [0.8, 0.7]


def test_the_fitted_temperature_recovers_the_planted_one_and_a_grid_finds_none_better():
    target, logits = single_example(temperature=2.5)
    found = fit_temperature(target, logits, "single")
    assert found == pytest.approx(2.5, rel=0.1)
    best = log_losses(target, scale_logits(logits, found), "single").mean()
    grid = [log_losses(target, logits / t, "single").mean() for t in np.geomspace(0.1, 9, 80)]
    assert best <= min(grid) + 1e-9
    assert best == pytest.approx(log_loss(target, softmax(logits / found, axis=1)))

    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(4000, 2))
    drawn = (rng.random((4000, 2)) < expit(logits)).astype(float)
    assert fit_temperature(drawn, 0.4 * logits, "multi") == pytest.approx(0.4, rel=0.1)


def test_perfectly_separating_logits_end_at_the_bound_and_stay_finite():
    target = np.eye(2)[[0, 1, 0, 1]]
    found = fit_temperature(target, 8 * target, "single")
    assert 0.009 < found < 1
    with pytest.raises(MedtsError, match="not positive") as refused:
        scale_logits(target, 0.0)
    assert refused.value.field == "temperature"
