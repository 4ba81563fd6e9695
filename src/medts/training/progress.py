"""Progress bar of a run: steps done, rate, time left, and the latest score on validation."""

import sys
from collections.abc import Mapping
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from medts.core.progress import RateColumn


class ProgressBar:
    """Shows one bar for the whole run; without a terminal it prints ten lines instead.

    Args:
        n_steps: Steps of the whole run.
        at: Step where a resumed run stands.
        is_shown: False prints nothing.
    """

    def __init__(self, n_steps: int, *, at: int = 0, is_shown: bool = True) -> None:
        self._n_steps, self._is_shown = n_steps, is_shown
        self._seen = at * 10 // n_steps
        self._bar: Progress | None = None
        if is_shown and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                RateColumn(" steps"),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._task = self._bar.add_task("", total=n_steps, completed=at)

    def __enter__(self) -> "ProgressBar":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        """Closes the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()

    def step(self, number: int) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=number)

    def epoch(self, number: int, row: Mapping[str, float]) -> None:
        """Shows the numbers of an epoch."""
        shown = [
            f"{name.removeprefix('validation_')} {row[name]:.3f}"
            for name in ("validation_loss", "validation_score")
            if name in row
        ]
        text = f"epoch {int(row['epoch']) + 1}"
        text += f", validation {', '.join(shown)}" if shown else ""
        if self._bar is not None:
            self._bar.update(self._task, description=text)
        elif self._is_shown and number * 10 // self._n_steps > self._seen:
            self._seen = number * 10 // self._n_steps
            print(f"step {number}/{self._n_steps}: {text}", file=sys.stderr)  # noqa: T201
