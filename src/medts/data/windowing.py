"""Windowing (segmentation): records cut into windows of seconds, as arrays and without torch.

Windows are laid out in seconds, so streams of different rates stay aligned. At evaluation they lie
on a fixed grid whose last window ends with the record. A record shorter than a window is padded,
and the padding is marked. Every window names every stream that the model reads; one that the record
lacks, that does not reach into the window, or that has nothing but gaps there is zero and marked
absent. Batches of tensors are made in `medts.data.windows`.

Axes: B windows in the batch, C channels, T samples in time, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, model_validator

from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.records import Record
from medts.data.reports import as_read
from medts.signal.preprocess import PreparedStream, Preprocessing, preprocess, regroup


class Windowing(Config):
    """How records are cut into windows."""

    window_s: float = Field(default=10.0, gt=0)
    """Length of a window, seconds."""

    stride_s: float = Field(default=10.0, gt=0)
    """Distance between window starts at evaluation, seconds."""

    crops_per_record: int | None = Field(default=1, ge=1)
    """Random windows drawn from each record in one training epoch; none: one per stride."""

    @model_validator(mode="after")
    def _windows_leave_no_gap(self) -> "Windowing":
        if self.stride_s > self.window_s:
            raise ValueError(
                f"stride_s {self.stride_s} is longer than window_s {self.window_s}: "
                "samples between windows would never be seen"
            )
        return self


@dataclass(frozen=True)
class WindowStream:
    """One stream within one window.

    Args:
        signal: Zero wherever ``is_recorded`` is False.
        is_recorded: True for samples of channels that were recorded.
    """

    signal: Float[np.ndarray, "C T"]
    is_recorded: Bool[np.ndarray, "C T"]

    @property
    def is_present(self) -> bool:
        """True if anything of the stream was recorded in the window."""
        return bool(self.is_recorded.any())


@dataclass(frozen=True)
class Example:
    """One window of one record, with what is known about the record."""

    streams: dict[str, WindowStream]
    record_id: str
    subject_id: str
    text: str | None = None
    target: Float[np.ndarray, "K"] | None = None


@dataclass(frozen=True)
class StreamArrays:
    """Windows of one stream, one above the other; shorter ones are padded at their end.

    Args:
        signal: Zero wherever ``is_recorded`` is False.
        is_recorded: True for real samples of channels that were recorded.
    """

    signal: Float[np.ndarray, "B C T"]
    is_recorded: Bool[np.ndarray, "B C T"]


def stack_windows(examples: Sequence[Example], config: Preprocessing) -> dict[str, StreamArrays]:
    """Stacks windows into one array per stream (collation); an absent stream is zero and marked.

    Raises:
        MedtsError: If no stream is present in one of the windows.
    """
    empty = next((each for each in examples if not holds_signal(each.streams)), None)
    if empty is not None:
        raise MedtsError(
            f"a window of record {empty.record_id!r} has none of the streams "
            f"{', '.join(config.streams)}",
            field="streams",
            remedy="Leave the window out; a model must not take zeros for a recording",
        )
    return {
        name: _stack([example.streams.get(name) for example in examples], len(spec.channels))
        for name, spec in config.streams.items()
        if any(name in example.streams for example in examples)
    }


def _stack(windows: Sequence[WindowStream | None], n_channels: int) -> StreamArrays:
    n_samples = max(window.signal.shape[1] for window in windows if window is not None)
    shape = len(windows), n_channels, n_samples
    stacked = StreamArrays(np.zeros(shape, np.float32), np.zeros(shape, bool))
    for b, window in enumerate(windows):
        if window is not None:
            length = window.signal.shape[1]
            stacked.signal[b, :, :length] = window.signal
            stacked.is_recorded[b, :, :length] = window.is_recorded
    return stacked


def duration_of(streams: dict[str, PreparedStream], config: Preprocessing) -> float:
    """Returns the seconds from the start of the record to the end of its last stream."""
    return max(
        stream.start_s + stream.signal.shape[1] / config.streams[name].sampling_rate
        for name, stream in streams.items()
    )


def window_starts(duration_s: float, windowing: Windowing) -> list[float]:
    """Returns where windows start, in seconds; the last one ends with the record.

    >>> window_starts(10.0, Windowing(window_s=4.0, stride_s=4.0))
    [0.0, 4.0, 6.0]
    """
    last = duration_s - windowing.window_s
    if last <= 0:
        return [0.0]
    n_full = int(np.floor(last / windowing.stride_s + 1e-9)) + 1
    starts = [step * windowing.stride_s for step in range(n_full)]
    return starts if last - starts[-1] < 1e-6 else [*starts, last]


def cut_window(
    streams: dict[str, PreparedStream],
    config: Preprocessing,
    *,
    start_s: float,
    window_s: float,
) -> dict[str, WindowStream]:
    """Cuts the same seconds out of every stream, and marks what was not recorded in them."""
    return {
        name: _cut(streams[name], spec.sampling_rate, start_s, window_s)
        if name in streams
        else _absent(len(spec.channels), _length(window_s, spec.sampling_rate))
        for name, spec in config.streams.items()
    }


def holds_signal(streams: dict[str, WindowStream]) -> bool:
    """Whether some stream is present in a window."""
    return any(stream.is_present for stream in streams.values())


def windows_of(record: Record, config: Preprocessing, windowing: Windowing) -> list[Example]:
    """Cuts a record that is in no store into the windows of evaluation.

    Raises:
        MedtsError: If the record lacks what the model reads.
    """
    return [window for _, window in timed_windows_of(record, config, windowing)]


def timed_windows_of(
    record: Record, config: Preprocessing, windowing: Windowing
) -> list[tuple[float, Example]]:
    """Returns the windows of `windows_of`, each after the second at which it starts."""
    prepared = preprocess(record, config)
    (text,) = as_read([record.report], config.reports)
    windows = []
    for start_s in window_starts(regroup(record, config).duration_s, windowing):
        streams = cut_window(prepared, config, start_s=start_s, window_s=windowing.window_s)
        if holds_signal(streams):
            window = Example(streams, record.record_id, record.subject_id, text=text)
            windows.append((start_s, window))
    return windows


def _length(window_s: float, rate: float) -> int:
    return max(1, round(window_s * rate))


def _absent(n_channels: int, n_samples: int) -> WindowStream:
    shape = n_channels, n_samples
    return WindowStream(np.zeros(shape, np.float32), np.zeros(shape, bool))


def _cut(stream: PreparedStream, rate: float, start_s: float, window_s: float) -> WindowStream:
    window = _absent(len(stream.signal), _length(window_s, rate))
    n_samples = window.signal.shape[1]
    first = round((start_s - stream.start_s) * rate)
    low, high = max(0, first), min(stream.signal.shape[1], first + n_samples)
    if high <= low:
        return window
    inside = slice(low - first, high - first)
    window.signal[:, inside] = stream.signal[:, low:high]
    window.is_recorded[:, inside] = (
        stream.is_channel_present[:, None]
        if stream.is_recorded is None
        else stream.is_recorded[:, low:high]
    )
    return window
