"""The log of a run: one row of numbers per epoch, as a table and as TensorBoard events."""

import csv
from pathlib import Path

from medts.core.files import write_whole


def write_table(path: Path, rows: list[dict[str, float]]) -> None:
    """Writes all rows as CSV; columns in the order in which they first came up."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with write_whole(path) as target, target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=names)
        writer.writeheader()
        writer.writerows(rows)


class Events:
    """TensorBoard events in a folder, which is not made before the first row.

    Args:
        folder: Where the files of events are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._writer = folder, None

    def write(self, step: int, row: dict[str, float]) -> None:
        """Adds the numbers of an epoch."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder), purge_step=step)
        for name, value in row.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Ends the thread that writes."""
        if self._writer is not None:
            self._writer.close()
