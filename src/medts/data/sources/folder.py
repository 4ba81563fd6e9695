"""Folder of recordings with a table of labels: one's own data as a source.

Nothing is guessed: columns are named, a file that is silent on unit or sampling rate is refused
with the flag that states it, and whose recordings they are must be said.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from medts.core.errors import ConfigError, ReadError
from medts.core.labels import LabelSet
from medts.core.records import Fact, Record
from medts.data.folders.files import id_of, list_files
from medts.data.folders.labels import CLASSES, Labelling, read_labels
from medts.data.folders.members import Member, join, notes_on
from medts.data.folders.reading import Hints, frozen, read_with
from medts.data.folders.settings import make_settings, read_settings
from medts.data.folders.table import Table
from medts.data.folders.windows import check_overlaps, list_windows, read_marks
from medts.data.sources.base import Entry, Source, SourceCard
from medts.data.sources.pieces import keep_last
from medts.data.sources.reading import refuse, refused, spell_out_sex


class Folder(Source, is_listed=False):
    """Any folder of readable recordings, with or without a table of labels.

    >>> source = Folder("ward", labels="ward/labels.csv", ...)  # doctest: +SKIP
    >>> ingest(source, "ward", "store")  # doctest: +SKIP

    Args:
        path: The folder. A ``medts.yaml`` in it may hold all that is not given here.
        hints: Reading hints, as for `medts.read`, for files that are silent.
        settings: Fields of `medts.data.folders.settings.FolderSettings`.

    Raises:
        ConfigError: If a setting is missing or contradicts another.
        ReadError: If the table of labels cannot be read as the settings say.
    """

    def __init__(
        self, path: str | Path, *, hints: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        self.path = Path(path)
        found, stated = read_settings(self.path)
        self.settings = make_settings({**dict(found), **settings})
        self.settings.check()
        self.hints = frozen({**stated, **(hints or {})})
        self.name = self.settings.name or name_of(self.path)  # pyright: ignore[reportAttributeAccessIssue]
        _check_name(self.name)
        self.table: Table | None = None
        self.labelling = Labelling((), {}, ())
        if self.settings.labels is not None:
            self.table = Table(self._find_table(self.settings.labels))
            self.table.require(self.settings.columns())
            self.labelling = read_labels(self.table, self.settings, self.name)
        self.label_sets = tuple(map(self._with_background, self.labelling.label_sets))
        self.card = self._card()  # pyright: ignore[reportAttributeAccessIssue]
        self.notes: tuple[str, ...] = self.labelling.notes
        """What a person should look at, such as rows without a label."""

    def entries(self, path: Path | None = None) -> Iterator[Entry]:
        """Lists every file, or its windows; what has no counterpart is refused by its name.

        Raises:
            ReadError: If files and rows do not fit each other.
            ConfigError: If ``path`` is another folder than that of the settings.
        """
        if path is not None and Path(path).resolve() != self.path.resolve():
            raise ConfigError(f"this source was made for {self.path}", path=path)
        table = self.table
        labels = table.path if table else None
        listing = list_files(self.path, self.settings.pattern, labels=labels)
        joined = join(listing, table, self.settings)
        self.notes = (*self.labelling.notes, *notes_on(joined, self.settings))
        read_recording.cache_clear()  # the files may have changed since they were last read
        for member in joined.members:
            yield from self._entries_of(member, listing.files[member.file])
        for name, error in joined.unmatched.items():
            yield refused(name, name, "", error)

    def _entries_of(self, member: Member, file: Path) -> Iterator[Entry]:
        name = id_of(member.file)
        facts = tuple(member.facts.items())
        read = partial(
            read_recording, file, self.hints, name, member.subject_id, facts, member.report
        )
        whole = Entry(name, member.subject_id, member.fold, read)
        if self.table is None:
            yield whole
        elif not self.settings.start_column:
            yield replace(whole, labels=self.labelling.of_row[member.rows[0].number])
        else:
            marks = read_marks(self.table, member.rows, self.settings, self.labelling.of_row)
            check_overlaps(self.table, marks, self.settings, self.label_sets)
            try:
                windows = list_windows(
                    read, marks, self.settings, self.label_sets, entry=whole, table=self.table
                )
                yield from list(windows)
            except ReadError as error:
                yield replace(whole, load=partial(refuse, error), labels=self.labelling.none())

    def _find_table(self, table: Path) -> Path:
        inside = self.path / table
        return inside if not table.is_file() and inside.is_file() else table

    def _with_background(self, label_set: LabelSet) -> LabelSet:
        background = self.settings.background
        if not background or label_set.name != f"{self.name}/{CLASSES}":
            return label_set
        if label_set.kind == "multi":
            problem = "several classes may hold, so a window without any has none"
            raise ConfigError(problem, field="--background", remedy="Leave it out")
        classes = dict.fromkeys((*label_set.classes, background))
        return label_set.but(classes=tuple(classes))

    def _card(self) -> SourceCard:
        caveat = (
            "subjects are unknown, and every file counts as one: a person with several files may "
            "be in several folds, so scores may be better than for new patients"
        )
        return SourceCard(
            title=f"Recordings of {self.name}",
            licence="the owner's",
            citation="the owner's",
            obtain="held by its owner",
            caveat=caveat if self.settings.subject_is_file else "",
        )


@keep_last
def read_recording(
    file: Path,
    hints: Hints,
    record_id: str,
    subject_id: str,
    facts: tuple[tuple[str, Fact], ...],
    report: str | None,
) -> Record:
    """Reads a file; what the table says counts before what the file says.

    Raises:
        ReadError: If it cannot be read; the remedy names flags.
    """
    record = read_with(file, hints)
    return replace(
        record,
        record_id=record_id,
        subject_id=subject_id,
        facts={**spell_out_sex(record.facts), **dict(facts)},
        report=report or record.report,
    )


def name_of(folder: Path) -> str:
    """Returns the name of the corpus that a folder makes.

    >>> name_of(Path("Ward 7/ECGs (2024)"))
    'ecgs-2024'
    """
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "folder"


def _check_name(name: str) -> None:
    """Refuses the names of known corpora, whose label sets and subjects are other ones."""
    from medts.data.sources import sources

    remedy = "Give another one with --name"
    if not re.fullmatch(r"[a-z0-9\-]+", name):
        problem = f"{name!r} is not lower-case letters, digits and -"
        raise ConfigError(problem, field="--name", remedy=remedy)
    if name in (*sources().found, "memory"):
        problem = f"{name!r} is the name of a known corpus, read by `medts ingest {name}`"
        raise ConfigError(problem, field="--name", remedy=remedy)
