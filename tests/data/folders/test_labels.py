import pytest

from medts.core.errors import MedtsError
from medts.data.folders.labels import read_labels
from medts.data.folders.settings import FolderSettings
from medts.data.folders.table import Table

from .writing import write_table


def labelled(tmp_path, text, **settings):
    """Reads the labels of a table."""
    table = Table(write_table(tmp_path / "labels.csv", text))
    return read_labels(table, FolderSettings(file_column="file", **settings), "mine")


def test_columns_of_zeros_and_ones_are_classes_of_which_any_number_holds(tmp_path):
    found = labelled(
        tmp_path, "file,MI,AF\na,1,0\nb,1.0,true\nc,0,0\nd,1,", label_columns=("MI", "AF")
    )
    (label_set,) = found.label_sets
    assert (label_set.name, label_set.kind, label_set.classes) == (
        "mine/labels",
        "multi",
        ("MI", "AF"),
    )
    assert [labels["labels"] for labels in found.of_row.values()] == [
        ("MI",),
        ("MI", "AF"),
        (),
        None,
    ]
    assert found.notes == ("no label: row 5, column AF",)


def test_one_column_of_names_is_a_set_of_which_one_holds(tmp_path):
    found = labelled(tmp_path, "file,dx\na,MI\nb,AF\nc,NA", label_columns=("dx",))
    assert (found.label_sets[0].kind, found.label_sets[0].classes) == ("single", ("AF", "MI"))
    assert [labels["labels"] for labels in found.of_row.values()] == [("MI",), ("AF",), None]


def test_one_column_may_be_split(tmp_path):
    found = labelled(
        tmp_path, "file,dx\na,MI; AF\nb,AF;", label_columns=("dx",), label_separator=";"
    )
    assert found.label_sets[0].kind == "multi"
    assert [labels["labels"] for labels in found.of_row.values()] == [("AF", "MI"), ("AF",)]


def test_a_column_that_looks_like_several_classes_must_be_split_or_kept_on_request(tmp_path):
    text = "file,dx\na,MI;AF\nb,AF"
    with pytest.raises(MedtsError, match=r"row 2, column dx .*--label-separator ';'"):
        labelled(tmp_path, text, label_columns=("dx",))
    whole = labelled(tmp_path, text, label_columns=("dx",), label_separator="")
    assert whole.label_sets[0].classes == ("AF", "MI;AF")


def test_several_columns_of_names_are_one_set(tmp_path):
    found = labelled(tmp_path, "file,d1,d2\na,MI,AF\nb,AF,", label_columns=("d1", "d2"))
    assert [labels["labels"] for labels in found.of_row.values()] == [("AF", "MI"), ("AF",)]


def test_classes_fix_the_order_and_leave_others_out(tmp_path):
    found = labelled(
        tmp_path, "file,dx\na,MI\nb,AF\nc,rare", label_columns=("dx",), classes=("MI", "AF", "VT")
    )
    assert found.label_sets[0].classes == ("MI", "AF", "VT")
    assert [labels["labels"] for labels in found.of_row.values()] == [("MI",), ("AF",), None]
    assert found.notes == (
        "1 classes are left out by --classes: rare (1)",
        "no row holds VT",
    )


def test_zero_and_one_are_names_where_they_are_asked_for(tmp_path):
    found = labelled(tmp_path, "file,dx\na,1\nb,0", label_columns=("dx",), classes=("0", "1"))
    assert (found.label_sets[0].kind, found.label_sets[0].classes) == ("single", ("0", "1"))


def test_numbers_are_targets_and_a_missing_one_is_listed(tmp_path):
    found = labelled(tmp_path, "file;k;ef\na;4,5;60\nb;NaN;\nc;4.1;", target_columns=("k", "ef"))
    assert found.label_sets[0].name == "mine/targets"
    assert [labels["targets"] for labels in found.of_row.values()] == [
        ("4.5", "60"),
        None,
        ("4.1", "nan"),
    ]
    assert found.notes == ("no label: row 3, column k", "no label: rows 3, 4, column ef")


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (
            "file,a,b\nx,1,0\ny,0,2",
            {"label_columns": ("a", "b")},
            r"row 3, column b .*'2' is not 0 or 1",
        ),
        ("file,a\nx,\ny,", {"label_columns": ("a",)}, "no row holds a class"),
        ("file,a\nx,low", {"target_columns": ("a",)}, r"row 2, column a .*'low' is not a number"),
        ("file,a\nx,inf", {"target_columns": ("a",)}, r"'inf' is not a number"),
        ("file,MI,AF\nx,1,0", {"label_columns": ("MI", "AF"), "classes": ("MO",)}, "unknown class"),
    ],
)
def test_what_is_no_label_is_refused_with_row_column_and_flag(tmp_path, text, settings, said):
    with pytest.raises(MedtsError, match=said):
        labelled(tmp_path, text, **settings)


def test_classes_that_differ_in_capitals_are_pointed_out(tmp_path):
    found = labelled(tmp_path, "file,dx\na,Mi\nb,MI", label_columns=("dx",))
    assert found.notes == ("classes that differ in capital letters alone: MI and Mi",)
