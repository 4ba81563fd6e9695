import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from medts.core.errors import MedtsError
from medts.metrics import bootstrap
from medts.metrics.bootstrap import bootstrap_blocks, bootstrap_scores, resample_weights
from medts.metrics.scores import make_scorer


def example(n_records=90, n_subjects=40, seed=0):
    rng = np.random.default_rng(seed)
    target = (rng.random((n_records, 3)) < [0.4, 0.2, 0.0]).astype(float)
    target[[3, 60], 2] = 1
    probability = np.round(np.clip(0.6 * rng.random(target.shape) + 0.3 * target, 0, 1), 2)
    subjects = np.concatenate(
        [np.arange(n_subjects), rng.integers(n_subjects, size=n_records - n_subjects)]
    )
    return target, probability, np.array([0.5, 0.4, 0.3]), subjects


def test_subjects_are_drawn_with_all_their_records_and_as_many_as_there_are():
    subject = np.array([0, 0, 1, 2, 2, 2])
    weights = resample_weights(subject, 4000, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    drawn = weights[:, [0, 2, 3]]
    assert (drawn.sum(axis=1) == 3).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(drawn.var(axis=0), 2 / 3, atol=0.05)


def test_vectorised_scores_equal_a_loop_over_scikit_learn_on_the_same_resamples():
    target, probability, thresholds, subjects = example()
    scorer = make_scorer(target, probability, thresholds, "multi")
    scores = bootstrap_scores(scorer, subjects, n_resamples=30, seed=3)
    weights = np.concatenate(list(bootstrap_blocks(subjects, 30, 3)))
    n_undefined = 0
    for n, weight in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(len(target)), weight)
        macro = []
        for k in range(3):
            y, p = target[rows, k], probability[rows, k]
            if y.min() == y.max():
                n_undefined += 1
                assert np.isnan(scores.per_class["auroc"][n, k])
                continue
            macro.append(roc_auc_score(y, p))
            assert scores.per_class["auroc"][n, k] == pytest.approx(macro[-1], abs=1e-9)
            assert scores.per_class["auprc"][n, k] == pytest.approx(
                average_precision_score(y, p), abs=1e-9
            )
            assert scores.per_class["f1"][n, k] == pytest.approx(
                f1_score(y, p >= thresholds[k]), abs=1e-9
            )
        assert scores.overall["macro_auroc"][n] == pytest.approx(np.mean(macro), abs=1e-9)
    assert n_undefined > 0, "the example should have resamples without a rare class"


def test_the_seed_alone_decides_the_resamples_whatever_the_block_size(monkeypatch):
    target, probability, thresholds, subjects = example()
    scorer = make_scorer(target, probability, thresholds, "multi")
    whole = bootstrap_scores(scorer, subjects, 50, seed=1).overall["macro_auroc"]
    monkeypatch.setattr(bootstrap, "_BLOCK_VALUES", 7 * len(target))
    pieces = bootstrap_scores(scorer, subjects, 50, seed=1).overall["macro_auroc"]
    np.testing.assert_array_equal(whole, pieces)
    other = bootstrap_scores(scorer, subjects, 50, seed=2).overall["macro_auroc"]
    assert (whole != other).any()


def test_a_subject_is_wanted_for_each_record():
    target, probability, thresholds, subjects = example()
    scorer = make_scorer(target, probability, thresholds, "multi")
    with pytest.raises(MedtsError) as refused:
        bootstrap_scores(scorer, subjects[:-1], 10)
    assert refused.value.field == "subjects"
