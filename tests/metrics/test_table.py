import json

import numpy as np
import pytest

from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.scores import make_scorer, score_table
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
    plain = score_table(target, probability, thresholds, kind, CLASSES)
    assert table.metrics.keys() == plain.overall.keys()
    for name, interval in table.metrics.items():
        assert interval.value == pytest.approx(plain.overall[name], abs=1e-12), name
        assert interval.low < interval.value < interval.high, name
    for name in CLASSES:
        for metric, interval in table.per_class[name].items():
            assert interval.value == pytest.approx(
                plain.per_class[name][metric], abs=1e-12, nan_ok=True
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


def test_the_table_is_valid_json_with_none_for_what_is_undefined():
    target, probability, thresholds, subjects = example()
    table = interval_table(target, probability, thresholds, "multi", subjects, CLASSES)
    written = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert written["per_class"]["NONE"]["auroc"] == {"value": None, "low": None, "high": None}
    assert written["per_class"]["MI"]["n_records"] == 150
    assert set(written["metrics"]["macro_auroc"]) == {"value", "low", "high"}


def test_a_single_subject_has_values_but_no_intervals_and_the_reason():
    target, probability, thresholds, _ = example()
    table = interval_table(target, probability, thresholds, "multi", ["s"] * 150, CLASSES)
    macro = table.metrics["macro_auroc"]
    assert np.isfinite(macro.value)
    assert np.isnan([macro.low, macro.high]).all()
    assert macro.method == "none: a single subject"


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_perfect_model_has_no_interval_of_zero_width(kind):
    target, _, thresholds, subjects = example(kind)
    table = interval_table(target, target.copy(), thresholds, kind, subjects, CLASSES)
    for name, interval in table.metrics.items():
        assert interval.value == (0.0 if name == "brier" else 1.0)
        assert 0.02 < interval.high - interval.low < 0.6, name


def test_percentiles_on_demand_are_quantiles_over_the_same_resamples():
    target, probability, thresholds, subjects = example()
    table = interval_table(
        target, probability, thresholds, "multi", subjects, CLASSES, method="percentile", seed=5
    )
    scorer = make_scorer(target, probability, thresholds, "multi")
    drawn = bootstrap_scores(scorer, subjects, 1000, seed=5)
    found = table.metrics["macro_auroc"]
    expected = np.nanquantile(drawn.overall["macro_auroc"], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    bca = interval_table(
        target, probability, thresholds, "multi", subjects, CLASSES, method="bca", seed=5
    ).metrics["macro_auroc"]
    assert (bca.low, bca.high) != (found.low, found.high)
    assert (bca.low, bca.high) == pytest.approx((found.low, found.high), abs=0.06)


def test_records_of_the_same_subject_count_as_less_evidence():
    target, probability, thresholds, _ = example()
    rows = np.repeat(np.arange(150), 4)
    copied = (target[rows], probability[rows], thresholds, "multi")
    honest = interval_table(*copied, rows, CLASSES)
    fooled = interval_table(*copied, np.arange(600), CLASSES)
    for name, interval in honest.metrics.items():
        other = fooled.metrics[name]
        assert interval.high - interval.low > 1.4 * (other.high - other.low), name
