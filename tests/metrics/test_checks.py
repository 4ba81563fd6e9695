import numpy as np
import pytest

from medts.core.errors import MedtsError
from medts.metrics.checks import (
    check_scores,
    few_positives,
    match_records,
    subject_index,
)

TARGET = np.array([[1, 0], [0, 0], [0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("target", "score", "message"),
    [
        (TARGET, np.zeros((3, 2)), "scores \\(3, 2\\)"),
        (TARGET[:0], np.zeros((0, 2)), "no records"),
        (TARGET * 2, np.zeros((4, 2)), "a target is 2"),
        (TARGET, np.full((4, 2), np.inf), r"class 0 \(4 records\)"),
    ],
)
def test_unusable_arrays_are_refused(target, score, message):
    with pytest.raises(MedtsError, match=message):
        check_scores(target, score)


def test_records_are_matched_by_id_and_never_by_position():
    ours, theirs = ["r3", "r1", "r2"], ["r1", "r2", "r3"]
    rows = match_records(ours, theirs)
    assert [theirs[row] for row in rows] == ours
    with pytest.raises(MedtsError, match=r"1 records are only in the first table \(r2\)"):
        match_records(ours, ["r1", "r3"])
    with pytest.raises(MedtsError, match="twice: r1"):
        match_records(["r1", "r1"], ["r1"])


def test_subjects_are_numbered_without_gaps_and_one_is_wanted_per_record():
    assert subject_index(["b", "a", "b"], 3).tolist() == [1, 0, 1]
    with pytest.raises(MedtsError, match="3 records but 2 subject ids"):
        subject_index(["a", "b"], 3)


def test_classes_with_few_positives_are_flagged_none_included():
    target = np.zeros((30, 3))
    target[:9, 0], target[:10, 1] = 1, 1
    assert few_positives(target, ["nine", "ten", "none"]) == ["nine", "none"]
