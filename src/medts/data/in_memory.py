"""Records in memory that train and evaluate as a store does, without being written to disk."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.records import Record, Stream
from medts.data.quality import quality_columns
from medts.data.recordings import CorpusInfo, Recordings, digest_of
from medts.data.sources.base import SourceCard
from medts.signal.quality import judge

CORPUS = "memory"
"""Name of the corpus that the caller's own records form."""

_CARD = SourceCard(
    title="Records given by the caller",
    licence="the caller's",
    citation="the caller's",
    obtain="held in memory",
)


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
            raise ConfigError(
                f"{len(records)} records, {len(folds)} folds, {len(labels)} labels",
                field="records",
                remedy="Give one fold and one label for each record",
            )
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
            card=_CARD,
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
        match name:
            case "record_id":
                return f"{row:06d}"
            case "subject_id":
                return self._subject(row)
            case "fold":
                return self._folds[row]
            case "report":
                return record.report
            case "facts":
                return json.dumps(record.facts, ensure_ascii=False)
            case "digest":
                return _digest(record)
            case "labels":
                if self._label_set is None or self._labels[row] is None:
                    return []
                return [(self._label_set.name.split("/")[1], list(self._labels[row] or ()))]
            case "streams":
                return [_entry(key, stream) for key, stream in record.streams.items()]
            case "is_usable" | "quality" | "quality_warnings":
                return quality_columns(judge(record))[name]
        raise KeyError(name)


def _entry(name: str, stream: Stream) -> dict[str, Any]:
    return {
        "name": name,
        "modality": stream.modality,
        "unit": stream.unit,
        "sampling_rate": stream.sampling_rate,
        "start_s": stream.start_s,
        "channels": list(stream.channels),
        "n_samples": stream.n_samples,
        "has_gaps": not bool(np.isfinite(stream.signal).all()),
    }


def _digest(record: Record) -> str:
    sha = hashlib.sha256()
    for name, stream in sorted(record.streams.items()):
        sha.update(f"{name} {stream.channels} {stream.sampling_rate} {stream.unit} ".encode())
        sha.update(np.ascontiguousarray(stream.signal, dtype=np.float32).tobytes())
    return sha.hexdigest()
