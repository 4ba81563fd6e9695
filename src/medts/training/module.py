"""Training and validation step of any objective, early stopping and the best epoch.

It computes losses, averages them by name, and at the
end of a validation scores the records: macro AUROC of classes, mean R² of numbers. Windows of one
record are averaged before scoring; where several label sets are learnt, the score is the mean of
theirs.

Axes: B windows in the batch, K classes.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.metrics.regression import r_squared
from medts.metrics.scores import auroc
from medts.objectives.base import Objective
from medts.tensors.batch import Batch, Losses, mean_by_record
from medts.training.settings import Training
from medts.training.trouble import too_few_windows

Windows = list[tuple[tuple[str, ...], Tensor, Tensor]]
"""Record ids, scores and targets of windows, a batch at a time."""


class TrainingModule:
    """Steps of an objective, and the running means of its losses.

    Args:
        objective: What is optimised.
        settings: What is monitored.
        n_steps: Batches of the whole run.
    """

    def __init__(self, objective: Objective, settings: Training, *, n_steps: int) -> None:
        self.objective, self.settings, self.n_steps = objective, settings, n_steps
        self.global_step, self.current_epoch = 0, 0
        self.train_means, self.validation_means = Means(), Means()
        self._scored: dict[str, tuple[LabelSet, Windows]] = {}

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Computes the loss of one batch and counts its parts."""
        self.objective.progress = self.global_step / max(1, self.n_steps)
        losses = self._checked(self.objective(batch), batch)
        self.train_means.add(losses, len(batch))
        return losses.total

    def validation_step(self, batch: Batch, _: int) -> None:
        """Counts the loss, and keeps the scores for the end of the epoch."""
        losses, prediction = self.objective.validate(batch)
        self._checked(losses, batch)
        self.validation_means.add(Losses(losses.total), len(batch))
        if prediction is not None and batch.target is not None:
            own, scores = prediction.label_set, prediction.scores.float().cpu()
            self._scored.setdefault(own.name, (own, []))[1].append(
                (batch.record_ids, scores, batch.target.cpu())
            )

    def end_validation(self) -> dict[str, float]:
        """Returns the mean loss, and the score over records where anything was scored.

        Raises:
            MedtsError: If what is monitored cannot be measured.
        """
        means = self.validation_means.means()
        row = {f"validation_{name}": value for name, value in means.items()}
        scores = [record_score(*each) for each in self._scored.values()]
        self._scored.clear()
        self.validation_means.clear()
        if np.isfinite(scores).any():
            row["validation_score"] = float(np.nanmean(scores))
        elif self.settings.monitor == "score":
            raise MedtsError(
                "among the validation records no class has both positives and negatives, or no "
                "number varies"
                if scores
                else "this objective gives no scores on validation",
                field="val-folds",
                remedy="Choose a larger validation part, or --training.monitor loss",
            )
        return row

    def _checked(self, losses: Losses, batch: Batch) -> Losses:
        """Ends a run whose loss is no longer a number."""
        if torch.isfinite(losses.total):
            return losses
        if len(batch) == 1 and self.global_step == 0:
            raise too_few_windows()
        raise MedtsError(
            f"the loss became {float(losses.total.detach())} in epoch {self.current_epoch}",
            field="training",
            remedy="Lower --training.learning-rate, or use --training.precision fp32",
        )


class Means:
    """Running means of losses by name, over windows (an AverageMeter)."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    def add(self, losses: Losses, n_windows: int) -> None:
        """Counts the losses of one batch."""
        for name, value in {"loss": losses.total, **losses.parts}.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value.detach()) * n_windows
            self.counts[name] = self.counts.get(name, 0) + n_windows

    def means(self) -> dict[str, float]:
        """Returns the mean of every loss so far."""
        return {name: total / self.counts[name] for name, total in self.sums.items()}

    def clear(self) -> None:
        """Begins anew."""
        self.sums, self.counts = {}, {}


def record_score(label_set: LabelSet, windows: Windows) -> float:
    """Validation metric: macro AUROC of records, or the mean R² of their numbers.

    NaN where no class has both positives and negatives, or no number varies.

    Args:
        label_set: What the columns mean.
        windows: Ids, scores and targets of windows, a batch at a time.
    """
    record_ids = [each for ids, _, _ in windows for each in ids]
    _, scores = mean_by_record(record_ids, torch.cat([s for _, s, _ in windows]))
    _, target = mean_by_record(record_ids, torch.cat([t for _, _, t in windows]))
    measure = r_squared if label_set.has_numbers else auroc
    score = measure(target.double().numpy(), scores.double().numpy())
    return float(np.nanmean(score)) if np.isfinite(score).any() else float("nan")


def is_better(
    row: Mapping[str, float], best: Mapping[str, float] | None, settings: Training
) -> bool:
    """Whether an epoch replaces the one that is kept; of equal scores the lower loss wins."""
    return best is None or _rank(row, settings) > _rank(best, settings)


def n_waited(rows: list[dict[str, float]], settings: Training) -> int:
    """Early stopping: counts the latest validations in a row without improvement."""
    ranks = [_rank(row, settings)[0] for row in rows if f"validation_{settings.monitor}" in row]
    return len(ranks) - 1 - ranks.index(max(ranks)) if ranks else 0


def _rank(row: Mapping[str, float], settings: Training) -> tuple[float, ...]:
    loss = row.get("validation_loss", float("inf"))
    if settings.monitor == "loss":
        return (-loss,)
    # Sums of equal ranks differ in the last digits.
    return (round(row["validation_score"], 9), -loss)
