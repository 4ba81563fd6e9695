"""Batches and encoders small enough to learn by heart."""

from collections.abc import Callable

import pytest
import torch
from recorded import recorded

from medts.core.labels import LabelSet
from medts.core.montage import STANDARD_12_LEADS
from medts.models.base import Encoder
from medts.models.ecg_nat import EcgNat
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.nn.settings import ViewsConfig
from medts.tensors.batch import Batch, StreamBatch


@pytest.fixture
def make_batch() -> Callable[..., Batch]:
    """Makes windows of rhythms; each has a rate of its own, and leads of different sizes."""

    def make(n_windows=8, n_samples=320, *, n_valid=None, target=None, kind="single", seed=0):
        generator = torch.Generator().manual_seed(seed)
        time_s = torch.arange(n_samples) / 100.0
        rate = 1.0 + torch.rand(n_windows, 1, 1, generator=generator)
        phase = torch.rand(n_windows, 1, 1, generator=generator)
        size = 1.0 + torch.rand(1, 12, 1, generator=generator)
        angle = 2 * torch.pi * (rate * time_s + phase)
        signal = size * (angle.sin() + 0.5 * (3 * angle).cos())
        n_valid = torch.tensor(n_valid or [n_samples] * n_windows)
        is_valid = torch.arange(n_samples) < n_valid[:, None]
        stream = StreamBatch(
            signal=signal * is_valid[:, None],
            is_recorded=recorded(signal, is_valid),
            channels=STANDARD_12_LEADS,
            sampling_rate=100.0,
            modality="ecg",
        )
        label_set = is_labelled = None
        if target is not None:
            target = torch.tensor(target, dtype=torch.float)
            classes = tuple("ABCDEFG"[: target.shape[1]])
            label_set = LabelSet(name="made-up/letters", classes=classes, kind=kind)
            is_labelled = torch.ones(n_windows, dtype=torch.bool)
        names = tuple(f"made-up/{b}" for b in range(n_windows))
        return Batch(
            streams={"ecg": stream},
            record_ids=names,
            subject_ids=names,
            text=(None,) * n_windows,
            target=target,
            is_labelled=is_labelled,
            label_set=label_set,
        )

    return make


@pytest.fixture
def make_encoder() -> Callable[..., Encoder]:
    """Makes the smallest ECG-NAT, the same every time."""

    def make(**changes):
        torch.manual_seed(0)
        return EcgNat(EcgNatConfig(**{"size": "nano", "drop_path": 0.0, **changes}))

    return make


@pytest.fixture
def unchanged() -> ViewsConfig:
    """Views that are the windows themselves."""
    return ViewsConfig(crop_ratio=1, gain=0, wander=0, noise=0, hide_ratio=0, drop_probability=0)


@pytest.fixture
def mild() -> ViewsConfig:
    """Views that differ a little, so that a few steps are enough to learn them."""
    return ViewsConfig(crop_ratio=1, hide_ratio=0, drop_probability=0)


@pytest.fixture
def learn() -> Callable[..., list[float]]:
    """Takes steps on one batch and returns the losses on the way."""

    def take_steps(objective, batch, n_steps=30, learning_rate=3e-3):
        optimizer = torch.optim.AdamW(objective.parameters(), lr=learning_rate)
        losses = []
        for _ in range(n_steps):
            optimizer.zero_grad()
            loss = objective(batch).total
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return take_steps


@pytest.fixture
def silent() -> Callable[..., list[str]]:
    """Names the parameters that a batch leaves without a gradient."""

    def find(objective, batch):
        objective.zero_grad()
        objective(batch).total.backward()
        named = objective.named_parameters()
        return [name for name, p in named if p.grad is None or not p.grad.any()]

    return find
