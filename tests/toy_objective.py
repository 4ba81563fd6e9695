"""The smallest objective that has everything a run can lose: dropout, a buffer, random examples."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from medts.core.labels import LabelSet
from medts.losses.classification import binary_cross_entropy
from medts.objectives.base import Objective
from medts.tensors.batch import Batch, Losses, Prediction, StreamBatch
from medts.training.fit import fit
from medts.training.settings import Training

LABELS = LabelSet(name="toy/labels", classes=("low", "high"), kind="multi")
SETTINGS = Training(
    epochs=5, batch_size=4, learning_rate=0.05, schedule="cosine", warmup_ratio=0.0, device="cpu"
)


class Toy(Objective):
    """A linear model on jittered numbers, with dropout, batch norm and an EMA of its weights."""

    def __init__(self, *, norm: bool = True) -> None:
        super().__init__()
        self.hidden = nn.Linear(3, 8)
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.head = nn.Linear(8, 2)
        self.dropout = nn.Dropout(0.3)
        self.register_buffer("average", torch.zeros(2, 8))
        self.n_after_steps = 0

    def predict(self, batch: Batch) -> Prediction:
        x = batch.streams["x"].signal[:, :, 0]
        return Prediction(self.head(self.dropout(self.norm(self.hidden(x)).relu())), LABELS)

    def forward(self, batch: Batch) -> Losses:
        loss = binary_cross_entropy(self.predict(batch).logits, batch.target, batch.is_labelled)
        return Losses(total=loss, parts={"cross_entropy": loss.detach()})

    def after_step(self) -> None:
        self.n_after_steps += 1
        self.average.lerp_(self.head.weight.detach(), 0.1)


class Numbers(Dataset):
    """Three numbers per example, changed a little at every look."""

    def __init__(self, n: int, *, is_training: bool, is_labelled: bool = True) -> None:
        self.x = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
        self.is_training, self.is_labelled = is_training, is_labelled

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor]:
        jitter = 0.1 * torch.randn(3) if self.is_training else torch.zeros(3)
        return index, self.x[index] + jitter

    def collate(self, items: list[tuple[int, torch.Tensor]]) -> Batch:
        rows = [index for index, _ in items]
        signal = torch.stack([value for _, value in items])[:, :, None]
        n = len(rows)
        names = tuple(f"toy/{row}" for row in rows)
        is_high = (self.x[rows].sum(dim=1) > 0).float()
        return Batch(
            streams={
                "x": StreamBatch(
                    signal=signal,
                    is_recorded=torch.ones(signal.shape, dtype=torch.bool),
                    channels=("a", "b", "c"),
                    sampling_rate=1.0,
                    modality="other",
                )
            },
            record_ids=names,
            subject_ids=names,
            text=(None,) * n,
            target=torch.stack([1 - is_high, is_high], dim=1),
            is_labelled=torch.full((n,), self.is_labelled),
            label_set=LABELS,
        )


def loaders(n: int = 14, batch_size: int = 4, n_workers: int = 0, *, is_labelled: bool = True):
    """Returns the batches that train and those that choose."""
    train = Numbers(n, is_training=True, is_labelled=is_labelled)
    validation = Numbers(9, is_training=False)
    return {
        "training": DataLoader(
            train,
            batch_size=batch_size,
            shuffle=True,
            drop_last=n > batch_size,
            collate_fn=train.collate,
            num_workers=n_workers,
        ),
        "validation": DataLoader(validation, batch_size=5, collate_fn=validation.collate),
    }


def run(folder, settings=SETTINGS, *, seed: int = 0, objective: Toy | None = None, **changes):
    """Trains a toy; returns it and what the run ended with."""
    torch.manual_seed(0)
    objective = objective or Toy()
    given = {**loaders(), "show_progress": False, **changes}
    return objective, fit(objective, settings=settings, folder=folder, seed=seed, **given)
