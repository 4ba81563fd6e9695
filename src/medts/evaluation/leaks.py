"""Leaks: a model is never measured on what it was trained or selected on.

A bundle remembers the folds and subjects that it has seen, those of the bundle it started from
included, so a renamed store or a changed fold does not hide them. Subjects of private data are kept
under the key of a site: without that key they cannot be compared with the test subjects, and
going on has to be allowed.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

from medts.core.errors import LeakError
from medts.data.recordings import Recordings
from medts.data.seen import Seen, key_id_of, read_site_key, site_key_path, subject_tokens
from medts.inference.manifest import Provenance


def find_leaks(
    provenance: Provenance, store: Recordings, rows: Int[np.ndarray, "n"], folds: Sequence[str]
) -> list[str]:
    """Returns what is wrong with testing on ``rows``, one sentence each; empty when nothing is."""
    found: dict[str, list[str]] = {"trained": [], "selected": []}
    n_shared = 0
    for seen, own in _of_corpora(provenance.seen, store, rows):
        for verb, known in (("trained", seen.train), ("selected", seen.validation)):
            found[verb] += [fold for fold in folds if fold in known]
        if not seen.key_id or is_checkable(seen):
            tokens = subject_tokens(
                store.subject_ids[own], read_site_key() if seen.key_id else None
            )
            n_shared += len(set(tokens) & set(seen.subjects))
    problems = [
        f"the model was {verb} on fold {', '.join(dict.fromkeys(shared))}"
        for verb, shared in found.items()
        if shared
    ]
    if n_shared:
        problems.append(f"{n_shared} of the test subjects were seen in training or selection")
    return problems


def find_unchecked(
    provenance: Provenance, store: Recordings, rows: Int[np.ndarray, "n"]
) -> tuple[str, ...]:
    """Returns the test corpora whose subjects cannot be compared, for want of the site key."""
    return tuple(
        dict.fromkeys(
            seen.corpus
            for seen, _ in _of_corpora(provenance.seen, store, rows)
            if seen.key_id and not is_checkable(seen)
        )
    )


def is_checkable(seen: Seen) -> bool:
    """Whether the key of this site is the one that the tokens were made with."""
    key = read_site_key()
    return key is not None and key_id_of(key) == seen.key_id


def refuse_leaks(
    provenance: Provenance,
    store: Recordings,
    rows: Int[np.ndarray, "n"],
    folds: Sequence[str],
    *,
    allow_leak: bool = False,
    allow_unchecked: bool = False,
) -> tuple[str, ...]:
    """Raises on a leak, or returns it as notes for the report where it was allowed.

    Raises:
        LeakError: If the model has seen test records and ``allow_leak`` is False, or nobody can
            tell and ``allow_unchecked`` is False.
    """
    problems = find_leaks(provenance, store, rows, folds)
    if problems and not allow_leak:
        raise LeakError(
            "; ".join(problems),
            field="folds",
            remedy="Test on folds that the model was not trained or selected on",
        )
    unchecked = ", ".join(find_unchecked(provenance, store, rows))
    if unchecked and not allow_unchecked:
        raise LeakError(
            f"the model has seen subjects of {unchecked} under a site key that is not here, so "
            "leaks cannot be checked",
            path=site_key_path(),
            remedy="Bring the site key of the training (MEDTS_SITE_KEY), or go on with "
            "--allow-unchecked",
        )
    notes = [f"LEAK, allowed on request: {problem}" for problem in problems]
    if unchecked:
        notes.append(
            f"UNCHECKED, allowed on request: subjects of {unchecked} may have been seen in "
            "training; the site key is not here"
        )
    return tuple(notes)


def _of_corpora(
    every: Iterable[Seen], store: Recordings, rows: Int[np.ndarray, "n"]
) -> list[tuple[Seen, Int[np.ndarray, "m"]]]:
    """Pairs what was seen of each corpus with the test rows of it, where there are any."""
    corpus = store.corpus_of_row[rows].astype(str)
    pairs = [(seen, rows[corpus == seen.corpus]) for seen in every]
    return [(seen, own) for seen, own in pairs if len(own)]
