import numpy as np
import pytest

from medts.core.errors import ReadError, UnknownNameError
from medts.data.label_table import LabelTable


def write(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def table(tmp_path):
    text = "ecg_id,fold,B,A\n7,1,1,0\n9,2,0,1\n"
    return LabelTable(write(tmp_path / "t.csv", text), id_column="ecg_id", facts=["fold"])


def test_columns_come_by_name_in_the_order_asked_for(table):
    assert table.record_ids == ("7", "9")
    assert table.fact("fold") == ("1", "2")
    np.testing.assert_array_equal(table.target(["A", "B"]), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(table.target(["B"]), [[1], [0]])


def test_there_is_no_way_to_a_column_by_its_position(table):
    assert table.classes == {"A", "B"}
    assert isinstance(table.classes, frozenset)
    for attempt in (lambda: table[0], lambda: table[:, 1], lambda: list(table)):
        with pytest.raises(TypeError):
            attempt()
    with pytest.raises(UnknownNameError):
        table.target(["0"])


def test_the_same_labels_in_another_column_order_are_the_same_table(table, tmp_path):
    text = "A,ecg_id,B,fold\n0,7,1,1\n1,9,0,2\n"
    other = LabelTable(write(tmp_path / "o.csv", text), id_column="ecg_id", facts=["fold"])
    np.testing.assert_array_equal(other.target(["A", "B"]), table.target(["A", "B"]))


def test_a_misspelt_class_or_fact_is_named(table):
    with pytest.raises(UnknownNameError, match=r"class of t\.csv"):
        table.target(["C"])
    with pytest.raises(UnknownNameError, match=r"fact of t\.csv"):
        table.fact("folds")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ecg_id,A,A\n1,0,1\n", "column A occurs twice"),
        ("id,A\n1,0\n", "no column 'ecg_id'"),
        ("ecg_id,A\n1,yes\n", "'yes' is not 0 or 1"),
        ("ecg_id,A\n1,0,1\n", "row 1 has 3 cells, the header 2"),
        ("", "the file is empty"),
    ],
)
def test_malformed_tables_are_refused_with_the_file(tmp_path, text, problem):
    path = write(tmp_path / "bad.csv", text)
    with pytest.raises(ReadError, match=problem) as caught:
        LabelTable(path, id_column="ecg_id")
    assert "bad.csv" in str(caught.value)


def test_a_leading_empty_line_is_tolerated(tmp_path):
    path = write(tmp_path / "t.csv", "\necg_id,A\n1,0\n")
    assert LabelTable(path, id_column="ecg_id").record_ids == ("1",)
