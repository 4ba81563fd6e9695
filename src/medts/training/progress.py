"""The bar of a run: steps done, rate, time left, and the latest score on validation."""

import sys
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from medts.core.progress import RateColumn


class ProgressBar(Callback):
    """Draws one bar for the whole run; without a terminal it prints ten lines instead."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._seen = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Opens the bar, at the step where a resumed run stands."""
        self._total = int(trainer.estimated_stepping_batches)
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                RateColumn(" steps"),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=self._total, completed=trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Shows the newest numbers."""
        numbers = trainer.callback_metrics
        shown = [
            f"{name.removeprefix('validation_')} {float(numbers[name]):.3f}"
            for name in ("validation_loss", "validation_score")
            if name in numbers
        ]
        text = f"epoch {trainer.current_epoch + 1}, validation {', '.join(shown)}"
        if self._bar is not None:
            self._bar.update(self._task, description=text)
        elif trainer.global_step * 10 // self._total > self._seen:
            self._seen = trainer.global_step * 10 // self._total
            print(f"step {trainer.global_step}/{self._total}: {text}", file=sys.stderr)  # noqa: T201

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Closes the bar, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
