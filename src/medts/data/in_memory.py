"""In-memory dataset: records that train and evaluate as a store does, without a store on disk."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.quality import quality_columns
from medts.data.recordings import CorpusInfo, Recordings, digest_of
from medts.data.shards import described
from medts.data.sources.memory import Memory
from medts.signal.quality import judge

CORPUS = "memory"
"""Name of the corpus that the caller's own records form."""


class RecordsInMemory(Recordings):
    """The caller's own records as one corpus, with folds and at most one label set.

    Args:
        records: The recordings; a record without ``subject_id`` is its own subject.
        folds: Fold of each record.
        label_set: What the labels are taken from, named ``memory/...``; none for no labels.
        labels: Class names of each record, None where unlabelled.

    Raises:
        ConfigError: If the lists differ in length.
    """

    def __init__(
        self,
        records: Sequence[Record],
        *,
        folds: Sequence[str],
        label_set: LabelSet | None = None,
        labels: Sequence[tuple[str, ...] | None] = (),
    ) -> None:
        if len(folds) != len(records) or (label_set and len(labels) != len(records)):
            problem = f"{len(records)} records, {len(folds)} folds, {len(labels)} labels"
            remedy = "Give one fold and one label for each record"
            raise ConfigError(problem, field="records", remedy=remedy)
        self.records = list(records)
        self._folds, self._labels, self._label_set = list(folds), list(labels), label_set

    @property
    def corpus_of_row(self) -> np.ndarray:
        """Name of the one corpus, for every row."""
        return np.full(len(self.records), CORPUS, dtype=object)

    @cached_property
    def corpora(self) -> dict[str, CorpusInfo]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The one corpus."""
        subjects = {self._subject(row) for row in range(len(self.records))}
        info = CorpusInfo(
            name=CORPUS,
            card=Memory.card,
            label_sets=(self._label_set,) if self._label_set else (),
            n_records=len(self.records),
            n_subjects=len(subjects),
            n_quarantined=0,
            digest=digest_of(self.column("digest")),
        )
        return {CORPUS: info}

    def column(self, name: str) -> list[Any]:
        """Returns one column that a store's index would have."""
        return [self._cell(row, name) for row in range(len(self.records))]

    def record(self, row: int) -> Record:
        """Returns one record under its full name."""
        return replace(
            self.records[row],
            record_id=f"{CORPUS}/{row:06d}",
            subject_id=f"{CORPUS}/{self._subject(row)}",
        )

    def _subject(self, row: int) -> str:
        return self.records[row].subject_id or f"{row:06d}"

    def _cell(self, row: int, name: str) -> Any:
        record = self.records[row]
        if name in ("is_usable", "quality", "quality_warnings"):
            return quality_columns(judge(record))[name]
        cells = {
            "record_id": lambda: f"{row:06d}",
            "subject_id": lambda: self._subject(row),
            "fold": lambda: self._folds[row],
            "report": lambda: record.report,
            "facts": lambda: json.dumps(record.facts, ensure_ascii=False),
            "digest": lambda: _digest(record),
            "labels": lambda: self._labels_of(row),
            "streams": lambda: [
                described(key, stream) | {"has_gaps": not np.isfinite(stream.signal).all()}
                for key, stream in record.streams.items()
            ],
        }
        return cells[name]()

    def _labels_of(self, row: int) -> list[tuple[str, list[str]]]:
        labels = self._labels[row] if self._label_set else None
        if self._label_set is None or labels is None:
            return []
        return [(self._label_set.name.split("/")[1], list(labels))]


def _digest(record: Record) -> str:
    sha = hashlib.sha256()
    for name, stream in sorted(record.streams.items()):
        sha.update(f"{name} {stream.channels} {stream.sampling_rate} {stream.unit} ".encode())
        sha.update(np.ascontiguousarray(stream.signal, dtype=np.float32).tobytes())
    return sha.hexdigest()
