import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medts.core.errors import LeakError
from medts.data.splits import take_part
from medts.evaluation import subgroups
from medts.evaluation.protocols.subgroups import SubgroupsConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.scoring import Scored
from medts.evaluation.subgroups import group_of, mover_difference
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.metrics.intervals import Interval


@pytest.fixture(scope="module")
def model(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])


@pytest.fixture(scope="module")
def result(model, task):
    settings = SubgroupsConfig(facts=("sex", "age", "ward"), least_subjects=3)
    return run_protocol("subgroups", model, task, settings)


def test_every_known_group_is_scored_on_its_own_records(result, model, task):
    sex = np.array([json.loads(task.store.column("facts")[row])["sex"] for row in task.test.rows])
    names = {each.name for each in result.conditions if each.name.startswith("sex")}
    assert names == {f"sex {value}" for value in set(sex)}
    for value in set(sex):
        found = next(each for each in result.conditions if each.name == f"sex {value}")
        rows = task.test.rows[sex == value]
        assert found.n_records == len(rows)
        assert found.metrics["n_subjects"].value == len(set(task.store.subject_ids[rows]))
    total = sum(each.n_records for each in result.conditions if each.name.startswith("sex"))
    assert total == result.n_records


def test_small_groups_and_unknown_facts_are_named_not_scored(result, model, task):
    assert any("ward" in note for note in result.notes)
    strict = run_protocol(
        "subgroups", model, task, SubgroupsConfig(facts=("sex",), least_subjects=1000)
    )
    assert strict.conditions == ()
    assert any("too few subjects" in note and "sex " in note for note in strict.notes)


def test_classes_with_few_positives_are_flagged_in_each_group(result):
    for each in result.conditions:
        assert any("ten positives" in note or "not judged" in note for note in each.notes)


def scored_by(store, kind_of_error):
    """Perfect answers for one sex, and for the other what ``kind_of_error`` makes of them."""
    label_set = store.label_set("synthetic/findings")
    test = take_part(store, label_set.name, [str(fold) for fold in range(1, 11)])
    facts = store.column("facts")
    is_male = np.array([json.loads(facts[row])["sex"] == "male" for row in test.rows])
    probability = np.clip(test.target.astype(float), 0.01, 0.99)
    noise = np.random.default_rng(0).random(probability.shape)
    probability += 1e-3 * noise
    probability[is_male] = kind_of_error(probability[is_male])
    K = len(label_set)
    probability = probability.clip(0, 1)
    return Scored(store, label_set, test, probability, np.full(K, 0.5), np.full(K, 0.1)), is_male


def test_a_model_that_fails_one_group_is_exposed(synthetic_store):
    scored, is_male = scored_by(synthetic_store, lambda p: np.random.default_rng(1).random(p.shape))
    found = subgroups._group("sex male", scored, is_male).metrics
    assert found["macro_auroc_difference"].value < -0.3
    assert found["macro_auroc_difference"].high < 0


def test_differences_are_taken_over_the_classes_that_both_sides_can_judge(synthetic_store):
    scored, is_male = scored_by(synthetic_store, lambda p: np.random.default_rng(1).random(p.shape))
    found = subgroups._group("sex male", scored, is_male).metrics
    target, p = scored.test.target, scored.probability
    shared = [
        k for k in range(target.shape[1])
        if all(0 < target[side, k].sum() < side.sum() for side in (is_male, ~is_male))
    ]  # fmt: skip
    expected = np.mean(
        [
            roc_auc_score(target[is_male, k], p[is_male, k])
            - roc_auc_score(target[~is_male, k], p[~is_male, k])
            for k in shared
        ]
    )
    assert found["macro_auroc_difference"].value == pytest.approx(expected)


def test_the_interval_of_a_difference_is_that_of_normal_theory_when_sides_are_symmetric():
    found = mover_difference(Interval(0.8, 0.7, 0.9), Interval(0.6, 0.4, 0.8))
    assert found.value == pytest.approx(0.2)
    assert found.high - found.value == pytest.approx(np.hypot(0.1, 0.2))
    assert found.value - found.low == pytest.approx(np.hypot(0.1, 0.2))


@pytest.mark.parametrize(
    ("age", "expected"),
    [(17.9, "under 18"), (18, "18-39"), (39.5, "18-39"), (40, "40-59"), (90, "75 and over"),
     (None, "unknown"), (float("nan"), "unknown")],
)  # fmt: skip
def test_ages_fall_into_bands(age, expected):
    assert group_of("age", age, SubgroupsConfig().age_edges) == expected


def test_edges_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="must rise"):
        SubgroupsConfig(age_edges=(40, 18))


def test_a_model_that_has_met_the_records_is_refused(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    with pytest.raises(LeakError):
        run_protocol("subgroups", model, task, SubgroupsConfig())
