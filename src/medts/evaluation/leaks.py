"""Leaks: a model is never measured on what it was trained or selected on.

A bundle remembers the folds and one-way tokens of the subjects that it has seen, those of the
bundle it started from included, so a renamed store or a changed fold does not hide them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from medts.core.errors import LeakError
from medts.data.splits import subject_tokens
from medts.data.store import Store
from medts.inference.manifest import Provenance


def find_leaks(
    provenance: Provenance, store: Store, rows: Int[np.ndarray, "n"], folds: Sequence[str]
) -> list[str]:
    """Returns what is wrong with testing on ``rows``, one sentence each; empty when nothing is."""
    problems = []
    corpora = {str(corpus) for corpus in store.corpus_of_row[rows]}
    for part in ("train", "validation"):
        facts = provenance.splits.get(part, {})
        shared = [fold for fold in folds if fold in facts.get("folds", ())]
        if shared and corpora & set(facts.get("corpora", ())):
            verb = "trained" if part == "train" else "selected"
            problems.append(f"the model was {verb} on fold {', '.join(shared)}")
    seen = set(provenance.seen_subjects)
    n_shared = sum(token in seen for token in subject_tokens(store.subject_ids[rows]))
    if n_shared:
        problems.append(f"{n_shared} of the test subjects were seen in training or selection")
    return problems


def refuse_leaks(
    provenance: Provenance,
    store: Store,
    rows: Int[np.ndarray, "n"],
    folds: Sequence[str],
    *,
    allow_leak: bool = False,
) -> tuple[str, ...]:
    """Raises on a leak, or returns it as notes for the report where it was allowed.

    Raises:
        LeakError: If the model has seen test records and ``allow_leak`` is False.
    """
    problems = find_leaks(provenance, store, rows, folds)
    if problems and not allow_leak:
        raise LeakError(
            "; ".join(problems),
            field="folds",
            remedy="Test on folds that the model has never met",
        )
    return tuple(f"LEAK, allowed on request: {problem}" for problem in problems)
