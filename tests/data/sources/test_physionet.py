"""PhysioNet's layout: which recordings are listed, and folds drawn from ids."""

from collections import Counter

import pytest

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.data.ontology import with_phrases
from medts.data.sources.physionet import list_headers
from medts.data.sources.reading import hashed_fold


def test_present_and_promised_recordings_are_listed_once_and_by_number(tmp_path):
    for name in ("10", "9", "100"):
        (tmp_path / f"{name}.hea").touch()
    (tmp_path / "RECORDS").write_text("9\n11\nsub/\n")
    listed = list_headers(tmp_path, "*.hea", corpus="corpus")
    assert [header.name for header in listed] == ["9.hea", "10.hea", "11.hea", "100.hea"]


def test_a_folder_without_recordings_is_refused_with_the_corpus_that_was_expected(tmp_path):
    with pytest.raises(ReadError, match="official Some Corpus distribution"):
        list_headers(tmp_path, "*.hea", corpus="Some Corpus")


def test_folds_follow_the_id_alone_in_the_stated_shares():
    folds = {str(number): hashed_fold("corpus", str(number)) for number in range(20_000)}
    share = {fold: count / len(folds) for fold, count in Counter(folds.values()).items()}
    assert share == pytest.approx({"train": 0.6, "validation": 0.2, "test": 0.2}, abs=0.015)
    others = [hashed_fold("other", name) for name in folds]
    assert others != list(folds.values())


def test_folds_never_change_between_versions():
    drawn = [hashed_fold("ludb", str(number)) for number in range(1, 9)]
    assert drawn == "train train train validation test train validation train".split()  # noqa: SIM905


def test_classes_that_the_tables_do_not_know_keep_their_name():
    label_set = LabelSet(name="corpus/set", classes=("Atrial fibrillation", "xyz"), kind="multi")
    phrased = with_phrases(label_set)
    assert phrased.phrase("Atrial fibrillation") == "atrial fibrillation"
    assert phrased.phrase("xyz") == "xyz"
