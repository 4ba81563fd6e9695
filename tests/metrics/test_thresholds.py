import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import recall_score

from medts.core.errors import MedtsError
from medts.metrics.thresholds import choose_thresholds


def example(seed, n_records=50):
    rng = np.random.default_rng(seed)
    target = np.r_[1.0, 0.0, rng.random(n_records - 2) < 0.3][:, None]
    return target, np.round(np.clip(rng.random((n_records, 1)) * 0.8 + 0.2 * target, 0, 1), 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_no_threshold_on_a_fine_grid_does_better(seed):
    target, probability = example(seed)
    y, p = target[:, 0], probability[:, 0]
    grid = np.linspace(0, 1, 401)

    def f1(threshold):
        stated = p >= threshold
        return 2 * (stated * y).sum() / (stated.sum() + y.sum())

    def youden(threshold):
        stated = p >= threshold
        return stated[y > 0].mean() - stated[y == 0].mean()

    best = choose_thresholds(target, probability).values[0]
    assert f1(best) >= max(map(f1, grid)) - 1e-12
    best = choose_thresholds(target, probability, rule="Youden").values[0]
    assert youden(best) >= max(map(youden, grid)) - 1e-12


def test_the_wanted_sensitivity_is_reached_with_the_highest_threshold_that_does():
    target, probability = example(0, n_records=200)
    found = choose_thresholds(target, probability, rule="sensitivity", sensitivity=0.8)
    y, p = target[:, 0], probability[:, 0]
    assert recall_score(y, p >= found.values[0]) >= 0.8
    assert recall_score(y, p >= found.values[0] + 0.0101) < 0.8
    assert found.rule == "sensitivity 0.8"
    with pytest.raises(MedtsError, match=r"1\.5 is not in"):
        choose_thresholds(target, probability, rule="sensitivity", sensitivity=1.5)


def test_the_threshold_is_midway_between_the_scores_it_separates():
    target = np.array([[0.0], [0], [1], [1]])
    probability = np.array([[0.1], [0.2], [0.6], [0.9]])
    assert choose_thresholds(target, probability).values[0] == pytest.approx(0.4)
    adjacent = np.array([[0.1], [np.nextafter(0.5, 0)], [0.5], [0.9]])
    assert choose_thresholds(target, adjacent).values[0] == 0.5


def test_stating_everything_is_a_threshold_below_the_lowest_score():
    target = np.array([[1.0], [1], [1], [0]])
    probability = np.array([[0.2], [0.5], [0.6], [0.9]])
    found = choose_thresholds(target, probability).values[0]
    assert 0 <= found < 0.2


def test_a_class_that_validation_cannot_judge_falls_back_and_is_listed():
    target, probability = example(0)
    both = np.hstack([target, np.zeros_like(target)])
    found = choose_thresholds(both, np.hstack([probability, probability]), ["A", "B"])
    assert found.fallback_classes == ["B"]
    assert found.values[1] == 0.5
    points = found.operating_points(["A", "B"], "validation: synthetic")
    assert points["A"].threshold == found.values[0]
    assert (points["A"].rule, points["B"].rule) == ("best F1", "fallback")
    assert points["A"].split == "validation: synthetic"
