"""The one Lightning module: any objective, any recipe.

It adds nothing to what an objective says: it steps, logs the losses by name, and at the end of
an epoch scores the validation records. Windows of one record are averaged before scoring; where
several label sets are learnt, the score is the mean of theirs.

Axes: B windows in the batch, K classes.
"""

from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from medts.core.errors import MedtsError
from medts.metrics.scores import auroc
from medts.objectives.base import Objective
from medts.tensors.batch import Batch, Losses, mean_by_record, move_to
from medts.training.optimisation import build_optimizer, schedule_factor
from medts.training.settings import Training


class TrainingModule(L.LightningModule):
    """Wraps an objective for Lightning.

    Args:
        objective: What is optimised.
        settings: Optimiser and schedule.
    """

    def __init__(self, objective: Objective, settings: Training) -> None:
        super().__init__()
        self.objective, self.settings, self.n_steps = objective, settings, 0
        self._scored: dict[str, list[tuple[tuple[str, ...], Tensor, Tensor]]] = {}

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Moves every tensor of a batch."""
        return move_to(batch, device)

    def _checked(self, losses: Losses) -> Losses:
        """Ends a run whose loss is no longer a number."""
        if not torch.isfinite(losses.total):
            raise MedtsError(
                f"the loss became {float(losses.total)} in epoch {self.current_epoch}",
                field="training",
                remedy="Lower --training.learning-rate, or use --training.precision fp32",
            )
        return losses

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Scores one batch and logs the parts of the loss."""
        self.objective.progress = self.global_step / max(1, self.n_steps)
        losses = self._checked(self.objective(batch))
        n = len(batch)
        self.log("train_loss", losses.total, on_step=False, on_epoch=True, batch_size=n)
        for name, part in losses.parts.items():
            self.log(f"train_{name}", part, on_step=False, on_epoch=True, batch_size=n)
        return losses.total

    def validation_step(self, batch: Batch, _: int) -> None:
        """Logs the loss, and keeps the scores for the end of the epoch."""
        losses, prediction = self.objective.validate(batch)
        total = self._checked(losses).total
        self.log("validation_loss", total, on_epoch=True, batch_size=len(batch))
        if prediction is not None and batch.target is not None:
            probability = prediction.probability.float().cpu()
            scored = self._scored.setdefault(prediction.label_set.name, [])
            scored.append((batch.record_ids, probability, batch.target.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Logs macro AUROC over records as ``validation_score``."""
        if not self._scored:
            return
        scores = [record_score(windows) for windows in self._scored.values()]
        self._scored.clear()
        if np.isfinite(scores).any():
            self.log("validation_score", float(np.nanmean(scores)))
        elif self.settings.monitor == "score":
            raise MedtsError(
                "no class has both positives and negatives among the validation records",
                field="val-folds",
                remedy="Choose a larger validation part, or --training.monitor loss",
            )

    def configure_optimizers(self) -> Any:
        """AdamW and a schedule over all steps of the run."""
        optimizer = build_optimizer(self.objective, self.settings)
        self.n_steps = int(self.trainer.estimated_stepping_batches)
        factor = schedule_factor(self.settings, self.n_steps)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def record_score(windows: list[tuple[tuple[str, ...], Tensor, Tensor]]) -> float:
    """Returns the macro AUROC of records, from ids, probabilities and targets of their windows.

    NaN where no class has both positives and negatives.
    """
    record_ids = [each for ids, _, _ in windows for each in ids]
    _, probability = mean_by_record(record_ids, torch.cat([p for _, p, _ in windows]))
    _, target = mean_by_record(record_ids, torch.cat([t for _, _, t in windows]))
    score = auroc(target.numpy(), probability.double().numpy())
    return float(np.nanmean(score)) if np.isfinite(score).any() else float("nan")
