"""Fit: one training loop for every objective, with checkpoints, logs and a bar.

A run folder gets ``log/metrics.csv``, TensorBoard events and ``checkpoints/``. A run that was
killed goes on from its last checkpoint; the best epoch on validation is the one that is kept.
Where `Training.min_updates` asks for more epochs than are set, validation is not run more often.
"""

import csv
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from medts.core.arithmetic import arithmetic
from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.objectives.base import Objective
from medts.tensors.fp32 import KeptInFp32
from medts.training.module import TrainingModule
from medts.training.progress import ProgressBar
from medts.training.settings import Training


@dataclass(frozen=True)
class Fitted:
    """What a training run ended with.

    Args:
        best_epoch: Epoch whose weights the objective now has.
        best_value: Validation score or loss of that epoch.
        history: One row of logged numbers per epoch.
        seconds: Time this stretch of training took.
        was_resumed: True if an earlier stretch was continued.
    """

    best_epoch: int
    best_value: float
    history: list[dict[str, float]]
    seconds: float
    was_resumed: bool


def fit(
    objective: Objective,
    *,
    training: DataLoader,
    validation: DataLoader,
    settings: Training,
    folder: str | Path,
    show_progress: bool = True,
) -> Fitted:
    """Trains ``objective`` in place and leaves it with the weights of its best epoch.

    Args:
        objective: What is optimised.
        training: Batches of the training split.
        validation: Batches of the validation split.
        settings: Optimiser, schedule, stopping.
        folder: The run folder; if it holds a checkpoint, training goes on from there.
        show_progress: Whether to draw a bar with rate and time left.

    Raises:
        MedtsError: If the loss stops being a number, or the time ends before a validation.
    """
    started = time.monotonic()
    folder = Path(folder)
    module = TrainingModule(objective, settings)
    monitor, mode = ("validation_loss", "min")
    if settings.monitor == "score":
        monitor, mode = ("validation_score", "max")
    best = ModelCheckpoint(
        folder / "checkpoints",
        filename="best",
        monitor=monitor,
        mode=mode,
        save_last=True,
        enable_version_counter=False,
    )
    history = History(folder / "log" / "metrics.csv")
    callbacks: list[Callback] = [best, history]
    if settings.patience is not None:
        callbacks.append(EarlyStopping(monitor, patience=settings.patience, mode=mode))
    if settings.max_minutes is not None:
        callbacks.append(
            Timer(timedelta(minutes=settings.max_minutes), interval="step", verbose=False)
        )
    if show_progress:
        callbacks.append(ProgressBar())

    n_epochs = epochs_for(settings, len(training))
    last = folder / "checkpoints" / "last.ckpt"
    with quiet_lightning():
        trainer = L.Trainer(
            max_epochs=n_epochs,
            check_val_every_n_epoch=max(1, n_epochs // settings.epochs),
            accelerator=settings.device,
            devices=1,
            precision="bf16-mixed" if settings.precision == "bf16" else "32-true",
            gradient_clip_val=settings.gradient_clip or None,
            callbacks=callbacks,
            logger=TensorBoardLogger(folder, name="log", version=""),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
        resume_from = str(last) if last.exists() else None
        # bf16 is Lightning's own autocast, with some operations kept out of it.
        is_bf16 = settings.precision == "bf16"
        with KeptInFp32() if is_bf16 else arithmetic(settings.precision):
            trainer.fit(module, training, validation, ckpt_path=resume_from, weights_only=False)
    if not best.best_model_path:
        raise MedtsError(
            "training ended before it was validated once",
            field="training.max_minutes",
            remedy="Give it more time; the same command goes on where it stopped",
        )
    state = torch.load(best.best_model_path, map_location="cpu", weights_only=False)
    module.load_state_dict(state["state_dict"])
    objective.to("cpu").eval()
    assert best.best_model_score is not None
    return Fitted(
        best_epoch=int(state["epoch"]),
        best_value=float(best.best_model_score),
        history=history.rows,
        seconds=time.monotonic() - started,
        was_resumed=resume_from is not None,
    )


def epochs_for(settings: Training, n_batches: int) -> int:
    """Returns the epochs of a run: as set, or as many as ``min_updates`` needs."""
    return max(settings.epochs, -(-settings.min_updates // max(1, n_batches)))


class History(Callback):
    """Keeps the numbers of every epoch, in memory, on disk, and through a resume."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Adds a row."""
        every = trainer.check_val_every_n_epoch or 1
        was_validated = (trainer.current_epoch + 1) % every == 0
        row = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if was_validated or not name.startswith("validation_")
        }
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        self.rows.append({"epoch": trainer.current_epoch, **row, "learning_rate": rate})
        names = list(dict.fromkeys(name for each in self.rows for name in each))
        with write_whole(self.path) as target, target.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=names)
            writer.writeheader()
            writer.writerows(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Travels in the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the rows of the earlier stretch."""
        self.rows = list(state_dict["rows"])


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences Lightning's advice, which concerns choices made here on purpose."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for text in (
            ".*does not have many workers.*",
            ".*Checkpoint directory.*exists and is not empty.*",
            ".*Experiment logs directory.*exists and is not empty.*",
            ".*LeafSpec.*",
        ):
            warnings.filterwarnings("ignore", message=text)
        yield
