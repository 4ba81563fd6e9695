"""Base class of a dataset (`Source`), its card (`SourceCard`) and its records (`Entry`).

A source lists its records cheaply, each with a ``load`` that reads the signal. A record that cannot
be read is still an entry: its ``load`` raises the error that ends up in the quarantine list.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from medts.core.config import Config
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.core.registry import register

PHYSIONET = "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
ODC_BY = "Open Data Commons Attribution License 1.0"

Labels = Mapping[str, tuple[str, ...] | None]
"""By label set, its name after the slash: classes that hold (of numbers, texts), None outside."""


@dataclass(frozen=True)
class Entry:
    """One record of a corpus, not yet read.

    Args:
        record_id: Unique within the corpus.
        subject_id: The person; the record's own id where persons are unknown.
        fold: ``"1"``, ``"2"``, … where the corpus numbers its folds, otherwise ``"train"``,
            ``"validation"`` or ``"test"``. No subject may have records in two folds.
        load: Reads the recording; must be picklable, so that ingest can use several processes.
        labels: For each label set.
    """

    record_id: str
    subject_id: str
    fold: str
    load: Callable[[], Record]
    labels: Labels = field(default_factory=dict)


class SourceCard(Config):
    """Dataset card: licence, citation, source, and known defects of a corpus."""

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

    caveat: str = ""
    """What every result must say, such as that subjects are unknown; empty if nothing."""

    synthetic: bool = False
    """True where no person was ever recorded; every result is marked so."""

    is_public: bool = False
    """True for a published corpus, whose subjects a bundle may name by their ids there."""


class Source(ABC):
    """A dataset in its official layout.

    One with a name of its own is in the list of sources as soon as it is defined, unless the class
    statement has ``is_listed=False``: what is listed is built without arguments.
    """

    name: ClassVar[str]
    card: ClassVar[SourceCard]

    label_sets: tuple[LabelSet, ...] = ()
    """Each named ``<name>/<set>``; complete whatever part of the corpus is at hand."""

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

    @abstractmethod
    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every record below ``path``, unreadable ones included, in a stable order.

        Raises:
            ReadError: If ``path`` does not hold this corpus.
        """


def single(name: str, classes: Mapping[str, str], description: str = "") -> LabelSet:
    """Returns a label set of which one class holds (multi-class), each with its wording."""
    phrases = {each: (phrase,) for each, phrase in classes.items()}
    return LabelSet(
        name=name, classes=tuple(classes), kind="single", phrases=phrases, description=description
    )
