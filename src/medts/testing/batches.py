"""Batches of noise for contract suites, and the changes by which information is taken away.

Axes: B windows in the batch, C channels, T samples in time.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from medts.models.settings.base import EncoderSettings
from medts.tensors.batch import Batch, StreamBatch

_RATE = 100.0
"""Hz of streams that may come at any rate."""

_DURATION_S = 5.0

_WORDS = ("sinus rhythm", "af", "old infarct", "lbbb")


def make_batch(
    settings: EncoderSettings, n_windows: int = 3, *, length: float = 1.0, seed: int = 0
) -> Batch:
    """Makes windows of everything that an encoder reads, with a report each.

    Args:
        settings: Streams, channels, rates, and the longest window.
        n_windows: Windows in the batch.
        length: Samples, over those of the ordinary window: five seconds, or what can be read.
        seed: Of the noise.
    """
    generator = torch.Generator().manual_seed(seed)
    streams = {}
    for name, wanted in settings.inputs().items():
        rate = wanted.sampling_rate or _RATE
        n_samples = round(ordinary_length(settings, rate) * length)
        shape = n_windows, len(wanted.channels), n_samples
        streams[name] = StreamBatch(
            signal=torch.randn(shape, generator=generator),
            is_recorded=torch.ones(shape, dtype=torch.bool),
            channels=wanted.channels,
            sampling_rate=rate,
            modality="other",
        )
    names = tuple(f"made-up/{window}" for window in range(n_windows))
    texts = tuple(f"{_WORDS[(b + seed) % 4]} {60 + b}" for b in range(n_windows))
    return Batch(streams, record_ids=names, subject_ids=names, text=texts)


def ordinary_length(settings: EncoderSettings, rate: float) -> int:
    """Returns the samples of an ordinary window at a rate in Hz."""
    longest = settings.longest_window()
    n_samples = round(_DURATION_S * rate)
    return n_samples if longest is None else min(n_samples, longest)


def change(batch: Batch, how: Callable[[StreamBatch], StreamBatch]) -> Batch:
    """Returns the batch with every stream changed."""
    return replace(batch, streams={name: how(each) for name, each in batch.streams.items()})


def hide(stream: StreamBatch, is_kept: Tensor) -> StreamBatch:
    """Marks all else as not recorded; unlike `StreamBatch.keep`, its values stay as they are."""
    return replace(stream, is_recorded=stream.is_recorded & is_kept)


def overwrite(
    batch: Batch, where: Callable[[StreamBatch], Tensor], seed: int = 9, *, scale: float = 5.0
) -> Batch:
    """Returns the batch with large noise wherever ``where`` is True, which masks stay as they are.

    Args:
        batch: Windows.
        where: Booleans that can be expanded to the shape of a stream's signal.
        seed: Of the noise.
        scale: Its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)

    def noisy(stream: StreamBatch) -> StreamBatch:
        noise = scale * torch.randn(stream.signal.shape, generator=generator)
        return replace(stream, signal=torch.where(where(stream), noise, stream.signal))

    return change(batch, noisy)


def pad(batch: Batch, ratio: float) -> Batch:
    """Returns the batch with padding at the end, as a share of each stream's length."""

    def padded(stream: StreamBatch) -> StreamBatch:
        extra = (0, round(ratio * stream.signal.shape[-1]))
        return replace(
            stream, signal=F.pad(stream.signal, extra), is_recorded=F.pad(stream.is_recorded, extra)
        )

    return change(batch, padded)


def permute(batch: Batch, seed: int = 3) -> Batch:
    """Returns the batch with the channels of every stream in another order, names included."""
    generator = torch.Generator().manual_seed(seed)

    def permuted(stream: StreamBatch) -> StreamBatch:
        order = torch.randperm(len(stream.channels), generator=generator).tolist()
        return pick(stream, order)

    return change(batch, permuted)


def pick(stream: StreamBatch, rows: list[int]) -> StreamBatch:
    """Returns some channels of a stream, with their names."""
    return replace(
        stream,
        signal=stream.signal[:, rows],
        is_recorded=stream.is_recorded[:, rows],
        channels=tuple(stream.channels[row] for row in rows),
    )
