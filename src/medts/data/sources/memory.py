"""In-memory dataset: records and labels that a program holds, ingested as files are."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
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
        label_set: The label set of the labels, named ``memory/…``.
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
        self.label_sets = (label_set,)

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the records; ``path`` is not looked at."""
        del path
        short = self.label_sets[0].name.split("/")[1]
        for number, record in enumerate(self.records):
            record_id = f"{number:06d}"
            subject_id = record.subject_id or record_id
            load = partial(replace, record, record_id=record_id, subject_id=subject_id)
            labels = {short: self.labels[number]}
            yield Entry(record_id, subject_id, self.folds[number], load, labels)
