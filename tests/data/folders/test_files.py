import pytest

from medts.core.errors import ReadError
from medts.data.folders.files import list_files

from .writing import write_folder, write_recording, write_table


def test_every_recording_is_listed_once_and_what_belongs_to_it_is_not(tmp_path):
    for kind in ("wfdb", "edf", "csv"):
        write_recording(tmp_path / kind / "x", kind=kind)
    (tmp_path / "README.md").write_text("notes")
    (tmp_path / ".hidden.csv").write_text("time_s,I [mV]\n0,1\n1,2\n")
    (tmp_path / "broken.edf").write_bytes(b"nothing of the kind")
    listing = list_files(tmp_path)
    assert listing.format_of == {
        "broken.edf": "",
        "csv/x.csv": "CSV",
        "edf/x.edf": "EDF",
        "wfdb/x.hea": "WFDB",
    }
    assert list(listing.files) == sorted(listing.format_of)


def test_the_pieces_of_a_segmented_record_are_no_records_of_their_own(tmp_path):
    write_recording(tmp_path / "r_1", kind="wfdb")
    write_recording(tmp_path / "r_2", kind="wfdb")
    (tmp_path / "r.hea").write_text("r/2 2 100 400\nr_1 200\nr_2 200\n")
    assert list(list_files(tmp_path).files) == ["r.hea"]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("a", ["a.csv"]),
        ("a.csv", ["a.csv"]),
        ("A.CSV", ["a.csv"]),
        ("./a.csv", ["a.csv"]),
        ("C:\\data\\a.csv", ["a.csv"]),
        ("x/1", ["x/1.csv"]),
        ("data/x/1.csv", ["x/1.csv"]),
        ("1", ["x/1.csv", "y/1.csv"]),
        ("z/1", []),
        ("w.dat", ["w.hea"]),
        ("", []),
    ],
)
def test_a_name_may_lack_its_suffix_and_folders_or_have_further_ones(tmp_path, cell, found):
    write_folder(tmp_path, "a x/1 y/1")
    write_recording(tmp_path / "w", kind="wfdb")
    assert list_files(tmp_path).find(cell) == found


def test_a_pattern_narrows_and_the_table_is_no_recording(tmp_path):
    write_folder(tmp_path, "a")
    write_recording(tmp_path / "b", kind="edf")
    labels = write_table(tmp_path / "labels.csv", "time_s,age\n1,2\n2,3")
    assert list(list_files(tmp_path, labels=labels).files) == ["a.csv", "b.edf"]
    assert list(list_files(tmp_path, "*.edf").files) == ["b.edf"]
    with pytest.raises(ReadError, match=r"holds no recording \*.set"):
        list_files(tmp_path, "*.set")


def test_a_store_inside_the_folder_is_passed_over(tmp_path):
    write_folder(tmp_path, "a store/mine/x")
    (tmp_path / "store" / "mine" / "corpus.json").write_text("{}")
    assert list(list_files(tmp_path).files) == ["a.csv"]
