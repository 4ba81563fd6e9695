import numpy as np
import pytest

from medts.metrics.scores import make_scorer
from medts.metrics.table import interval_table

CLASSES = ["NORM", "MI", "RARE", "NONE"]


def example(kind="multi", seed=0, n_records=150):
    rng = np.random.default_rng(seed)
    if kind == "single":
        target = np.eye(4)[rng.choice(4, p=[0.5, 0.3, 0.2, 0], size=n_records)]
    else:
        target = (rng.random((n_records, 4)) < [0.5, 0.3, 0.04, 0]).astype(float)
    raw = np.exp(rng.normal(size=target.shape) + 1.5 * target)
    probability = raw / raw.sum(axis=1, keepdims=True) if kind == "single" else raw / (1 + raw)
    return target, probability, np.full(4, 0.5), [f"s{r // 2}" for r in range(n_records)]


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_every_number_of_the_score_table_gets_an_interval_that_holds_it(kind):
    target, probability, thresholds, subjects = example(kind)
    table = interval_table(target, probability, thresholds, kind, subjects, CLASSES)
    plain = make_scorer(target, probability, thresholds, kind)(np.ones((1, len(target))))
    assert table.metrics.keys() == plain.overall.keys()
    for name, interval in table.metrics.items():
        assert interval.value == pytest.approx(plain.overall[name][0], abs=1e-12), name
        assert interval.low < interval.value < interval.high, name
    for k, name in enumerate(CLASSES):
        for metric, interval in table.per_class[name].items():
            assert interval.value == pytest.approx(
                plain.per_class[metric][0, k], abs=1e-12, nan_ok=True
            )
            if np.isfinite(interval.value):
                assert interval.low <= interval.value <= interval.high
                assert interval.low < interval.high, (name, metric)
    assert table.excluded_classes == ["NONE"]
    assert (table.n_records, table.n_subjects) == (150, 75)


def test_classes_with_few_positives_are_flagged():
    target, probability, thresholds, subjects = example()
    table = interval_table(target, probability, thresholds, "multi", subjects, CLASSES)
    assert table.few_positives == ["RARE", "NONE"]
    assert table.n_positive["RARE"] == target[:, 2].sum() < 10


def test_a_single_subject_has_values_but_no_intervals():
    target, probability, thresholds, _ = example()
    table = interval_table(target, probability, thresholds, "multi", ["s"] * 150, CLASSES)
    macro = table.metrics["macro_auroc"]
    assert np.isfinite(macro.value)
    assert np.isnan([macro.low, macro.high]).all()


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_perfect_model_has_no_interval_of_zero_width(kind):
    target, _, thresholds, subjects = example(kind)
    table = interval_table(target, target.copy(), thresholds, kind, subjects, CLASSES)
    for name, interval in table.metrics.items():
        assert interval.value == (0.0 if name == "brier" else 1.0)
        assert 0.02 < interval.high - interval.low < 0.6, name


def test_records_of_the_same_subject_count_as_less_evidence():
    target, probability, thresholds, _ = example()
    rows = np.repeat(np.arange(150), 4)
    copied = (target[rows], probability[rows], thresholds, "multi")
    honest = interval_table(*copied, rows, CLASSES)
    fooled = interval_table(*copied, np.arange(600), CLASSES)
    for name, interval in honest.metrics.items():
        other = fooled.metrics[name]
        assert interval.high - interval.low > 1.4 * (other.high - other.low), name
