import numpy as np
import pytest
from scipy.special import softmax

from medts.core.errors import MedtsError
from medts.metrics.conformal import conformal_quantile, fit_labels, fit_sets


def single_example(rng, n_records):
    """An overconfident model, so that coverage cannot come from calibration."""
    logits = rng.normal(size=(n_records, 4))
    truth = (rng.random((n_records, 1)) > softmax(logits, axis=1).cumsum(axis=1)).sum(axis=1)
    return np.eye(4)[truth], softmax(5 * logits, axis=1)


def multi_example(rng, n_records):
    target = (rng.random((n_records, 2)) < [0.5, 0.2]).astype(float)
    raw = 3 * (rng.normal(size=target.shape) + target)
    return target, 1 / (1 + np.exp(-raw))


def test_the_quantile_counts_the_new_record_and_is_infinite_with_too_few():
    scores = np.arange(1, 20) / 20
    assert conformal_quantile(scores, 0.1) == pytest.approx(18 / 20)
    assert conformal_quantile(scores[:9], 0.1) == pytest.approx(9 / 20)
    assert conformal_quantile(scores[:8], 0.1) == np.inf
    assert conformal_quantile(scores[:0], 0.1) == np.inf
    with pytest.raises(MedtsError, match="error rate") as refused:
        conformal_quantile(scores, 1.0)
    assert refused.value.field == "error_rate"


def test_sets_hold_the_truth_as_often_as_promised_for_a_badly_calibrated_model():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(200):
        sets = fit_sets(*single_example(rng, 60), error_rate=0.2)
        target, probability = single_example(rng, 100)
        possible = sets(probability)
        held.append((possible & (target > 0)).sum() / len(target))
        assert possible.any(axis=1).all()
    # Exact for 60 calibration records: between 0.8 and 0.8 + 1/61, plus the top class.
    assert 0.795 < np.mean(held) < 0.83


def test_sets_grow_with_the_promise():
    rng = np.random.default_rng(0)
    calibration, (_, probability) = single_example(rng, 500), single_example(rng, 500)
    strict, lax = (
        fit_sets(*calibration, error_rate=rate)(probability).sum() for rate in (0.05, 0.3)
    )
    assert lax < strict


def test_presence_and_absence_each_keep_their_promise_within_each_class():
    rng = np.random.default_rng(0)
    kept_present, kept_absent = [], []
    for _ in range(200):
        labels = fit_labels(*multi_example(rng, 150), error_rate=0.1)
        target, probability = multi_example(rng, 150)
        present, absent = labels.can_be_present(probability), labels.can_be_absent(probability)
        kept_present.append([present[target[:, k] > 0, k].mean() for k in range(2)])
        kept_absent.append([absent[target[:, k] == 0, k].mean() for k in range(2)])
    assert (np.mean(kept_present, axis=0) > 0.89).all()
    assert (np.mean(kept_absent, axis=0) > 0.89).all()
    assert np.mean(kept_present) < 0.94


def test_a_class_with_too_few_positives_is_always_possibly_present():
    target = np.zeros((40, 1))
    target[:3] = 1
    probability = np.linspace(0.9, 0.1, 40)[:, None]
    labels = fit_labels(target, probability, error_rate=0.1)
    assert labels.can_be_present(np.array([[0.0], [1.0]])).all()
    assert not labels.can_be_absent(np.array([[0.99]])).any()
