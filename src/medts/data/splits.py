"""Subject-wise splits by official folds; stratified subsampling and few-shot sampling of labels.

A split is composed of folds that the corpus fixes. No test set is sampled here; sampled is only
which of the training records keep their labels.

Axes: R records, n records, K classes.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import BeforeValidator, Field

from medts.core.config import Config
from medts.core.errors import ConfigError, LeakError, StoreError
from medts.data.recordings import Recordings

NAMED_FOLDS = ("train", "validation", "test")


def parse_folds(text: str) -> tuple[str, ...]:
    """Reads folds as written on the command line.

    >>> parse_folds("1-3,8"), parse_folds("train")
    (('1', '2', '3', '8'), ('train',))

    Raises:
        ConfigError: If a part is neither a number, a range, nor a named fold.
    """
    folds: list[str] = []
    for part in text.replace(" ", "").split(","):
        if part in NAMED_FOLDS or part.isdigit():
            folds.append(part)
        elif match := re.fullmatch(r"(\d+)-(\d+)", part):
            first, last = int(match[1]), int(match[2])
            if first > last:
                raise ConfigError(f"folds {part!r} run backwards", field="folds")
            folds += [str(number) for number in range(first, last + 1)]
        else:
            remedy = f"Write numbers and ranges such as 1-7,9 or {', '.join(NAMED_FOLDS)}"
            raise ConfigError(f"{part!r} is not a fold", field="folds", remedy=remedy)
    return tuple(dict.fromkeys(folds))


Folds = Annotated[
    tuple[str, ...], BeforeValidator(lambda v: parse_folds(v) if isinstance(v, str) else v)
]
"""Names of folds, or the text of a command line such as ``1-7,train``."""


class Split(Config):
    """Training and validation folds of a subject-wise split; a corpus takes those that it has.

    >>> Split(train="1-7", validation="8").train
    ('1', '2', '3', '4', '5', '6', '7')
    """

    train: Folds = Field(default=("1", "2", "3", "4", "5", "6", "7", "train"), min_length=1)
    """Folds that train."""

    validation: Folds = Field(default=("8", "validation"), min_length=1)
    """Folds on which the epoch and the operating points are chosen."""


class Subsample(Config):
    """Label subsampling: which training records keep their labels (label fraction, few-shot)."""

    fraction: float = Field(default=1.0, gt=0)
    """Share of the training records whose labels are used, or their number where above 1."""

    shots: int = Field(default=0, ge=0)
    """Labelled examples of each class, or all that a class has; 0 sets no such limit."""

    seed: int = Field(default=0, ge=0)
    """Seed by which those records are sampled."""


def present_folds(
    store: Recordings, folds: Sequence[str], *, corpus: str = "", field: str = "folds"
) -> tuple[str, ...]:
    """Returns those of some folds that a store, or one corpus of it, has.

    Raises:
        ConfigError: If it has none of them.
    """
    own = store.folds[store.corpus_of_row == corpus] if corpus else store.folds
    present = set(own.tolist())
    found = tuple(fold for fold in folds if fold in present)
    if not found:
        problem = f"{corpus or 'the data'} has none of the folds {', '.join(folds)}"
        remedy = f"Its folds: {', '.join(sorted(present, key=lambda f: (len(f), f)))}"
        raise ConfigError(problem, field=field, remedy=remedy)
    return found


def named_folds(store: Recordings, folds: str | Sequence[str]) -> tuple[str, ...]:
    """Returns the folds that are meant: of a range those that exist, of single names each.

    Args:
        store: Whose folds they are.
        folds: Text such as ``9-10,test``, or names, which stay as they are.

    Raises:
        ConfigError: If the text is malformed, or none of a range exists.
    """
    if not isinstance(folds, str):
        return tuple(folds)
    found: list[str] = []
    for part in folds.split(","):
        names = parse_folds(part)
        found += present_folds(store, names) if "-" in part else names
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Part:
    """The labelled records of some folds.

    Args:
        folds: Which folds.
        rows: Rows of the store.
        target: Zeros and ones, or numbers (NaN where missing), in the order of the label set.
        n_unlabelled: Records of the folds that carry no label of the set, hence are left out.
    """

    folds: tuple[str, ...]
    rows: Int[np.ndarray, "R"]
    target: Float[np.ndarray, "R K"]
    n_unlabelled: int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Int[np.ndarray, "n"]) -> "Part":
        """Returns some of the records."""
        return replace(self, rows=self.rows[positions], target=self.target[positions])


def take_part(store: Recordings, label_set: str, folds: Sequence[str]) -> Part:
    """Returns the records of some folds that carry labels of a set.

    Raises:
        StoreError: If a fold has no record, or none of them is labelled.
    """
    names, labels = store.label_set(label_set), store.labels(label_set)
    every = store.select(folds)
    rows = np.array([row for row in every if labels[row] is not None], dtype=np.int64)
    if not len(rows):
        problem = f"no record of folds {', '.join(folds)} has a label of {label_set}"
        raise StoreError(problem, path=store.where, field="folds")
    target = names.encode([labels[row] or () for row in rows])
    return Part(tuple(folds), rows, target, len(every) - len(rows))


def check_disjoint(store: Recordings, **parts: Int[np.ndarray, "_"]) -> None:
    """Checks that no subject is in two parts.

    Raises:
        LeakError: If one is; the first few are listed.
    """
    for (first, one), (second, other) in itertools.combinations(parts.items(), 2):
        if shared := set(store.subject_ids[one]) & set(store.subject_ids[other]):
            few = ", ".join(sorted(shared)[:5])
            problem = f"{len(shared)} subjects are in both {first} and {second}: {few}"
            remedy = "Choose folds that share no subject"
            raise LeakError(problem, field="subject_id", remedy=remedy)


def stratified_order(target: Float[np.ndarray, "R K"], seed: int) -> Int[np.ndarray, "R"]:
    """Iterative stratification (Sechidis et al. 2011) as an order whose prefixes are stratified.

    Prefixes of one order are nested, so a smaller labelled part is always inside a larger one.
    Each step takes a record of the class that lacks most, rarest first; the first records
    therefore cover as many classes as they can.
    """
    generator = np.random.default_rng(seed)
    n_records = len(target)
    is_positive = target > 0.5
    pattern = np.column_stack([is_positive, ~is_positive.any(axis=1)])
    share = pattern.mean(axis=0)
    queue = generator.permutation(n_records)
    waiting = [queue[pattern[queue, k]].tolist() for k in range(pattern.shape[1])]
    is_taken = np.zeros(n_records, dtype=bool)
    taken = np.zeros(pattern.shape[1])
    order = np.empty(n_records, dtype=np.int64)
    for position in range(n_records):
        lack = np.where(share > 0, share * (position + 1) - taken, -np.inf)
        is_missing = (taken == 0) & (share > 0)
        is_missing[-1] = False  # records without any class are no class to cover
        lack = np.where(is_missing, 1e9 - share, lack)
        ranked = np.argsort(-lack, kind="stable")
        record = next(r for k in ranked if (r := _next_free(waiting[k], is_taken)) is not None)
        is_taken[record] = True
        taken += pattern[record]
        order[position] = record
    return order


def quantile_strata(values: Float[np.ndarray, "R"], n_strata: int = 5) -> Float[np.ndarray, "R K"]:
    """Returns the quantile bin of each value as classes, for stratified sampling in regression.

    A missing value (NaN) is in no bin; equal values are in one.

    >>> quantile_strata(np.array([1.0, 9.0, np.nan, 2.0]), 2).tolist()
    [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
    """
    known = values[np.isfinite(values)]
    inner = np.quantile(known, np.arange(1, n_strata) / n_strata) if len(known) else known
    place = np.searchsorted(inner, values, side="left")
    is_in = (np.arange(len(inner) + 1) == place[:, None]) & np.isfinite(values)[:, None]
    return is_in.astype(float)


def _next_free(queue: list[int], is_taken: Bool[np.ndarray, "R"]) -> int | None:
    while queue and is_taken[queue[-1]]:
        queue.pop()
    return queue.pop() if queue else None


def labelled_part(
    target: Float[np.ndarray, "R K"], *, fraction: float, seed: int
) -> Int[np.ndarray, "n"]:
    """Stratified subsample of the records that keep their labels: a share, or a count above 1.

    Raises:
        ConfigError: If that is no record, or more than there are.
    """
    n_wanted = round(fraction * len(target)) if fraction <= 1 else round(fraction)
    if not 0 < n_wanted <= len(target):
        problem = f"{n_wanted} of {len(target)} labelled records"
        remedy = f"Give a share up to 1 or a count up to {len(target)}"
        raise ConfigError(problem, field="label_fraction", remedy=remedy)
    return np.sort(stratified_order(target, seed)[:n_wanted])


def sample_shots(
    store: Recordings, part: Part, shots: int, seed: int | list[int]
) -> Int[np.ndarray, "n"]:
    """Samples ``shots`` examples of each class (few-shot), or all that it has, as positions."""
    generator = np.random.default_rng(seed)
    is_positive = part.target > 0.5
    kinds = np.column_stack([is_positive, ~is_positive.any(axis=1)])
    subjects = store.subject_ids[part.rows]
    is_taken = np.zeros(len(part), dtype=bool)
    shuffled = generator.permutation(len(part))
    for k in np.argsort(kinds.sum(axis=0), kind="stable"):
        n_wanted = shots - int(kinds[is_taken, k].sum())
        waiting = shuffled[kinds[shuffled, k] & ~is_taken[shuffled]]
        if n_wanted > 0:
            is_taken[_new_subjects_first(waiting, subjects, is_taken)[:n_wanted]] = True
    return np.flatnonzero(is_taken)


def _new_subjects_first(
    waiting: Int[np.ndarray, "n"],
    subjects: Shaped[np.ndarray, "R"],
    is_taken: Bool[np.ndarray, "R"],
) -> Int[np.ndarray, "n"]:
    """Puts records of subjects that were sampled before, or stand further ahead, last."""
    seen = set(subjects[is_taken])
    is_repeat = []
    for position in waiting.tolist():
        is_repeat.append(subjects[position] in seen)
        seen.add(subjects[position])
    return waiting[np.argsort(is_repeat, kind="stable")]


def describe(store: Recordings, part: Part) -> dict[str, object]:
    """Returns the folds of a part, its corpora, and its numbers of records and subjects."""
    return {
        "folds": list(part.folds),
        "corpora": sorted({str(corpus) for corpus in store.corpus_of_row[part.rows]}),
        "n_records": len(part),
        "n_subjects": len(set(store.subject_ids[part.rows])),
    }
