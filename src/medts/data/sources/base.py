"""What a corpus must say about itself to be ingested: entries, label sets, and a card.

A source lists its records cheaply (`entries`), each with a `load` that reads the signal only when
it is called. Nothing a corpus holds is dropped in silence: a record that cannot be read is still
an entry, and its `load` raises the `MedtsError` that ends up in the quarantine list.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from medts.core.config import Config
from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.core.registry import register


@dataclass(frozen=True)
class Entry:
    """One record of a corpus, not yet read.

    Args:
        record_id: Unique within the corpus.
        subject_id: The person; the record's own id where persons are unknown.
        fold: ``"1"``, ``"2"``, … where the corpus numbers its folds, otherwise ``"train"``,
            ``"validation"`` or ``"test"``. No subject may have records in two folds.
        labels: For each label set, by the part of its name after the slash: the class names (of
            numbers the texts, see `medts.core.labels`) that
            hold, or None where the record does not take part in the set.
        load: Reads the recording; must be picklable, so that ingest can use several processes.
    """

    record_id: str
    subject_id: str
    fold: str
    load: Callable[[], Record]
    labels: dict[str, tuple[str, ...] | None] = field(default_factory=dict)


class SourceCard(Config):
    """Where a corpus comes from and what one must know before using it."""

    title: str
    """Name and version as its authors write it."""

    licence: str
    """Licence of the recordings and labels."""

    citation: str
    """What to cite wherever results from it are shown."""

    obtain: str
    """How to get the official distribution."""

    subjects: str = ""
    """How many persons."""

    records: str = ""
    """What one record is, how many there are, how long they last."""

    streams: dict[str, tuple[str, str, str]] = Field(default_factory=dict)
    """For each stream, or several of a kind: channels, unit, sampling rate."""

    also: str = ""
    """What comes beside the signals: reports, annotations, facts."""

    folds: str = ""
    """The folds, and the split that is recommended."""

    layout: str = ""
    """What the folder must hold."""

    notes: tuple[str, ...] = ()
    """What the label sets mean, and how the corpus is meant to be used."""

    defects: tuple[str, ...] = ()
    """Known faults of the corpus, and what the source does about each."""

    synthetic: bool = False
    """True where no person was ever recorded; every result then says so."""

    is_public: bool = False
    """True for a published corpus, whose subjects a bundle may name by their ids there."""


class Source(ABC):
    """A corpus in its official layout.

    A subclass states ``name``, ``card`` and ``label_sets`` and lists its entries. One with a name
    of its own is in the list of sources as soon as it is defined, unless the class statement says
    ``is_listed=False``: what is listed is built without arguments.
    """

    name: ClassVar[str]
    card: ClassVar[SourceCard]

    members: ClassVar[dict[str, type["Source"]]] = {}
    """Every listed source that has been defined so far; see `medts.data.sources.sources`."""

    def __init_subclass__(cls, *, is_listed: bool = True, **kwargs: Any) -> None:
        """Registers a subclass under its name.

        Raises:
            ConfigError: If another source has that name.
        """
        super().__init_subclass__(**kwargs)
        if is_listed and "name" in vars(cls):
            register(Source.members, cls.name, cls, noun="source")

    @property
    @abstractmethod
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The label sets, each named ``<name>/<set>``."""

    @abstractmethod
    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every record below ``path``, unreadable ones included, in a stable order.

        Raises:
            ReadError: If ``path`` does not hold this corpus.
        """


def refuse(error: ReadError) -> Record:
    """Raises ``error``; as ``partial(refuse, error)`` it is the `load` of an unreadable record."""
    raise error


def require_file(path: Path, *, corpus: str) -> Path:
    """Returns ``path`` if it is a file.

    Raises:
        ReadError: If it is not; the message says which corpus was expected there.
    """
    if not path.is_file():
        raise ReadError(
            "no such file",
            path=path,
            remedy=f"Point to the folder of the official {corpus} distribution",
        )
    return path
