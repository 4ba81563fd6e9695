import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from medts.metrics.delong import auroc_interval, delong_variance
from medts.metrics.intervals import logit_interval


def naive_delong(positive, negative):
    """DeLong et al. (1988) as a double loop."""
    psi = np.array([[(x > y) + 0.5 * (x == y) for y in negative] for x in positive], dtype=float)
    by_positive, by_negative = psi.mean(axis=1), psi.mean(axis=0)
    variance = by_positive.var(ddof=1) / len(positive) + by_negative.var(ddof=1) / len(negative)
    return psi.mean(), variance


def naive_obuchowski(is_positive, score, subject):
    """Obuchowski (1997), section 2, as loops over subjects."""
    positive, negative = np.flatnonzero(is_positive), np.flatnonzero(~is_positive)
    psi = {
        (i, j): (score[i] > score[j]) + 0.5 * (score[i] == score[j])
        for i in positive
        for j in negative
    }
    m, n = len(positive), len(negative)
    theta = sum(psi.values()) / (m * n)
    v10 = {i: sum(psi[i, j] for j in negative) / n for i in positive}
    v01 = {j: sum(psi[i, j] for i in positive) / m for j in negative}
    rows = []
    for s in np.unique(subject):
        mine_p = [i for i in positive if subject[i] == s]
        mine_n = [j for j in negative if subject[j] == s]
        x = sum(v10[i] for i in mine_p) - len(mine_p) * theta
        y = sum(v01[j] for j in mine_n) - len(mine_n) * theta
        rows.append((x, y, len(mine_p) > 0, len(mine_n) > 0))
    x, y, has_p, has_n = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    i10, i01, i = has_p.sum(), has_n.sum(), len(rows)
    s10 = i10 / ((i10 - 1) * m) * (x**2).sum()
    s01 = i01 / ((i01 - 1) * n) * (y**2).sum()
    s11 = i / (i - 1) * (x * y).sum()
    return theta, s10 / m + s01 / n + 2 * s11 / (m * n)


def example(seed, n_records=60, decimals=1):
    rng = np.random.default_rng(seed)
    is_positive = rng.random(n_records) < 0.3
    score = np.round(rng.normal(size=n_records) + 1.5 * is_positive, decimals)
    return is_positive, score


@pytest.mark.parametrize("seed", range(4))
def test_one_record_per_subject_gives_delongs_variance_and_the_auroc(seed):
    is_positive, score = example(seed)
    seen = delong_variance(is_positive, score, np.arange(60))
    value, variance = naive_delong(score[is_positive], score[~is_positive])
    assert seen.value == pytest.approx(value) == pytest.approx(roc_auc_score(is_positive, score))
    assert seen.total == pytest.approx(variance, rel=1e-9)
    assert seen.cross == 0


@pytest.mark.parametrize("seed", range(4))
def test_several_records_per_subject_give_obuchowskis_variance(seed):
    is_positive, score = example(seed)
    subject = np.concatenate([np.arange(20), np.random.default_rng(seed).integers(20, size=40)])
    seen = delong_variance(is_positive, score, subject)
    value, variance = naive_obuchowski(is_positive, score, subject)
    assert seen.value == pytest.approx(value)
    assert seen.total == pytest.approx(variance, rel=1e-9)
    assert seen.cross != 0


def test_copies_of_a_record_do_not_narrow_the_interval():
    is_positive, score = example(0)
    once = auroc_interval(delong_variance(is_positive, score, np.arange(60)))
    rows = np.repeat(np.arange(60), 5)
    copied = auroc_interval(delong_variance(is_positive[rows], score[rows], rows))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high), abs=1e-9)


def test_with_many_subjects_the_steadied_interval_is_that_of_logit_delong():
    is_positive, score = example(1, n_records=20000, decimals=6)
    seen = delong_variance(is_positive, score, np.arange(20000))
    steadied, usual = auroc_interval(seen), logit_interval(seen.value, np.sqrt(seen.total))
    assert (steadied.low, steadied.high) == pytest.approx((usual.low, usual.high), abs=2e-4)
    half = 1.959964 * np.sqrt(seen.total) / (seen.value * (1 - seen.value))
    assert usual.low == pytest.approx(expit(logit(seen.value) - half), abs=1e-6)


@pytest.mark.parametrize("n_positive", [1, 3, 10, 100])
def test_perfect_separation_has_a_finite_interval_that_narrows_with_positives(n_positive):
    is_positive = np.arange(200) < n_positive
    seen = delong_variance(is_positive, is_positive.astype(float), np.arange(200))
    found = auroc_interval(seen)
    assert found.value == found.high == 1.0
    assert {1: 0.1, 3: 0.5, 10: 0.8, 100: 0.95}[n_positive] < found.low < 0.985
    turned = auroc_interval(delong_variance(is_positive, -1.0 * is_positive, np.arange(200)))
    assert (turned.low, turned.high) == pytest.approx((0.0, 1 - found.low), abs=1e-9)


def test_a_constant_score_and_a_missing_class_are_told_apart():
    is_positive = np.arange(50) < 5
    constant = auroc_interval(delong_variance(is_positive, np.full(50, 0.3), np.arange(50)))
    assert constant.value == 0.5
    assert constant.low < 0.5 < constant.high
    missing = auroc_interval(delong_variance(is_positive & False, np.arange(50.0), np.arange(50)))
    assert np.isnan([missing.value, missing.low, missing.high]).all()
