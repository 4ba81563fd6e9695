import hashlib
import hmac

import numpy as np
import pytest

from medts.core.errors import ConfigError
from medts.data import seen as module
from medts.data.seen import (
    Seen,
    key_id_of,
    make_site_key,
    merge_seen,
    read_site_key,
    seen_in,
    site_key_path,
    subject_tokens,
)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDTS_SITE_KEY", str(tmp_path / "deep" / "site.key"))
    return tmp_path / "deep" / "site.key"


def test_a_key_is_made_once_and_readable_by_its_owner_alone(path):
    assert read_site_key() is None
    key = make_site_key()
    assert len(key) == 32
    assert make_site_key() == read_site_key() == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["site.key"]


def test_the_key_lies_in_the_users_folder_unless_a_file_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv("MEDTS_SITE_KEY")
    monkeypatch.setattr(module.Path, "home", lambda: tmp_path)
    assert site_key_path() == tmp_path / ".config" / "medts" / "site.key"


def test_another_process_that_was_first_keeps_its_key(path, monkeypatch):
    key = make_site_key()
    answers = iter([None, key])
    monkeypatch.setattr(module, "read_site_key", lambda: next(answers))
    assert make_site_key() == key
    assert bytes.fromhex(path.read_text()) == key


@pytest.mark.parametrize("content", ["", "abcd", "not hex"])
def test_a_damaged_key_is_refused(path, content):
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(ConfigError, match="site key"):
        make_site_key()


def test_a_place_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDTS_SITE_KEY", str(tmp_path / "file" / "site.key"))
    with pytest.raises(ConfigError, match="site key"):
        make_site_key()


def test_tokens_are_hmac_sha256_under_the_key_and_plain_without_one():
    key = b"k" * 32
    expected = hmac.new(key, b"own/p1", hashlib.sha256).hexdigest()
    assert subject_tokens(["own/p1", "own/p1"], key) == (expected,)
    assert subject_tokens(["own/p2", "own/p1", "own/p2"], None) == ("own/p1", "own/p2")
    assert key_id_of(key) != key_id_of(b"j" * 32)
    assert key.hex() not in key_id_of(key)


def test_a_public_corpus_is_seen_by_plain_ids_and_a_private_one_by_tokens(
    synthetic_store, path, monkeypatch
):
    train, validation = synthetic_store.select(["1", "2"]), synthetic_store.select(["8"])
    (public,) = seen_in(synthetic_store, train, validation)
    assert (public.train, public.validation) == (("1", "2"), ("8",))
    rows = np.concatenate([train, validation])
    assert public.subjects == tuple(sorted(set(synthetic_store.subject_ids[rows])))
    assert not path.exists()

    info = synthetic_store.corpora["synthetic"]
    private = info.but(card=info.card.but(is_public=False))
    monkeypatch.setitem(synthetic_store.corpora, "synthetic", private)
    (hidden,) = seen_in(synthetic_store, train, validation)
    assert hidden.key_id == key_id_of(make_site_key())
    assert hidden.subjects == subject_tokens(public.subjects, make_site_key())
    assert not set(hidden.subjects) & set(public.subjects)


def test_what_two_models_have_seen_is_put_together_by_corpus_and_key():
    one = Seen(corpus="a", train=("1", "10"), subjects=("a/1", "a/2"))
    two = Seen(corpus="a", train=("2",), validation=("8",), subjects=("a/2", "a/3"))
    other = Seen(corpus="a", key_id="k", subjects=("token",))
    assert merge_seen([one], [other, two]) == (
        Seen(
            corpus="a",
            train=("1", "2", "10"),
            validation=("8",),
            subjects=("a/1", "a/2", "a/3"),
        ),
        other,
    )
