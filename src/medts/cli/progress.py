"""The bar that every long verb shows: done, rate, time left."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from medts.core.progress import RateColumn

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], total: int, description: str) -> Iterator[_Item]:
    """Yields the items unchanged and draws how far they have come, on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(items, total=total, description=description)
