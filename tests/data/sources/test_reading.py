import numpy as np
import pytest

from medts.core.errors import ReadError
from medts.data.sources.reading import read_numbers, read_rows


def test_columns_are_named_by_the_first_row_or_by_the_caller(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a, b\n1,2.5\n3,NaN\n")
    table = read_numbers(file)
    assert table["a"].tolist() == [1.0, 3.0]
    assert table["b"][0] == 2.5
    assert np.isnan(table["b"][1])
    file.write_text("7,A,;\n8,B,0.5;\n")
    kinds = {"n": int, "code": str}
    table = read_numbers(file, names=("n", "code", "x"), kinds=kinds, drop=b";")
    assert (table["n"].tolist(), table["code"].tolist()) == ([7, 8], ["A", "B"])
    np.testing.assert_array_equal(table["x"], [np.nan, 0.5])


@pytest.mark.parametrize("content", ["a,b\n1,2,3\n", "a,b\n1,x\n", "a,b\n", ""])
def test_a_table_that_does_not_fit_is_named(tmp_path, content):
    file = tmp_path / "a.csv"
    file.write_text(content)
    with pytest.raises(ReadError, match=r"a\.csv"):
        read_numbers(file)
    with pytest.raises(ReadError, match="no such file"):
        read_numbers(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ","), ("utf-8-sig", ";"), ("utf-16", "\t")],
)
def test_a_table_saved_again_by_a_spreadsheet_program_is_read(tmp_path, encoding, delimiter):
    rows = (("ecg_id", " report "), ("1", "größer"))
    text = "".join(delimiter.join(row) + "\r\n" for row in rows)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    found = read_rows(tmp_path / "t.csv", ("ecg_id", "report"), corpus="PTB-XL")
    assert found == [{"ecg_id": "1", "report": "größer"}]


def test_a_table_in_an_encoding_that_nothing_names_is_refused_with_its_row(tmp_path):
    (tmp_path / "t.csv").write_bytes("ecg_id\n1\ngrößer\n".encode("latin-1"))
    with pytest.raises(ReadError, match=r"row 3: not in UTF-8: byte 0xf6.*CSV in UTF-8"):
        read_rows(tmp_path / "t.csv", ("ecg_id",), corpus="PTB-XL")
