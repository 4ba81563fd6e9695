import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from medts.evaluation.curves import (
    best_epoch,
    has_both,
    precision_recall,
    rates_at,
    roc,
)


def scores(n_records=90, n_classes=3):
    rng = np.random.default_rng(4)
    target = (rng.random((n_records, n_classes)) < 0.3).astype(np.float32)
    probability = np.round(rng.beta(2 + 2 * target, 4), 2)  # rounding makes ties
    return target > 0.5, probability


@pytest.mark.parametrize("k", range(3))
def test_the_area_under_the_roc_is_the_auroc(k):
    target, probability = scores()
    curve = roc(target[:, k], probability[:, k])
    assert auc(curve.x, curve.y) == pytest.approx(roc_auc_score(target[:, k], probability[:, k]))
    assert ((curve.threshold >= 0) & (curve.threshold <= 1)).all()


@pytest.mark.parametrize("k", range(3))
def test_the_steps_of_the_precision_curve_hold_the_average_precision(k):
    target, probability = scores()
    curve = precision_recall(target[:, k], probability[:, k])
    expected = average_precision_score(target[:, k], probability[:, k])
    assert (-np.diff(curve.x) * curve.y[:-1]).sum() == pytest.approx(expected)
    assert len(curve.threshold) == len(curve.x)


def test_rates_are_counted_at_the_threshold():
    target, probability = scores()
    truth, stated = target[:, 1], probability[:, 1] >= 0.45
    at = rates_at(truth, probability[:, 1], 0.45)
    assert at.false_alarms == (stated & ~truth).sum() / (~truth).sum()
    assert at.sensitivity == (stated & truth).sum() / truth.sum()
    assert at.precision == (stated & truth).sum() / stated.sum()
    assert rates_at(truth, probability[:, 1], 1.1).precision is None


def test_a_class_of_one_kind_has_no_curve():
    assert has_both(np.array([True, False]))
    assert not has_both(np.array([True, True]))
    assert not has_both(np.array([False]))


def test_the_best_epoch_is_judged_by_the_score_and_else_by_the_loss():
    history = [
        {"epoch": 1, "validation_loss": 0.5, "validation_macro_auroc": 0.8},
        {"epoch": 2, "validation_loss": 0.6, "validation_macro_auroc": 0.9},
        {"epoch": 3, "validation_loss": 0.4, "validation_macro_auroc": float("nan")},
        {"epoch": 4, "validation_loss": 0.7, "validation_macro_auroc": 0.9},
    ]
    assert best_epoch(history) == (2, "validation_macro_auroc")
    losses = [{k: v for k, v in row.items() if "auroc" not in k} for row in history]
    assert best_epoch(losses) == (3, "validation_loss")
    assert best_epoch([{"epoch": 0, "train_loss": 1.0}]) is None
