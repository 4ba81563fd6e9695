"""`medts ingest SOURCE PATH STORE`: convert a dataset, or a folder of one's own, into a store."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from medts.cli.console import make_console
from medts.cli.flags import Reading, ReadingFlags, with_fields_of
from medts.core.errors import ConfigError
from medts.core.progress import progress
from medts.data.folders.settings import FolderSettings, read_settings

if TYPE_CHECKING:
    from medts.data.ingest import IngestReport
    from medts.data.sources.base import Source

OWN = "folder"
"""Name of the source that is any folder of recordings."""


@dataclass(frozen=True)
class Ingest:
    """Turn a corpus in its official layout, or a folder of recordings, into a store.

    Your own recordings are the source `folder`; `medts info FOLDER` prints the command to use. All
    flags but --workers belong to it, and may stand in a medts.yaml beside the recordings.

    An ingest that was cut short goes on when the same command is given again. Records that
    cannot be read are counted and listed in quarantine.csv, with the reason for each.
    """

    source: tyro.conf.Positional[str]
    """Name of the source; see `medts list sources`, or `folder`."""

    path: tyro.conf.Positional[Path]
    """Folder of the official distribution, or of your files; `-` for a source that needs none."""

    store: tyro.conf.Positional[Path]
    """Folder of the store; made where it does not exist."""

    workers: int = max(1, (os.cpu_count() or 1))
    """Processes that read files."""

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and ingests."""
    flags = _parse(arguments, FolderSettings())
    from medts.data.ingest import ingest
    from medts.data.sources import find_source
    from medts.data.sources.folder import Folder

    if flags.source == OWN:
        given = _parse(arguments, read_settings(flags.path)[0])
        source: Source = Folder(flags.path, hints=given.reading.hints(), **dict(given.folder))
    else:
        source = find_source(flags.source)()
        if flags.reading.hints() or flags.folder != FolderSettings():
            problem = f"only --workers is a flag of {flags.source}"
            remedy = "The others belong to `medts ingest folder`"
            raise ConfigError(problem, field="flags", remedy=remedy)
    report = ingest(
        source,
        flags.path,
        flags.store,
        n_workers=flags.workers,
        progress=lambda items, total: progress(items, total, f"ingesting {source.name}"),
    )
    show(report, flags.store)
    for note in source.notes if isinstance(source, Folder) else ():
        make_console().print(note, markup=False, soft_wrap=True)


def _parse(arguments: Sequence[str], defaults: FolderSettings) -> Any:
    """Parses the flags; those of a folder have the defaults of its file."""
    kind = with_fields_of(Ingest, defaults, OWN)
    return tyro.cli(kind, prog="medts ingest", args=arguments)


def show(report: "IngestReport", store: Path) -> None:
    """Prints how many records were stored, and the first of those in quarantine."""
    console = make_console()
    if report.was_complete:
        console.print(f"{report.corpus} is already in {store}, complete")
    console.print(
        f"{report.corpus}: {report.n_listed} records listed, {report.n_stored} stored "
        f"({report.n_subjects} subjects), {len(report.quarantined)} quarantined"
    )
    for each in report.quarantined[:10]:
        console.print(f"  [yellow]{each.record_id}[/]: {each.reason}", soft_wrap=True)
    if report.quarantined:
        console.print(f"  all of them: {store / report.corpus / 'quarantine.csv'}")
    console.print(f"store: {store}")
