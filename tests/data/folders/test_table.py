import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.folders.table import Table

from .writing import write_table


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_encoding_and_delimiter_gives_the_same_rows(tmp_path, encoding, delimiter):
    text = "file,größe\na,ß\n\nb,1\n".replace(",", delimiter)
    table = Table(write_table(tmp_path / "t.csv", text, encoding))
    assert table.columns == ("file", "größe")
    assert [(row.number, dict(row.cells)) for row in table.rows] == [
        (2, {"file": "a", "größe": "ß"}),
        (4, {"file": "b", "größe": "1"}),
    ]


def test_commas_are_decimal_where_they_separate_nothing(tmp_path):
    table = Table(write_table(tmp_path / "t.csv", "file;k\na;4,5\nb;4.5\nc;n/a\nd;1.234,5"))
    values = [table.number(row, "k", "--target-columns") for row in table.rows[:3]]
    np.testing.assert_equal(values, [4.5, 4.5, np.nan])
    with pytest.raises(ReadError, match=r"row 5, column k \(--target-columns\): '1.234,5' is not"):
        table.number(table.rows[3], "k", "--target-columns")


def test_what_excel_writes_before_and_behind_is_passed_over(tmp_path):
    table = Table(write_table(tmp_path / "t.csv", "sep=;\nfile;dx;\na;MI;\n"))
    assert table.columns == ("file", "dx")
    assert table.rows[0].number == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,dx,dx\na,1,2", "column 'dx' occurs twice"),
        ("file,dx\na,MI,old", "row 2: 3 cells where the header has 2"),
        ("file,dx", "the table has no rows"),
        ("", "the table is empty"),
        ("file,\na,MI", "column 2 has no name, but a value in row 2"),
    ],
)
def test_a_broken_table_is_refused_with_its_row(tmp_path, text, said):
    with pytest.raises(ReadError, match=said):
        Table(write_table(tmp_path / "t.csv", text))


def test_a_workbook_is_no_table(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04\x00\x00")
    with pytest.raises(ReadError, match="Save it as CSV"):
        Table(tmp_path / "t.xlsx")


def test_a_missing_column_names_its_flag_and_those_that_are_there(tmp_path):
    table = Table(write_table(tmp_path / "t.csv", "file,dx\na,MI"))
    with pytest.raises(ReadError, match=r"--label-columns: no column 'label'. Columns: file, dx"):
        table.require({"file": "--file-column", "label": "--label-columns"})
