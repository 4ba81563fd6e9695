import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medts.core.errors import ConfigError, LeakError
from medts.data.splits import check_disjoint, labelled_part, parse_folds, stratified_order


def test_folds_are_read_as_people_write_them():
    assert parse_folds("1-3, 8") == ("1", "2", "3", "8")
    assert parse_folds("train") == ("train",)
    assert parse_folds("2,1-2") == ("2", "1")
    for wrong in ("one", "3-1", "", "1-", "tests"):
        with pytest.raises(ConfigError):
            parse_folds(wrong)


def test_a_subject_in_two_parts_is_refused_and_listed(synthetic_store):
    train, validation = synthetic_store.select(["1"]), synthetic_store.select(["2"])
    check_disjoint(synthetic_store, train=train, validation=validation)
    with pytest.raises(LeakError, match="in both train and validation"):
        check_disjoint(synthetic_store, train=train, validation=np.append(validation, train[0]))


TARGET = (np.random.default_rng(0).random((400, 6)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0.01]).astype(
    np.float32
)


@given(st.integers(0, 50), st.integers(1, 399))
def test_smaller_draws_are_inside_larger_ones(seed, n):
    small = set(labelled_part(TARGET, fraction=n, seed=seed)) if n > 1 else set()
    large = set(labelled_part(TARGET, fraction=n + 1, seed=seed))
    assert small <= large
    assert len(large) == n + 1


def test_every_class_is_drawn_before_any_is_drawn_too_often():
    for seed in range(10):
        first = stratified_order(TARGET, seed)[:8]
        assert (TARGET[first].sum(axis=0) > 0).all()


def test_shares_of_classes_are_kept():
    kept = labelled_part(TARGET, fraction=0.25, seed=1)
    assert np.abs(TARGET[kept].mean(axis=0) - TARGET.mean(axis=0)).max() < 0.06


def test_another_seed_draws_other_records_and_the_same_seed_the_same():
    first, again, other = (labelled_part(TARGET, fraction=0.1, seed=s) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_labels_than_records_are_refused():
    with pytest.raises(ConfigError, match="500 of 400 labelled records"):
        labelled_part(TARGET, fraction=500, seed=0)
