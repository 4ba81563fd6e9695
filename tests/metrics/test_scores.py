import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import config as jaxtyping_config
from sklearn import metrics as sk

from medts.core.errors import MedtsError
from medts.metrics.scores import auroc, make_scorer, plan_ranks, rank_scores
from medts.metrics.table import interval_table

N_RECORDS, N_CLASSES = 120, 4


def multi_example(seed=0, n_records=N_RECORDS, decimals=1):
    """Rounded probabilities, so that ties are frequent."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n_records, N_CLASSES)) < [0.5, 0.3, 0.1, 0.7]).astype(np.float32)
    probability = np.round(np.clip(rng.random(target.shape) * 0.7 + 0.3 * target, 0, 1), decimals)
    return target, probability, np.array([0.5, 0.45, 0.6, 0.3])


def average_precision(target, score):
    return rank_scores(plan_ranks(target > 0, score), np.ones((1, len(target))))[1][0]


def plain_scores(target, probability, thresholds, kind):
    return make_scorer(target, probability, thresholds, kind)(np.ones((1, len(target))))


def single_example(seed=0):
    rng = np.random.default_rng(seed)
    target = np.eye(N_CLASSES)[rng.integers(N_CLASSES, size=N_RECORDS)]
    logits = rng.normal(size=target.shape) + target
    return target, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_multi_label_scores_are_those_of_scikit_learn(is_weighted):
    target, probability, thresholds = multi_example()
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, size=N_RECORDS).astype(float) if is_weighted else None
    w = np.ones(N_RECORDS) if weights is None else weights
    scores = make_scorer(target, probability, thresholds, "multi")(w[None])
    stated = probability >= thresholds
    for k in range(N_CLASSES):
        y, p, s = target[:, k], probability[:, k], stated[:, k]
        expected = {
            "auroc": sk.roc_auc_score(y, p, sample_weight=w),
            "auprc": sk.average_precision_score(y, p, sample_weight=w),
            "f1": sk.f1_score(y, s, sample_weight=w),
            "sensitivity": sk.recall_score(y, s, sample_weight=w),
            "specificity": sk.recall_score(1 - y, ~s, sample_weight=w),
            "brier": sk.brier_score_loss(y, p, sample_weight=w),
        }
        for name, value in expected.items():
            assert scores.per_class[name][0, k] == pytest.approx(value, abs=1e-12), name
    overall = {name: value[0] for name, value in scores.overall.items()}
    assert overall["accuracy"] == pytest.approx(
        1 - sk.hamming_loss(target, stated, sample_weight=w), abs=1e-12
    )
    assert overall["exact_match"] == pytest.approx(
        sk.accuracy_score(target, stated, sample_weight=w), abs=1e-12
    )
    assert overall["macro_auroc"] == pytest.approx(
        sk.roc_auc_score(target, probability, average="macro", sample_weight=w), abs=1e-12
    )
    assert overall["macro_f1"] == pytest.approx(
        sk.f1_score(target, stated, average="macro", sample_weight=w), abs=1e-12
    )
    per_class = [
        sk.balanced_accuracy_score(target[:, k], stated[:, k], sample_weight=w)
        for k in range(N_CLASSES)
    ]
    assert overall["balanced_accuracy"] == pytest.approx(np.mean(per_class), abs=1e-12)


def test_single_label_scores_are_those_of_scikit_learn():
    target, probability = single_example()
    scores = plain_scores(target, probability, None, "single")
    y, decided = target.argmax(axis=1), probability.argmax(axis=1)
    expected = {
        "macro_auroc": sk.roc_auc_score(target, probability, average="macro"),
        "macro_auprc": sk.average_precision_score(target, probability, average="macro"),
        "macro_f1": sk.f1_score(y, decided, average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(y, decided),
        "accuracy": sk.accuracy_score(y, decided),
        "brier": ((probability - target) ** 2).sum(axis=1).mean(),
    }
    overall = {name: value[0] for name, value in scores.overall.items()}
    assert overall == pytest.approx(expected, abs=1e-12)


def test_classes_without_positives_or_negatives_are_undefined_and_in_no_macro():
    target, probability, thresholds = multi_example()
    target[:, 1], target[:, 3] = 0, 1
    scores = plain_scores(target, probability, thresholds, "multi")
    for metric in ("auroc", "auprc", "f1"):
        found = scores.per_class[metric][0]
        assert np.isnan(found).tolist() == [False, True, False, True]
        assert scores.overall[f"macro_{metric}"][0] == pytest.approx(found[[0, 2]].mean())
    assert np.isnan(scores.per_class["sensitivity"][0, 1])
    assert np.isnan(scores.per_class["specificity"][0, 3])
    table = interval_table(target, probability, thresholds, "multi", np.arange(N_RECORDS))
    assert table.excluded_classes == ["class 1", "class 3"]
    assert table.n_positive["class 1"] == 0


def test_a_macro_without_any_defined_class_is_nan_and_not_a_half():
    target, probability, thresholds = multi_example()
    scores = plain_scores(np.zeros_like(target), probability, thresholds, "multi")
    assert np.isnan(scores.overall["macro_auroc"][0])
    assert np.isnan(scores.overall["balanced_accuracy"][0])
    assert scores.overall["accuracy"][0] == pytest.approx((probability < thresholds).mean())


def test_a_class_missing_from_a_resample_is_left_out_of_that_macro_only():
    target, probability, thresholds = multi_example()
    weights = np.ones((2, N_RECORDS))
    weights[1, target[:, 2] > 0] = 0
    scores = make_scorer(target, probability, thresholds, "multi")(weights)
    assert np.isnan(scores.per_class["auroc"][1, 2])
    assert scores.overall["macro_auroc"][1] == pytest.approx(
        scores.per_class["auroc"][1, [0, 1, 3]].mean()
    )
    assert scores.overall["macro_auroc"][0] == pytest.approx(scores.per_class["auroc"][0].mean())


def test_a_constant_score_has_an_auroc_of_a_half_and_the_prevalence_as_precision():
    target, _, _ = multi_example()
    score = np.full(target.shape, 0.3)
    assert auroc(target, score) == pytest.approx(np.full(N_CLASSES, 0.5))
    assert average_precision(target, score) == pytest.approx(target.mean(axis=0))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_ranks_are_all_that_auroc_and_precision_see(seed):
    target, probability, _ = multi_example(seed, n_records=40)
    squeezed = np.arctan(5 * probability - 2)
    np.testing.assert_allclose(auroc(target, squeezed), auroc(target, probability), atol=1e-12)
    np.testing.assert_allclose(
        average_precision(target, squeezed), average_precision(target, probability), atol=1e-12
    )
    np.testing.assert_allclose(auroc(target, -probability), 1 - auroc(target, probability))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_doubling_a_weight_is_duplicating_the_record(seed):
    target, probability, thresholds = multi_example(seed, n_records=40)
    weights = np.random.default_rng(seed).integers(0, 3, size=40)
    weighted = make_scorer(target, probability, thresholds, "multi")(weights[None].astype(float))
    rows = np.repeat(np.arange(40), weights)
    copied = plain_scores(target[rows], probability[rows], thresholds, "multi")
    for name, value in copied.overall.items():
        np.testing.assert_allclose(weighted.overall[name][0], value[0], atol=1e-12)


def test_bad_thresholds_and_logits_are_refused_with_a_remedy():
    target, probability, thresholds = multi_example()
    with pytest.raises(MedtsError, match="threshold"):
        make_scorer(target, probability, None, "multi")
    with pytest.raises(MedtsError, match="not logits"):
        make_scorer(target, probability * 3, thresholds, "multi")
    with pytest.raises(MedtsError, match="exactly one class"):
        make_scorer(target, probability, None, "single")
    bad = probability.copy()
    bad[3:5, 2] = np.nan
    with pytest.raises(MedtsError, match=r"NaN or infinite for c \(2 records\)"):
        make_scorer(target, bad, thresholds, "multi", list("abcd"))


def test_mismatched_shapes_are_refused_in_words_when_the_shape_hook_is_off():
    target, probability, thresholds = multi_example()
    jaxtyping_config.update("jaxtyping_disable", True)
    try:
        with pytest.raises(MedtsError, match="one row per record"):
            make_scorer(target[:-1], probability, thresholds, "multi")
    finally:
        jaxtyping_config.update("jaxtyping_disable", False)
