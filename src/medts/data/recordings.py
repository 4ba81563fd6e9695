"""Recordings: the records that training and evaluation read, from a store or from memory.

Rows are numbered from 0; ids are ``corpus/record`` and ``corpus/subject``. A subclass gives the
columns of the index and the records; everything that follows from them is here once.

Axes: R records.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from medts.core.config import Config
from medts.core.errors import StoreError, unknown_name
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.sources.base import SourceCard


class CorpusInfo(Config):
    """Content of ``corpus.json``."""

    format_version: int = 1
    """Version of the layout on disk."""

    name: str
    """Name of the source that made it."""

    card: SourceCard
    """Licence, citation and known defects."""

    label_sets: tuple[LabelSet, ...]
    """Label sets that the index has columns for."""

    n_records: int
    """Records in the index."""

    n_subjects: int
    """Persons they belong to."""

    n_quarantined: int
    """Records that could not be read; see ``quarantine.csv``."""

    digest: str
    """SHA-256 over the records' ids, signals and labels, in any order."""


class Recordings(ABC):
    """Rows of recordings with subjects, folds, labels and reports."""

    corpora: dict[str, CorpusInfo]

    @property
    @abstractmethod
    def corpus_of_row(self) -> np.ndarray:
        """Name of the corpus that each row belongs to."""

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """Returns one column of the index for all records, as Python values."""

    @abstractmethod
    def record(self, row: int) -> Record:
        """Returns one record with report, statements, annotations and facts."""

    @property
    def where(self) -> Path | None:
        """Folder to name in errors; none for records in memory."""
        return None

    def __len__(self) -> int:
        return len(self.corpus_of_row)

    def _named(self, column: str) -> np.ndarray:
        pairs = zip(self.corpus_of_row, self.column(column), strict=True)
        return np.array([f"{corpus}/{value}" for corpus, value in pairs], dtype=object)

    @cached_property
    def record_ids(self) -> np.ndarray:
        """``corpus/record`` of every row."""
        return self._named("record_id")

    @cached_property
    def subject_ids(self) -> np.ndarray:
        """``corpus/subject`` of every row."""
        return self._named("subject_id")

    @cached_property
    def folds(self) -> np.ndarray:
        """Fold of every row: a number as text, or ``train``, ``validation``, ``test``."""
        return np.array(self.column("fold"), dtype=object)

    @cached_property
    def streams(self) -> list[dict[str, dict[str, Any]]]:
        """For every row its streams by name, as values of `medts.data.shards.STREAM_TYPE`."""
        return [{entry["name"]: entry for entry in row} for row in self.column("streams")]

    @cached_property
    def label_sets(self) -> dict[str, LabelSet]:
        """Every label set of every corpus, by its full name."""
        return {each.name: each for info in self.corpora.values() for each in info.label_sets}

    def label_set(self, name: str) -> LabelSet:
        """Returns a label set by its full name.

        Raises:
            UnknownNameError: If no corpus of the store has it.
        """
        if name not in self.label_sets:
            raise unknown_name("label set", name, self.label_sets)
        return self.label_sets[name]

    def labels(self, name: str) -> list[tuple[str, ...] | None]:
        """Returns the classes that hold for every row; None where the row is not in the set."""
        corpus, short = self.label_set(name).name.split("/")
        rows: list[tuple[str, ...] | None] = []
        for of_corpus, labels in zip(self.corpus_of_row, self.column("labels"), strict=True):
            found = dict(labels).get(short) if of_corpus == corpus else None
            rows.append(None if found is None else tuple(found))
        return rows

    def select(self, folds: Iterable[str]) -> Int[np.ndarray, "n"]:
        """Returns the rows of the named folds, in the order of the store.

        Raises:
            StoreError: If a fold has no record.
        """
        wanted = list(folds)
        for fold in wanted:
            if not (self.folds == fold).any():
                present = ", ".join(sorted(set(self.folds), key=lambda f: (len(f), f)))
                problem, remedy = f"no record in fold {fold!r}", f"Folds present: {present}"
                raise StoreError(problem, path=self.where, field="fold", remedy=remedy)
        return np.flatnonzero(np.isin(self.folds, wanted))

    def digest(self, rows: Int[np.ndarray, "n"] | None = None, label_set: str | None = None) -> str:
        """Returns a SHA-256 over ids, signals and labels of some rows, whatever their order."""
        chosen = range(len(self)) if rows is None else rows.tolist()
        signals = self.column("digest")
        labels = self.labels(label_set) if label_set else [None] * len(self)
        return digest_of(f"{self.record_ids[r]} {signals[r]} {labels[r]}" for r in chosen)


def digest_of(lines: Iterable[str]) -> str:
    """Returns the SHA-256 of some lines, whatever their order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
