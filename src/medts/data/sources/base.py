"""Base class of a dataset (`Source`), its card and entries, and what the layouts of several share.

A source lists its records cheaply, each with a ``load`` that reads the signal. A record that cannot
be read is still an entry: its ``load`` raises the error that ends up in the quarantine list.
"""

import csv
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from medts.core.config import Config
from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Fact, Record
from medts.core.registry import register

PHYSIONET = "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
ODC_BY = "Open Data Commons Attribution License 1.0"

Labels = dict[str, tuple[str, ...] | None]
"""By label set, its name after the slash: classes that hold (of numbers, texts), None outside."""

_SEX = {"M": "male", "F": "female"}
_SHARES = {"train": 0.6, "validation": 0.8, "test": 1.0}


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
    """Dataset card: where a corpus comes from and what one must know before using it."""

    title: str
    """Name and version as its authors write it."""

    licence: str
    """Licence of the recordings and labels."""

    citation: str
    """What to cite wherever results from it are shown."""

    obtain: str
    """How to get the official distribution."""

    defects: tuple[str, ...] = ()
    """Known faults of the corpus, and what the source does about each."""

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


def refuse(error: ReadError) -> Record:
    """Raises ``error``; as ``partial(refuse, error)`` it is the `load` of an unreadable record."""
    raise error


def refused(record_id: str, subject_id: str, fold: str, error: ReadError) -> Entry:
    """Returns the entry of an unreadable record."""
    return Entry(record_id, subject_id, fold, partial(refuse, error))


def wrong_folder(problem: str, path: Path, corpus: str) -> ReadError:
    """Builds the error for a folder or file that is not the official distribution of a corpus."""
    remedy = f"Point to the folder of the official {corpus} distribution"
    return ReadError(problem, path=path, remedy=remedy)


def require_file(path: Path, *, corpus: str) -> Path:
    """Returns ``path`` if it is a file.

    Raises:
        ReadError: If it is not; the remedy names the corpus that was expected there.
    """
    if not path.is_file():
        raise wrong_folder("no such file", path, corpus)
    return path


def read_rows(
    path: Path, columns: Sequence[str], *, corpus: str, delimiter: str = ","
) -> list[dict[str, str]]:
    """Reads a CSV table in UTF-8, rows by column name; a cell that a row lacks is empty.

    Raises:
        ReadError: If it is missing, no such table, or lacks one of the columns.
    """
    try:
        with require_file(path, corpus=corpus).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter, restval="", restkey="rest")
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"not a CSV table in UTF-8: {error}", path=path) from error
    if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
        remedy = f"Use the table of the official {corpus} distribution"
        problem = f"no column {', '.join(map(repr, missing))}"
        raise ReadError(problem, path=path, field="header", remedy=remedy)
    return rows


def read_file(path: Path, **hints: Any) -> Record:
    """Reads a recording; imports the readers only now, since listing needs none of them."""
    import medts.formats

    return medts.formats.read(path, **hints)


def hashed_fold(corpus: str, record_id: str, ends: Mapping[str, float] | None = None) -> str:
    """Returns the fold that a hash of the id gives: 60 % train, 20 % validation, 20 % test.

    It never depends on which part of the corpus is at hand. Other shares are given by where each
    fold ends on the way from 0 to 1.

    >>> hashed_fold("ludb", "1"), hashed_fold("ludb", "4"), hashed_fold("ludb", "5")
    ('train', 'validation', 'test')
    """
    digest = hashlib.sha256(f"{corpus}/{record_id}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return next(fold for fold, end in (ends or _SHARES).items() if place < end)


def spell_out_sex(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Returns facts with the sex ``M`` or ``F`` of a header or table written out."""
    sex = facts.get("sex")
    return {**facts, "sex": _SEX[sex]} if isinstance(sex, str) and sex in _SEX else dict(facts)


def single(name: str, classes: Mapping[str, str], description: str = "") -> LabelSet:
    """Returns a label set of which one class holds (multi-class), each with its wording."""
    phrases = {each: (phrase,) for each, phrase in classes.items()}
    return LabelSet(
        name=name, classes=tuple(classes), kind="single", phrases=phrases, description=description
    )
