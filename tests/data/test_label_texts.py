import pytest

from medts.core.errors import UnknownNameError
from medts.core.labels import LabelSet
from medts.data.label_texts import in_words
from medts.data.ontology import with_phrases
from medts.data.sources import find_source, sources


def test_recordings_are_described_by_what_they_are_and_what_is_asked(synthetic_store):
    assert in_words(synthetic_store, "synthetic/rhythm").description == (
        "ECG, 12 channels at 250 Hz, about 5 s, of medts synthetic 12-lead ECG; "
        "rhythm, one of 6 classes"
    )


def test_a_set_that_is_not_in_the_store_is_unknown(synthetic_store):
    with pytest.raises(UnknownNameError):
        in_words(synthetic_store, "ptb-xl/super")


def test_wordings_come_from_the_set_then_from_the_ontology():
    bare = LabelSet(
        name="ptb-xl/sub", classes=("CRBBB", "XYZ"), kind="multi", system="scp-ecg",
        phrases={},
    )  # fmt: skip
    assert with_phrases(bare).texts() == ("complete right bundle branch block", "XYZ")
    own = bare.but(phrases={"CRBBB": ("a block",)})
    assert with_phrases(own).texts() == ("a block", "XYZ")


@pytest.mark.parametrize("name", sorted(sources().found))
def test_every_label_set_of_every_corpus_can_be_told_in_words_that_differ(name):
    for label_set in find_source(name)().label_sets:
        texts = with_phrases(label_set).texts()
        assert len(set(texts)) == len(label_set)
