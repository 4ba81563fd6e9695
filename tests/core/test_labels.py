import numpy as np
import pytest
from pydantic import ValidationError

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet

SUPER = LabelSet(name="a/b", classes=("NORM", "MI"), kind="multi", phrases={"MI": ("infarct",)})


def test_labels_become_columns_by_name_and_back():
    target = SUPER.encode([("MI",), (), ("MI", "NORM")])
    assert target.tolist() == [[0, 1], [0, 0], [1, 1]]
    assert SUPER.decode(target) == [["MI"], [], ["NORM", "MI"]]


def test_a_reordered_set_gives_reordered_columns():
    other = LabelSet(name="a/b", classes=("MI", "NORM"), kind="multi")
    assert np.array_equal(other.encode([("MI",)]), SUPER.encode([("MI",)])[:, ::-1])


def test_a_label_of_another_set_is_refused_with_the_nearest():
    with pytest.raises(MedtsError, match="Did you mean 'NORM'"):
        SUPER.encode([("NORMAL",)])


def test_a_single_set_wants_exactly_one_label():
    single = LabelSet(name="a/b", classes=("x", "y"), kind="single")
    with pytest.raises(MedtsError, match="exactly one label"):
        single.encode([("x", "y")])


def test_a_class_is_named_once_and_phrases_belong_to_classes():
    with pytest.raises(ValidationError, match="names a class twice"):
        LabelSet(name="a/b", classes=("x", "x"), kind="multi")
    with pytest.raises(ValidationError, match="phrases for classes not in"):
        LabelSet(name="a/b", classes=("x",), kind="multi", phrases={"y": ("why",)})


def test_the_plainest_phrase_falls_back_on_the_name():
    assert SUPER.phrase("MI") == "infarct"
    assert SUPER.phrase("NORM") == "NORM"


NUMBERS = LabelSet(name="a/b", classes=("age", "bmi"), kind="number", units={"age": "years"})


def test_numbers_are_texts_and_come_back():
    rows = [("61", "nan"), ("18.5", "-3e2")]
    target = NUMBERS.encode(rows)
    assert target[0, 0] == 61
    assert np.isnan(target[0, 1])
    assert NUMBERS.decode(target) == [["61", "nan"], ["18.5", "-300"]]
    assert NUMBERS.encode([]).shape == (0, 2)
    again = LabelSet.model_validate_json(NUMBERS.model_dump_json())
    assert again == NUMBERS


@pytest.mark.parametrize(
    ("labels", "said"),
    [(("61",), "one number for each of age, bmi"), (("61", "old"), "'old' is not a finite"),
     (("inf", "2"), "'inf' is not a finite")],
)  # fmt: skip
def test_what_is_no_number_is_named(labels, said):
    with pytest.raises(MedtsError, match=said):
        NUMBERS.encode([labels])


def test_units_belong_to_numbers_and_classes_have_a_kind_of_their_own():
    with pytest.raises(ValueError, match="units"):
        LabelSet(name="a/b", classes=("A",), kind="multi", units={"A": "mV"})
    with pytest.raises(MedtsError, match="classes alone"):
        _ = NUMBERS.class_kind
    assert "units" not in LabelSet(name="a/b", classes=("A",), kind="multi").model_dump()
