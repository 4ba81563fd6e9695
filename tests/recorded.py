"""Streams of which less was recorded than their values show."""

from dataclasses import replace

import torch
from torch import Tensor

from medts.tensors.batch import Batch, StreamBatch


def only(
    stream: StreamBatch,
    *,
    samples: Tensor | None = None,
    channels: Tensor | None = None,
    windows: Tensor | None = None,
) -> StreamBatch:
    """Marks all but some samples (B T), channels (B C) and windows (B) as not recorded."""
    return replace(
        stream, is_recorded=stream.is_recorded & recorded(stream.signal, samples, channels, windows)
    )


def recorded(
    signal: Tensor,
    samples: Tensor | None = None,
    channels: Tensor | None = None,
    windows: Tensor | None = None,
) -> Tensor:
    """Returns one boolean for every sample of a signal, True where all three are."""
    is_recorded = torch.ones(signal.shape, dtype=torch.bool)
    if samples is not None:
        is_recorded = is_recorded & samples[:, None]
    if channels is not None:
        is_recorded = is_recorded & channels[..., None]
    if windows is not None:
        is_recorded = is_recorded & windows[:, None, None]
    return is_recorded


def batch_with_only(batch: Batch, **masks: Tensor) -> Batch:
    """Does the same to every stream of a batch."""
    streams = {name: only(stream, **masks) for name, stream in batch.streams.items()}
    return replace(batch, streams=streams)
