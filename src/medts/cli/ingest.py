"""`medts ingest SOURCE PATH STORE`: convert a dataset in its official layout into a store."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from medts.cli.console import make_console
from medts.core.progress import progress

if TYPE_CHECKING:
    from medts.data.ingest import IngestReport


@dataclass(frozen=True)
class Ingest:
    """Turn a corpus in its official layout into a store.

    An ingest that was cut short goes on when the same command is given again. Records that
    cannot be read are counted and listed in quarantine.csv, with the reason for each.
    """

    source: tyro.conf.Positional[str]
    """Name of the source; see `medts list sources`."""

    path: tyro.conf.Positional[Path]
    """Folder of the official distribution; `-` for a source that makes its records."""

    store: tyro.conf.Positional[Path]
    """Folder of the store; made where it does not exist."""

    workers: int = max(1, (os.cpu_count() or 1))
    """Processes that read files."""


def run(arguments: Sequence[str]) -> None:
    """Parses and ingests."""
    flags = tyro.cli(Ingest, prog="medts ingest", args=arguments)
    from medts.data.ingest import ingest
    from medts.data.sources import find_source

    source = find_source(flags.source)()
    report = ingest(
        source,
        flags.path,
        flags.store,
        n_workers=flags.workers,
        progress=lambda items, total: progress(items, total, f"ingesting {source.name}"),
    )
    show(report, flags.store)


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
