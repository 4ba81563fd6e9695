"""A corpus that is already in memory: records and labels that a program holds.

It lets arrays and records go the same way as files: into a store, by subject, with every check.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.sources.base import Entry, Source, SourceCard


class Memory(Source, is_listed=False):
    """Records of the caller, in named folds.

    Args:
        records: The recordings; a record without ``subject_id`` is its own subject.
        labels: Class names of each record.
        folds: Fold of each record.
        label_set: What the labels are drawn from, named ``memory/…``.
    """

    name: ClassVar[str] = "memory"
    card: ClassVar[SourceCard] = SourceCard(
        title="Records given by the caller",
        licence="the caller's",
        citation="the caller's",
        obtain="held in memory",
    )

    def __init__(
        self,
        records: Sequence[Record],
        labels: Sequence[tuple[str, ...]],
        folds: Sequence[str],
        label_set: LabelSet,
    ) -> None:
        self.records, self.labels, self.folds = records, labels, folds
        self._label_set = label_set

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The one label set."""
        return (self._label_set,)

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the records; ``path`` is not looked at."""
        del path
        short = self._label_set.name.split("/")[1]
        for number, record in enumerate(self.records):
            record_id = f"{number:06d}"
            subject_id = record.subject_id or record_id
            yield Entry(
                record_id=record_id,
                subject_id=subject_id,
                fold=self.folds[number],
                load=_Held(replace(record, record_id=record_id, subject_id=subject_id)),
                labels={short: self.labels[number]},
            )


class _Held:
    """Returns the record it holds."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def __call__(self) -> Record:
        return self.record
