import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from medts.core.errors import MedtsError
from medts.metrics.comparison import holm, paired_bootstrap
from medts.metrics.scores import make_scorer


def pair(seed=0, n_records=120, better=1.0):
    """Two models that share half of their errors; the first has more signal."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n_records, 2)) < 0.4).astype(float)
    common = rng.normal(size=target.shape)
    return tuple(
        make_scorer(
            target,
            1 / (1 + np.exp(-(common + rng.normal(size=target.shape) + gain * target))),
            np.full(2, 0.5),
            "multi",
        )
        for gain in (1 + better, 1.0)
    )


def test_a_model_does_not_differ_from_itself():
    first, _ = pair()
    subjects = np.arange(120)
    found = paired_bootstrap(first, first, subjects, n_resamples=50)["macro_auroc"]
    assert found.difference == 0
    assert found.p_value == 1


def test_a_clear_difference_is_found_and_is_symmetric():
    first, second = pair(better=1.5)
    subjects = np.arange(120) // 2
    there = paired_bootstrap(first, second, subjects)["macro_auroc"]
    back = paired_bootstrap(second, first, subjects)["macro_auroc"]
    assert there.difference == pytest.approx(-back.difference)
    assert there.difference > 0.1
    assert there.p_value < 0.01
    assert back.p_value == pytest.approx(there.p_value, abs=0.005)


def test_the_bootstrap_error_of_a_difference_matches_a_loop_over_resampled_subjects():
    first, second = pair()
    subject = np.arange(120) // 3
    found = paired_bootstrap(first, second, subject, n_resamples=2000)["macro_auroc"]
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(400):
        rows = np.concatenate([np.flatnonzero(subject == s) for s in rng.integers(40, size=40)])
        y = first.is_positive[rows]
        drawn.append(roc_auc_score(y, first.rank[rows]) - roc_auc_score(y, second.rank[rows]))
    assert (found.high - found.low) / 2 == pytest.approx(2.0 * np.std(drawn), rel=0.12)


def runs(n_seeds=3, n_records=120):
    """Runs of two models with several seeds on the same test set."""
    first, _ = pair()
    rng = np.random.default_rng(4)
    target = first.is_positive.astype(float)

    def scorer(gain):
        score = rng.normal(size=target.shape) + gain * target
        return make_scorer(target, 1 / (1 + np.exp(-score)), np.full(2, 0.5), "multi")

    return [scorer(1.6) for _ in range(n_seeds)], [scorer(1.0) for _ in range(n_seeds)]


def test_equal_seeds_give_the_interval_of_one():
    first, second = pair()
    subject = np.arange(120) // 3
    one = paired_bootstrap(first, second, subject, n_resamples=200)
    assert paired_bootstrap([first], [second], subject, n_resamples=200) == one
    three = paired_bootstrap([first] * 3, [second] * 3, subject, n_resamples=200)
    assert three["macro_auroc"].low == pytest.approx(one["macro_auroc"].low)
    assert three["macro_auroc"].p_value == pytest.approx(one["macro_auroc"].p_value)


def test_the_error_over_seeds_adds_their_variance_to_that_of_subjects():
    firsts, seconds = runs()
    subject = np.arange(120) // 3
    found = paired_bootstrap(firsts, seconds, subject, n_resamples=1000)["macro_auroc"]

    def differences(rows):
        y = firsts[0].is_positive[rows]
        return np.array(
            [
                roc_auc_score(y, one.rank[rows]) - roc_auc_score(y, other.rank[rows])
                for one, other in zip(firsts, seconds, strict=True)
            ]
        )

    plain = differences(np.arange(120))
    assert found.difference == pytest.approx(np.mean(plain))
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(150):
        picked = rng.integers(40, size=40)
        rows = np.concatenate([np.flatnonzero(subject == s) for s in picked])
        drawn.append(np.mean(differences(rows)))
    people, seeds = np.var(drawn), np.var(plain, ddof=1) / 3
    df = (people + seeds) ** 2 / (people**2 / 100 + seeds**2 / 2)
    reach = stats.t.ppf(0.975, df) * np.sqrt(people + seeds)
    assert (found.high - found.low) / 2 == pytest.approx(reach, rel=0.2)
    assert found.high - found.low > 2 * 1.96 * np.sqrt(people)


def test_runs_of_other_targets_are_refused_for_every_seed():
    firsts, seconds = runs()
    other, _ = pair(seed=5)
    with pytest.raises(MedtsError) as refused:
        paired_bootstrap([firsts[0], other], seconds[:2], np.arange(120))
    assert refused.value.field == "target"


def test_equal_models_are_called_different_about_as_often_as_the_level_says():
    n_claims = 0
    for seed in range(150):
        first, second = pair(seed, n_records=50, better=0.0)
        found = paired_bootstrap(first, second, np.arange(50), n_resamples=100, seed=seed)
        n_claims += found["macro_auroc"].p_value < 0.05
    # 7.5 of 150 are expected; 17 or more happen once in 700 times.
    assert 1 <= n_claims <= 17


def test_holms_correction_is_the_known_one_and_passes_nan_through():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def test_models_tested_on_other_targets_or_on_one_subject_are_refused():
    first, second = pair()
    other, _ = pair(seed=1)
    with pytest.raises(MedtsError) as refused:
        paired_bootstrap(first, other, np.arange(120))
    assert refused.value.field == "target"
    with pytest.raises(MedtsError) as refused:
        paired_bootstrap(first, second, np.zeros(120, dtype=int))
    assert refused.value.field == "subjects"
