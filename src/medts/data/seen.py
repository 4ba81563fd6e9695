"""Leak prevention: training and validation subjects of a model, as ids or HMAC pseudonyms.

Subjects of public corpora are kept by their plain ids, which anybody can read in the corpus.
Those of private data are kept as HMAC-SHA256 tokens under a site key. The key lies outside stores
and bundles, so that a bundle that travels names nobody and its tokens cannot be guessed from small
ids; without the key `medts.evaluation.leaks` cannot check, and reports that.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from jaxtyping import Int

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.data.recordings import Recordings

_KEY_BYTES = 32


class Seen(Config):
    """Folds and subjects of one corpus that a model was trained or selected on."""

    corpus: str
    """Name of the corpus."""

    key_id: str = ""
    """Short hash of the site key of the tokens; empty where subjects are plain ids."""

    train: tuple[str, ...] = ()
    """Folds that it was trained on."""

    validation: tuple[str, ...] = ()
    """Folds that it was selected on."""

    subjects: tuple[str, ...] = ()
    """``corpus/subject`` of a public corpus, tokens of a private one; sorted."""


def site_key_path() -> Path:
    """Returns where the key of this site lies: ``MEDTS_SITE_KEY``, or the user's config folder."""
    given = os.environ.get("MEDTS_SITE_KEY")
    return Path(given) if given else Path.home() / ".config" / "medts" / "site.key"


def read_site_key() -> bytes | None:
    """Returns the key of this site; None where there is none yet.

    Raises:
        ConfigError: If the file cannot be read or is too short to be a key.
    """
    path = site_key_path()
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        remedy = "Restore it from a backup, or name another file in MEDTS_SITE_KEY"
        problem = f"the site key cannot be read: {error}"
        raise ConfigError(problem, path=path, remedy=remedy) from error
    if len(key) < _KEY_BYTES:
        problem = f"the site key has {len(key)} bytes, not {_KEY_BYTES}"
        remedy = "Restore it from a backup, or remove it to have another one made"
        raise ConfigError(problem, path=path, remedy=remedy)
    return key


def make_site_key() -> bytes:
    """Returns the key of this site, made at first use and readable by its owner alone.

    Raises:
        ConfigError: If it cannot be written.
    """
    path, key = site_key_path(), read_site_key()
    if key is not None:
        return key
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and linked into place: two processes never keep two keys, nor read half.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    except OSError as error:
        problem = f"no site key can be written: {error}"
        remedy = "Name a file that can be written in MEDTS_SITE_KEY"
        raise ConfigError(problem, path=path, remedy=remedy) from error
    key = read_site_key()
    assert key is not None
    return key


def key_id_of(key: bytes) -> str:
    """Returns a short hash of a key, by which keys differ without being given away."""
    return hashlib.sha256(b"medts site key" + key).hexdigest()[:12]


def subject_tokens(subject_ids: Iterable[str], key: bytes | None) -> tuple[str, ...]:
    """HMAC-SHA256 pseudonymisation of subject ids, each once, sorted; plain ids without a key."""
    if key is None:
        return tuple(sorted({str(each) for each in subject_ids}))
    found = (hmac.new(key, str(each).encode(), hashlib.sha256).hexdigest() for each in subject_ids)
    return tuple(sorted(set(found)))


def seen_in(
    store: Recordings, train: Int[np.ndarray, "n"], validation: Int[np.ndarray, "m"]
) -> tuple[Seen, ...]:
    """Returns what a run on some rows of a store sees, by corpus."""
    rows = np.concatenate([train, validation])
    found = []
    for corpus in sorted({str(each) for each in store.corpus_of_row[rows]}):
        key = None if store.corpora[corpus].card.is_public else make_site_key()

        is_own = store.corpus_of_row == corpus
        found.append(
            Seen(
                corpus=corpus,
                key_id="" if key is None else key_id_of(key),
                train=_folds(store, train[is_own[train]]),
                validation=_folds(store, validation[is_own[validation]]),
                subjects=subject_tokens(store.subject_ids[rows[is_own[rows]]], key),
            )
        )
    return tuple(found)


def merge_seen(*parts: Iterable[Seen]) -> tuple[Seen, ...]:
    """Merges what several models have seen, such as a fine-tuned one and its pretrained encoder."""
    together: dict[tuple[str, str], Seen] = {}
    for each in (seen for part in parts for seen in part):
        known = together.get((each.corpus, each.key_id), Seen(corpus=each.corpus))
        together[each.corpus, each.key_id] = each.but(
            train=_in_order({*known.train, *each.train}),
            validation=_in_order({*known.validation, *each.validation}),
            subjects=tuple(sorted({*known.subjects, *each.subjects})),
        )
    return tuple(together[name] for name in sorted(together))


def _folds(store: Recordings, rows: Int[np.ndarray, "n"]) -> tuple[str, ...]:
    return _in_order({str(fold) for fold in store.folds[rows]})


def _in_order(folds: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(folds, key=lambda fold: (len(fold), fold)))
