"""How fast a bar moves: the column that every progress bar here shares."""

from rich.progress import ProgressColumn, Task
from rich.text import Text


class RateColumn(ProgressColumn):
    """Items per second, with their unit."""

    def __init__(self, unit: str = "") -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """Draws the rate of a task; nothing until it is known."""
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
