import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from medts.core.errors import ConfigError, LeakError
from medts.data.splits import take_part
from medts.evaluation.controls import random_encoder
from medts.evaluation.cross_validation import pool, subject_folds, subject_tasks
from medts.evaluation.protocols.cross_validation import CrossValidationConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.scoring import Scored
from medts.evaluation.task import make_task

FOLDS = [str(fold) for fold in range(1, 11)]


@pytest.fixture(scope="module")
def everyone(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=FOLDS)


@pytest.mark.parametrize("n_folds", [3, 5, 50])
def test_every_subject_is_tested_once_by_models_that_never_met_them(everyone, n_folds):
    tasks = subject_tasks(everyone, n_folds, seed=1)
    subjects = everyone.store.subject_ids
    tested = [set(subjects[task.test.rows]) for task in tasks]
    assert len(set.union(*tested)) == sum(map(len, tested)) == 50
    assert sorted(np.concatenate([t.test.rows for t in tasks])) == sorted(everyone.test.rows)
    for task in tasks:
        met = np.concatenate([task.train.rows, task.validation.rows])
        assert not set(subjects[met]) & set(subjects[task.test.rows])
        assert len(met) + len(task.test) == len(everyone.test)


def test_folds_hold_classes_in_nearly_equal_shares_and_follow_the_seed(everyone):
    folds = subject_folds(everyone.store, everyone.test, 5, seed=0)
    target = everyone.test.target
    frequent = np.flatnonzero(target.sum(axis=0) >= 15)
    shares = np.array([target[fold][:, frequent].mean(axis=0) for fold in folds])
    assert np.abs(shares - target[:, frequent].mean(axis=0)).max() < 0.15
    again = subject_folds(everyone.store, everyone.test, 5, seed=0)
    other = subject_folds(everyone.store, everyone.test, 5, seed=1)
    assert all((a == b).all() for a, b in zip(folds, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(folds, other, strict=True))


def test_more_folds_than_subjects_are_refused(everyone):
    with pytest.raises(ConfigError, match="51 folds of 50 subjects"):
        subject_tasks(everyone, 51)


def oracle(thresholds):
    """Answers with the truth, on a scale that is another in every fold."""

    def answer(task):
        K = len(task.label_set)
        cut = thresholds[int(task.test.folds[0].split()[1]) - 1]
        probability = np.where(task.test.target > 0, cut + 0.01, cut - 0.01)
        return Scored(
            task.store, task.label_set, task.test, probability, np.full(K, cut), np.full(K, 0.1)
        )

    return answer


def test_statements_are_made_at_the_thresholds_of_each_fold(everyone):
    tasks = subject_tasks(everyone, 4)
    ranked, stated = pool([oracle([0.1, 0.4, 0.7, 0.95])(task) for task in tasks])
    target = stated.test.target
    assert ((stated.probability >= 0.5) == (target > 0)).all()
    assert f1_score(target, stated.probability >= 0.5, average="micro") == 1.0
    # Rankings are of the probabilities as given: unlike scales are not hidden.
    assert roc_auc_score(target[:, 0], ranked.probability[:, 0]) < 1.0


def test_bending_changes_no_ranking_within_a_fold(everyone):
    part = everyone.test
    rng = np.random.default_rng(0)
    probability, cut = rng.random(part.target.shape), rng.random(part.target.shape[1])
    probability[0] = cut
    scored = Scored(everyone.store, everyone.label_set, part, probability, cut, cut)
    _, stated = pool([scored])
    for k in range(len(cut)):
        assert (np.argsort(stated.probability[:, k]) == np.argsort(probability[:, k])).all()
    assert ((stated.probability >= 0.5) == (probability >= cut)).all()
    assert stated.probability.min() >= 0
    assert stated.probability.max() <= 1


def test_a_record_that_is_tested_twice_is_refused(everyone):
    scored = oracle([0.5] * 3)(subject_tasks(everyone, 3)[0])
    with pytest.raises(ConfigError, match="tested twice"):
        pool([scored, scored])


def test_an_encoder_is_measured_on_everyone_with_a_probe_per_fold(model, everyone, kept):
    settings = CrossValidationConfig(n_folds=3, controls=(), cache=kept, c_grid=(0.01, 1.0))
    untrained = random_encoder(model, seed=0)
    result = run_protocol("cross_validation", untrained, everyone, settings)
    assert result.n_records == len(everyone.test)
    assert result.n_subjects == 50
    assert [each.name for each in result.conditions] == ["fold 1", "fold 2", "fold 3"]
    assert sum(each.n_records for each in result.conditions) == result.n_records
    assert result.metrics["macro_auroc"].value > 0.55
    assert result.controls["label_shuffle"]["macro_auroc"].value < 0.55
    measure = result.metrics["macro_auroc"]
    assert measure.low < measure.value < measure.high
    classes = [name for name in result.per_class if name not in result.excluded_classes]
    mean = np.mean([result.per_class[name]["auroc"].value for name in classes])
    assert measure.value == pytest.approx(mean)


def test_an_encoder_that_met_the_people_is_refused(model, everyone):
    with pytest.raises(LeakError):
        run_protocol("cross_validation", model, everyone)


def test_parts_are_taken_from_the_test_part_only(everyone, synthetic_store):
    some = make_task(synthetic_store, "synthetic/findings", test_folds=["1", "2", "3"])
    rows = np.concatenate([task.test.rows for task in subject_tasks(some, 3)])
    expected = take_part(synthetic_store, "synthetic/findings", ["1", "2", "3"]).rows
    assert sorted(rows) == sorted(expected)
