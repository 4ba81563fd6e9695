import pytest

from medts.core.errors import LeakError
from medts.data.seen import Seen, key_id_of, make_site_key, subject_tokens
from medts.evaluation.leaks import find_leaks, find_unchecked, refuse_leaks
from medts.inference.manifest import Provenance


@pytest.fixture
def key(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDTS_SITE_KEY", str(tmp_path / "site.key"))
    return make_site_key()


@pytest.fixture
def rows(synthetic_store):
    return synthetic_store.select(["9"])


def provenance(**seen):
    return Provenance(recipe="x", seen=(Seen(**{"corpus": "synthetic", **seen}),))


def test_folds_of_the_same_corpus_are_leaks_and_those_of_another_are_not(synthetic_store, rows):
    trained = provenance(train=("1", "9"), validation=("8",))
    assert find_leaks(trained, synthetic_store, rows, ["9"]) == ["the model was trained on fold 9"]
    assert find_leaks(trained, synthetic_store, rows, ["8"]) == ["the model was selected on fold 8"]
    elsewhere = provenance(corpus="ptb-xl", train=("9",), subjects=("ptb-xl/1",))
    assert find_leaks(elsewhere, synthetic_store, rows, ["9"]) == []


def test_a_subject_is_found_by_its_plain_id_or_its_token(synthetic_store, rows, key):
    subjects = synthetic_store.subject_ids[rows][:1]
    for own, key_id in ((None, ""), (key, key_id_of(key))):
        met = provenance(subjects=subject_tokens(subjects, own), key_id=key_id)
        (problem,) = find_leaks(met, synthetic_store, rows, ["9"])
        assert problem == "1 of the test subjects were seen in training or selection"
        with pytest.raises(LeakError):
            refuse_leaks(met, synthetic_store, rows, ["9"])
        (note,) = refuse_leaks(met, synthetic_store, rows, ["9"], allow_leak=True)
        assert note.startswith("LEAK, allowed on request")


@pytest.mark.parametrize("has_another_key", [True, False])
def test_without_the_key_of_the_training_nobody_can_tell(
    synthetic_store, rows, key, has_another_key, tmp_path, monkeypatch
):
    subjects = synthetic_store.subject_ids[rows]
    met = provenance(subjects=subject_tokens(subjects, key), key_id=key_id_of(key))
    monkeypatch.setenv("MEDTS_SITE_KEY", str(tmp_path / "other.key"))
    if has_another_key:
        make_site_key()
    assert find_leaks(met, synthetic_store, rows, ["9"]) == []
    assert find_unchecked(met, synthetic_store, rows) == ("synthetic",)
    with pytest.raises(LeakError, match=r"leaks cannot be checked.*--allow-unchecked"):
        refuse_leaks(met, synthetic_store, rows, ["9"])
    (note,) = refuse_leaks(met, synthetic_store, rows, ["9"], allow_unchecked=True)
    assert note.startswith("UNCHECKED, allowed on request: subjects of synthetic")
    elsewhere = provenance(corpus="other", key_id="unknown", subjects=("token",))
    assert refuse_leaks(elsewhere, synthetic_store, rows, ["9"]) == ()
    assert (tmp_path / "other.key").exists() == has_another_key
