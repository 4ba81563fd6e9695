"""Batches of noise for the encoders, with padding where a test wants it."""

import pytest
import torch
from recorded import recorded

from medts.core.montage import STANDARD_12_LEADS
from medts.tensors.batch import Batch, StreamBatch


@pytest.fixture
def noise():
    """Draws the signal of some windows."""

    def draw(n_windows=2, n_samples=250, n_channels=12, seed=1):
        shape = n_windows, n_channels, n_samples
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture
def make_batch():
    """Makes a batch of windows whose tail after ``n_samples`` is padding."""

    def make(signal, n_samples=None, absent=(), missing=()):
        """``absent``: windows without the stream. ``missing``: pairs of window and channel."""
        B, C, T = signal.shape
        lengths = torch.full((B,), T) if n_samples is None else torch.tensor(n_samples)
        is_valid = torch.arange(T) < lengths[:, None]
        is_present = torch.tensor([b not in absent for b in range(B)])
        is_channel_present = is_present[:, None].repeat(1, C)
        for b, c in missing:
            is_channel_present[b, c] = False
        is_valid = is_valid & is_present[:, None]
        stream = StreamBatch(
            signal=signal * is_valid[:, None] * is_channel_present[..., None],
            is_recorded=recorded(signal, is_valid, is_channel_present, is_present),
            channels=STANDARD_12_LEADS[:C],
            sampling_rate=100.0,
            modality="ecg",
        )
        names = tuple(f"made-up/{b}" for b in range(B))
        return Batch({"ecg": stream}, record_ids=names, subject_ids=names, text=(None,) * B)

    return make
