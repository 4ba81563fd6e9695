"""Progress bars (rich): items done, rate, time left."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_Item = TypeVar("_Item")


def progress(items: Iterable[_Item], total: int, description: str) -> Iterator[_Item]:
    """Yields the items unchanged and draws a progress bar on standard error."""
    with progress_bar() as bar:
        yield from bar.track(items, total=total, description=description)


def progress_bar(unit: str = "", *, is_shown: bool = True) -> Progress:
    """Returns a bar on standard error, with rate in a unit and time left."""
    description = TextColumn("{task.description}", markup=False)
    columns = description, BarColumn(), MofNCompleteColumn(), RateColumn(unit)
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not is_shown)


class RateColumn(ProgressColumn):
    """Items per second, with their unit."""

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Draws the rate of a task; nothing until there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else rate_in_words(speed, self.unit), style="cyan")


def rate_in_words(speed: float, unit: str = "") -> str:
    """Returns a rate per second, or per minute or hour where that would be nearly nothing.

    >>> rate_in_words(12.3, " records"), rate_in_words(0.05), rate_in_words(0.0005)
    ('12.3 records/s', '3.0/min', '1.8/h')
    """
    if speed >= 0.1:
        return f"{speed:.1f}{unit}/s"
    if speed >= 0.1 / 60:
        return f"{60 * speed:.1f}{unit}/min"
    return f"{3600 * speed:.1f}{unit}/h"
