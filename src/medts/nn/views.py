"""Augmentations (views) of a batch: crop, gain, baseline wander, noise, cutout, lead dropout.

What was padded or absent stays zero and marked; a channel that is dropped becomes absent. All
random numbers come from torch, so a seed repeats them. What views are for is left to objectives.

Axes: B windows in the batch, C channels, T samples in time.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from medts.nn.patches import masked_moments
from medts.nn.settings import ViewsConfig
from medts.tensors.batch import Batch, StreamBatch


def make_view(batch: Batch, config: ViewsConfig) -> Batch:
    """Returns the batch with every stream altered anew.

    All windows of a view keep the same share of their length, so a view is shorter rather than
    padded. The piece lies elsewhere in each window, but at one time in all of its streams unless
    one of them is padded.
    """
    keep_ratio = 1.0 - (1.0 - config.crop_ratio) * torch.rand(()).item()
    place = torch.rand(len(batch))
    streams = {}
    for name, stream in batch.streams.items():
        view = stream
        if config.crop_ratio < 1:
            view = crop(view, keep_ratio, place.to(stream.signal.device))
            if config.is_stretched:
                view = stretch(view, stream.signal.shape[-1])
        view = add_wander(view, config.wander, config.wander_hz)
        view = add_noise(view, config.noise)
        view = change_gain(view, config.gain)
        view = cutout(view, config.hide_ratio)
        is_dropped = sample_dropped(
            view.is_channel_present,
            config.drop_probability,
            config.drop_most,
            least=config.drop_least,
        )
        streams[name] = drop_channels(view, is_dropped)
    return replace(batch, streams=streams)


def take(
    stream: StreamBatch, start: Int[Tensor, "B"], n_kept: Int[Tensor, "B"], n_samples: int
) -> StreamBatch:
    """Cuts ``n_kept`` samples from ``start`` on out of each window, padded to ``n_samples``."""
    place = torch.arange(n_samples, device=stream.signal.device)
    index = (start[:, None] + place).clamp(max=stream.signal.shape[-1] - 1)
    index = index[:, None].expand(-1, stream.signal.shape[1], -1)
    signal, is_recorded = stream.signal.gather(2, index), stream.is_recorded.gather(2, index)
    piece = replace(stream, signal=signal, is_recorded=is_recorded)
    return piece.keep((place < n_kept[:, None])[:, None])


def crop(stream: StreamBatch, keep_ratio: float, place: Float[Tensor, "B"]) -> StreamBatch:
    """Random crop: keeps a share of each window, from its start at ``place`` 0 to its end at 1."""
    n_kept = max(1, round(keep_ratio * stream.signal.shape[-1]))
    room = (count_samples(stream) - n_kept).clamp(min=0)
    start = (place * (room + 1)).long().minimum(room)
    return take(stream, start, torch.full_like(start, n_kept), n_kept)


def halves(stream: StreamBatch) -> tuple[StreamBatch, StreamBatch]:
    """Splits each window in the middle of its valid samples; an odd last sample is left out."""
    n_half = count_samples(stream) // 2
    length = max(1, stream.signal.shape[-1] // 2)
    return take(stream, torch.zeros_like(n_half), n_half, length), take(
        stream, n_half, n_half, length
    )


def stretch(stream: StreamBatch, n_samples: int) -> StreamBatch:
    """Time stretching: linear interpolation of every window to ``n_samples``."""
    signal = F.interpolate(stream.signal, n_samples, mode="linear", align_corners=False)
    is_recorded = F.interpolate(stream.is_recorded.to(signal.dtype), n_samples) > 0
    return keep_real(replace(stream, signal=signal, is_recorded=is_recorded))


def change_gain(stream: StreamBatch, largest: float) -> StreamBatch:
    """Amplitude scaling: a random factor per window; relations between leads are kept."""
    exponent = 2 * uniform(stream, 1, 1) - 1
    return replace(stream, signal=stream.signal * (1.0 + largest) ** exponent)


def add_noise(stream: StreamBatch, largest: float) -> StreamBatch:
    """Gaussian noise of a random level per window, relative to each channel."""
    level = largest * uniform(stream, 1, 1) * channel_std(stream)
    noise = torch.randn_like(stream.signal) * level
    return keep_real(replace(stream, signal=stream.signal + noise))


def add_wander(
    stream: StreamBatch, largest: float, band_hz: tuple[float, float] = (0.05, 0.5)
) -> StreamBatch:
    """Baseline wander: adds a slow sine of random frequency and phase to each channel."""
    C, T = stream.signal.shape[1:]
    time_s = torch.arange(T, device=stream.signal.device) / stream.sampling_rate
    low_hz, high_hz = band_hz
    rate_hz = low_hz + (high_hz - low_hz) * uniform(stream, C, 1)
    sine = torch.sin(2 * torch.pi * (rate_hz * time_s + uniform(stream, C, 1)))
    wander = largest * uniform(stream, C, 1) * channel_std(stream) * sine
    return keep_real(replace(stream, signal=stream.signal + wander))


def cutout(stream: StreamBatch, largest_ratio: float) -> StreamBatch:
    """Cutout (time masking): zeroes one stretch of each window in all channels; it stays valid.

    They are not marked, so that an encoder learns to do without them.
    """
    n_valid = count_samples(stream)[:, None]
    n_hidden = (largest_ratio * uniform(stream, 1) * n_valid).long()
    start = (uniform(stream, 1) * (n_valid - n_hidden + 1)).long()
    place = torch.arange(stream.signal.shape[-1], device=stream.signal.device)
    is_hidden = (place >= start) & (place < start + n_hidden)
    return replace(stream, signal=stream.signal.masked_fill(is_hidden[:, None], 0.0))


def drop_channels(stream: StreamBatch, is_dropped: Bool[Tensor, "B C"]) -> StreamBatch:
    """Makes channels absent, and zero."""
    return stream.keep(~is_dropped[..., None])


def sample_dropped(
    is_channel_present: Bool[Tensor, "B C"],
    probability: float,
    most: int,
    generator: torch.Generator | None = None,
    *,
    least: int = 1,
) -> Bool[Tensor, "B C"]:
    """Lead dropout (channel dropout): samples ``least`` to ``most`` channels, never a last one."""
    shape, device = is_channel_present.shape, is_channel_present.device
    score = torch.rand(shape, device=device, generator=generator)
    is_chosen, amount = torch.rand((2, shape[0]), device=device, generator=generator)
    n_most = (is_channel_present.sum(dim=1) - 1).clamp(min=0, max=most)
    n_least = n_most.clamp(max=least)
    n_dropped = (n_least + (amount * (n_most - n_least + 1)).long()).minimum(n_most)
    # The random numbers do not depend on the settings, so that views differ in nothing else.
    n_dropped = n_dropped * (is_chosen < probability)
    rank = score.masked_fill(~is_channel_present, 2.0).argsort(dim=1).argsort(dim=1)
    return rank < n_dropped[:, None]


def has_signal(batch: Batch) -> Bool[Tensor, "B"]:
    """True for windows in which any stream has a recorded sample."""
    return torch.stack([stream.is_present for stream in batch.streams.values()]).any(dim=0)


def count_samples(stream: StreamBatch) -> Int[Tensor, "B"]:
    """Counts the samples of each window up to the last valid one."""
    is_valid = stream.is_valid
    place = torch.arange(1, is_valid.shape[1] + 1, device=is_valid.device)
    return (is_valid * place).amax(dim=1)


def channel_std(stream: StreamBatch) -> Float[Tensor, "B C 1"]:
    """Standard deviation of each channel over recorded samples; zero where there is none."""
    return masked_moments(stream.signal, stream.is_recorded)[1].sqrt()


def keep_real(stream: StreamBatch) -> StreamBatch:
    """Sets to zero whatever was not recorded."""
    return replace(stream, signal=stream.signal.masked_fill(~stream.is_recorded, 0.0))


def uniform(stream: StreamBatch, *shape: int) -> Float[Tensor, "B ..."]:
    """Uniform numbers between 0 and 1, for each window of the stream."""
    return torch.rand(len(stream.signal), *shape, device=stream.signal.device)
