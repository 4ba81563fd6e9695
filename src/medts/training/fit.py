"""Training loop (trainer) of every objective: early stopping, checkpoints, resume, logs.

A run folder gets ``log/metrics.csv``, TensorBoard events and ``checkpoints/``, but nothing before
there is something to keep. A run that was killed goes on from its last checkpoint and ends with the
numbers of one that was not; the best epoch on validation is the one that is kept.

A run is as long as its settings when it is started or continued. With more epochs the schedule
of the learning rate is that of the new length, entered at the step that was reached: a cosine that
had come down to zero after 10 of 10 epochs goes on from its middle after 10 of 20.

Where `Training.min_updates` needs more epochs than are set, validation is not run more often.
The loop is plain torch: no signal handler, no cluster variable and no folder but the run's own.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from medts.core.errors import MedtsError
from medts.objectives.base import Objective
from medts.tensors.batch import move_to
from medts.training.batches import Batches
from medts.training.checkpoints import Checkpoints
from medts.training.history import Events, write_table
from medts.training.module import TrainingModule, is_better, n_waited
from medts.training.optimisation import build_optimizer, schedule_factor
from medts.training.precision import forward_precision, step_precision
from medts.training.progress import ProgressBar
from medts.training.randomness import (
    global_state_kept,
    prefer_deterministic,
    random_state,
    restore_random_state,
    seed_all,
    seed_of,
    seeded,
)
from medts.training.settings import Training
from medts.training.trouble import device_of, translated_errors

SAVE_EVERY_S = 600.0
"""Longest training between two checkpoints, where an epoch takes longer than that."""

N_WITHOUT_GRADIENT = 100
"""Batches without a gradient after which a run that has learnt nothing yet is given up."""


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


@global_state_kept()
def fit(
    objective: Objective,
    *,
    training: DataLoader,
    validation: DataLoader,
    settings: Training,
    folder: str | Path,
    show_progress: bool = True,
    seed: int = 0,
    on_claim: Callable[[], None] | None = None,
) -> Fitted:
    """Trains ``objective`` in place and leaves it with the weights of its best epoch.

    Args:
        objective: What is optimised.
        training: Batches of the training split.
        validation: Batches of the validation split.
        settings: Optimiser, schedule, stopping.
        folder: The run folder; if it holds a checkpoint, training goes on from there.
        show_progress: Whether to show a bar with rate and time left.
        seed: Of the order of batches and of everything random in them and in the objective.
        on_claim: Called before anything is written to the folder, which is when the first epoch
            is over, or a long one has been trained for some minutes.

    Raises:
        MedtsError: If the loss stops being a number or has no gradient, the device is missing or
            full, a file cannot be read or written, or another process trains in the folder.
    """
    folder = Path(folder)
    with (
        translated_errors(folder),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
        closing(Checkpoints(folder, on_claim)) as checkpoints,
        closing(Events(folder / "log")) as events,
    ):
        device = device_of(settings)
        prefer_deterministic(device)
        run = _Run(
            objective.to(device),
            Batches(training, seed=seed_of(seed, "training")),
            Batches(validation, seed=seed_of(seed, "validation")),
            settings,
            folder,
            checkpoints,
            events,
            device,
            seed,
        )
        was_resumed = run.resume()
        with ProgressBar(run.n_steps, at=run.at.step, is_shown=show_progress) as bar:
            run.train(bar)
        return run.end(was_resumed=was_resumed)


def epochs_for(settings: Training, n_batches: int) -> int:
    """Returns the epochs of a run: as set, or as many as ``min_updates`` needs."""
    return max(settings.epochs, -(-settings.min_updates // max(1, n_batches)))


@dataclass
class _Position:
    """Where a run stands, as plain values."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    has_learnt: bool = False
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)


class _Run:
    """One stretch of a run, from a start or a checkpoint to its end."""

    def __init__(
        self,
        objective: Objective,
        training: Batches,
        validation: Batches,
        settings: Training,
        folder: Path,
        checkpoints: Checkpoints,
        events: Events,
        device: torch.device,
        seed: int,
    ) -> None:
        self.objective, self.training, self.validation = objective, training, validation
        self.settings, self.folder, self.device, self.seed = settings, folder, device, seed
        self.checkpoints, self.events = checkpoints, events
        self.n_epochs = epochs_for(settings, len(training))
        self.n_steps = self.n_epochs * len(training)
        self.validates_every = max(1, self.n_epochs // settings.epochs)
        self.module = TrainingModule(objective, settings, n_steps=self.n_steps)
        self.optimizer = build_optimizer(objective, settings)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.factor = schedule_factor(settings, self.n_steps)
        self.at = _Position()
        self.best: dict[str, float] | None = None
        self.started = self.saved = time.monotonic()
        self.validated_step = -1
        seed_all(seed_of(seed, "objective"))

    def resume(self) -> bool:
        """Takes up the last checkpoint; returns whether there was one."""
        last, best = self.checkpoints.load()
        if last is None:
            return False
        try:
            self.objective.load_state_dict(last["objective"])
            self.optimizer.load_state_dict(last["optimizer"])
            self.at = _Position(**last["at"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise MedtsError(
                "these are the checkpoints of another model",
                path=self.checkpoints.folder,
                remedy="Give another --out, or remove that folder to train anew",
            ) from error
        restore_random_state(last["random"])
        self.best = best["kept"] if best else None
        self.module.train_means.sums = dict(self.at.sums)
        self.module.train_means.counts = dict(self.at.counts)
        return True

    def train(self, bar: ProgressBar) -> None:
        """Trains epoch after epoch, until all are done, patience or time is over."""
        while self.at.epoch < self.n_epochs and not self._is_over():
            if not self._train_epoch(bar):
                break
            row = self._row()
            self.module.train_means.clear()
            if (self.at.epoch + 1) % self.validates_every == 0:
                row = self._validate(row)
            is_best = self._keep(row)
            self.at.rows.append(row)
            self.at.epoch, self.at.batch = self.at.epoch + 1, 0
            self._save(is_best=is_best)
            self._log(row)
            bar.epoch(self.at.step, row)

    def end(self, *, was_resumed: bool) -> Fitted:
        """Validates what was not, where nothing or too little was; takes up the best weights."""
        rows = self.at.rows
        is_seen = self.at.batch == 0 and f"validation_{self.settings.monitor}" in rows[-1]
        if self.best is None or (self._is_time_over() and not is_seen):
            self._save()  # before this validation: a run with more time must not depend on it
            row = self._validate(self._row() if self.at.batch else rows[-1])
            rows = [*rows, row] if self.at.batch else [*rows[:-1], row]
            if self._keep(row):
                self._save(is_best=True, is_last=False)
        assert self.best is not None
        self.objective.load_state_dict(self.checkpoints.load_best()["objective"])
        # Bundles are made on the CPU, whatever trained.
        self.objective.to("cpu").eval()
        return Fitted(
            best_epoch=int(self.best["epoch"]),
            best_value=self.best[f"validation_{self.settings.monitor}"],
            history=rows,
            seconds=time.monotonic() - self.started,
            was_resumed=was_resumed,
        )

    def _train_epoch(self, bar: ProgressBar) -> bool:
        """Trains what is left of an epoch; returns False where time was over before its end."""
        self.module.current_epoch = self.at.epoch
        for batch in self.training.epoch(self.at.epoch, first=self.at.batch):
            with step_precision(self.settings.precision):
                self._step(_on(batch, self.device))
            self.at.batch, self.at.step = self.at.batch + 1, self.at.step + 1
            bar.step(self.at.step)
            if self.at.batch < len(self.training):
                if self._is_time_over():
                    return False
                if time.monotonic() - self.saved > SAVE_EVERY_S:
                    self._save()
        return True

    def _step(self, batch: Any) -> None:
        """Takes one optimiser step, or none for a batch with nothing to score."""
        self.module.global_step = self.at.step
        self._set_rate()
        with forward_precision(self.settings.precision, self.device):
            loss = self.module.training_step(batch, self.at.batch)
        # Zero means nothing to learn: a step would still decay weights and move by momentum.
        if loss.requires_grad and float(loss.detach()) != 0.0:
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if self.settings.gradient_clip:
                nn.utils.clip_grad_norm_(self.parameters, self.settings.gradient_clip)
            if not self.at.has_learnt:
                self.at.has_learnt = any(
                    p.grad is not None and bool(p.grad.any()) for p in self.parameters
                )
            self.optimizer.step()
            self.objective.after_step()
        n_seen = self.at.step + 1
        if not self.at.has_learnt and n_seen >= min(len(self.training), N_WITHOUT_GRADIENT):
            raise MedtsError(
                f"{n_seen} batches in a row gave the objective no gradient: its loss is zero by "
                "construction, and nothing would be learnt",
                field="training",
                remedy="Use a larger --training.batch-size, more training records, or labels with "
                "at least two classes",
            )

    def _set_rate(self) -> None:
        factor = self.factor(self.at.step)
        for group in self.optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def _row(self) -> dict[str, float]:
        """Returns the means of the epoch so far, as a row of the log."""
        self._set_rate()
        means = {f"train_{name}": value for name, value in self.module.train_means.means().items()}
        rate = max(group["lr"] for group in self.optimizer.param_groups)
        return {"epoch": self.at.epoch, **means, "learning_rate": rate}

    def _validate(self, row: dict[str, float]) -> dict[str, float]:
        """Adds loss and score on validation to a row; changes nothing of training."""
        purpose = seed_of(self.seed, "validation")
        with torch.no_grad(), evaluating(self.objective), seeded(purpose):
            for index, batch in enumerate(self.validation.epoch(0)):
                with (
                    step_precision(self.settings.precision),
                    forward_precision(self.settings.precision, self.device),
                ):
                    self.module.validation_step(_on(batch, self.device), index)
            return {**row, **self.module.end_validation()}

    def _keep(self, row: dict[str, float]) -> bool:
        """Returns whether this epoch is the best one so far."""
        is_validated = f"validation_{self.settings.monitor}" in row
        if not is_validated or not is_better(row, self.best, self.settings):
            return False
        self.best = row
        return True

    def _save(self, *, is_best: bool = False, is_last: bool = True) -> None:
        """Writes the state; the best one holds everything too, in case the last one is damaged."""
        means = self.module.train_means
        self.at.sums, self.at.counts = dict(means.sums), dict(means.counts)
        at = {**asdict(self.at), "seconds": self._seconds()}
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random_state(),
            "at": at,
            "kept": self.best if is_best else None,
        }
        self.checkpoints.save(state, is_best=is_best, is_last=is_last)
        self.saved = time.monotonic()

    def _log(self, row: dict[str, float]) -> None:
        write_table(self.folder / "log" / "metrics.csv", self.at.rows)
        self.events.write(self.at.step, row)

    def _seconds(self) -> float:
        """Returns the time of all stretches of the run."""
        return self.at.seconds + time.monotonic() - self.started

    def _is_time_over(self) -> bool:
        limit = self.settings.max_minutes
        return limit is not None and self._seconds() >= 60 * limit

    def _is_over(self) -> bool:
        """Whether patience or time ended the run; a first step is always taken."""
        patience = self.settings.patience
        is_tired = patience is not None and n_waited(self.at.rows, self.settings) >= patience
        return is_tired or (self.at.step > 0 and self._is_time_over())


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode (``model.eval()``) for a while; each part is as it was afterwards."""
    before = {each: each.training for each in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for each, was_training in before.items():
            each.training = was_training


def _on(batch: Any, device: torch.device) -> Any:
    return batch if device.type == "cpu" else move_to(batch, device)
