"""`medts download SOURCE --to DIR`: fetch a public corpus, resumable and checksum-verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from medts.cli.console import make_console
from medts.core.progress import progress


@dataclass(frozen=True)
class Download:
    """Download a public corpus in its official layout, and verify every file.

    What is there and right is not fetched again, so that the same command goes on after a lost
    connection or Ctrl-C.
    """

    source: tyro.conf.Positional[str]
    """Name of the source; see `medts list sources`."""

    to: Path
    """Folder of the official layout; made where it does not exist."""

    mirror: str | None = None
    """Address of the folder that holds SHA256SUMS.txt, in place of the official one."""

    only: tuple[str, ...] = ("*",)
    """Shell patterns of the files that are wanted, such as 'records500/*' '*.csv'."""

    workers: int = 4
    """Connections at the same time."""


def run(arguments: Sequence[str]) -> int:
    """Parses and downloads; exit status 2 if a file is missing or wrong."""
    flags = tyro.cli(Download, prog="medts download", args=arguments)
    from medts.data.download import download, files_url
    from medts.data.sources import find_source

    card = find_source(flags.source).card
    part = ""
    if flags.mirror is None:
        url, part = files_url(card)
    else:
        url = flags.mirror
    only = flags.only if flags.only != ("*",) or not part else (f"{part}/*",)
    done = download(
        url,
        flags.to,
        only=only,
        n_workers=flags.workers,
        progress=lambda items, total: progress(items, total, f"downloading {flags.source}"),
    )
    console = make_console()
    console.print(
        f"{flags.source}: {done.n_files} files, {done.n_fetched} fetched, "
        f"{done.n_files - done.n_fetched - len(done.failed)} were there, {len(done.failed)} failed"
    )
    for path, reason in list(done.failed.items())[:10]:
        console.print(f"  [red]{path}[/]: {reason}", soft_wrap=True)
    if done.failed:
        console.print("the same command tries again what failed")
        return 2
    console.print(f"cite: {card.citation}", soft_wrap=True)
    console.print(f"{flags.to}: next, medts ingest {flags.source} {flags.to / part} STORE")
    return 0
