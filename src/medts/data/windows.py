"""Windows: which piece of which record a model sees, and the batch made of them.

Windows are laid out in seconds, so streams of different rates stay aligned. At training each
window is shifted at random; at evaluation they lie on a fixed grid whose last window ends with
the record. A record shorter than a window is padded, and the padding is marked.

Axes: B windows in the batch, C channels, T samples in time, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch.utils.data import Dataset

from medts.core.batch import Batch, StreamBatch
from medts.core.config import Config
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.store import Store
from medts.signal.preprocess import PreparedStream, Preprocessing, preprocess


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
    """One stream within one window."""

    signal: Float[np.ndarray, "C T"]
    is_valid: Bool[np.ndarray, "T"]
    is_channel_present: Bool[np.ndarray, "C"]


@dataclass(frozen=True)
class Example:
    """One window of one record, with what is known about the record."""

    streams: dict[str, WindowStream]
    record_id: str
    subject_id: str
    text: str | None = None
    target: Float[np.ndarray, "K"] | None = None


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
    """Cuts the same seconds out of every stream, and marks what a stream does not cover."""
    return {
        name: _cut(stream, config.streams[name].sampling_rate, start_s, window_s)
        for name, stream in streams.items()
    }


def _cut(stream: PreparedStream, rate: float, start_s: float, window_s: float) -> WindowStream:
    n_samples = max(1, round(window_s * rate))
    first = round((start_s - stream.start_s) * rate)
    total = stream.signal.shape[1]
    low, high = max(0, first), min(total, first + n_samples)
    signal = np.zeros((len(stream.signal), n_samples), dtype=np.float32)
    is_valid = np.zeros(n_samples, dtype=bool)
    if high > low:
        signal[:, low - first : high - first] = stream.signal[:, low:high]
        is_valid[low - first : high - first] = True
    return WindowStream(signal, is_valid, stream.is_channel_present)


def collate(
    examples: Sequence[Example], config: Preprocessing, label_set: LabelSet | None = None
) -> Batch:
    """Puts windows into one batch; shorter ones are padded at their end and marked."""
    streams = {
        name: _stack([example.streams.get(name) for example in examples], config, name)
        for name in config.streams
        if any(name in example.streams for example in examples)
    }
    target = is_labelled = None
    if label_set is not None:
        zeros = np.zeros(len(label_set), dtype=np.float32)
        rows = [zeros if example.target is None else example.target for example in examples]
        target = torch.from_numpy(np.stack(rows))
        is_labelled = torch.tensor([example.target is not None for example in examples])
    return Batch(
        streams=streams,
        record_ids=tuple(example.record_id for example in examples),
        subject_ids=tuple(example.subject_id for example in examples),
        text=tuple(example.text for example in examples),
        target=target,
        is_labelled=is_labelled,
        label_set=label_set,
    )


def _stack(windows: list[WindowStream | None], config: Preprocessing, name: str) -> StreamBatch:
    spec = config.streams[name]
    n_samples = max(window.signal.shape[1] for window in windows if window is not None)
    shape = (len(windows), len(spec.channels), n_samples)
    signal, is_valid = np.zeros(shape, np.float32), np.zeros((shape[0], n_samples), bool)
    is_channel_present = np.zeros(shape[:2], bool)
    for b, window in enumerate(windows):
        if window is not None and window.is_valid.any():
            length = window.signal.shape[1]
            signal[b, :, :length] = window.signal
            is_valid[b, :length] = window.is_valid
            is_channel_present[b] = window.is_channel_present
    return StreamBatch(
        signal=torch.from_numpy(signal),
        is_valid=torch.from_numpy(is_valid),
        is_channel_present=torch.from_numpy(is_channel_present),
        is_present=torch.from_numpy(is_channel_present.any(axis=1)),
        channels=spec.channels,
        sampling_rate=spec.sampling_rate,
        modality=spec.modality,
    )


class PreparedRecords:
    """Records by position, preprocessed once and kept while they fit in memory.

    Args:
        store: Where they come from.
        rows: Which of the store's rows, in which order.
        config: Preprocessing of the model.
        cache_gib: Memory that may be spent on keeping them.
    """

    def __init__(
        self, store: Store, rows: Sequence[int], config: Preprocessing, cache_gib: float = 4.0
    ) -> None:
        self.store, self.rows, self.config = store, [int(row) for row in rows], config
        self._kept: dict[int, dict[str, PreparedStream]] = {}
        self._room = int(cache_gib * 2**30)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: int) -> dict[str, PreparedStream]:
        if position in self._kept:
            return self._kept[position]
        prepared = preprocess(self.store.record(self.rows[position]), self.config)
        size = sum(stream.signal.nbytes for stream in prepared.values())
        if size <= self._room:
            self._room -= size
            self._kept[position] = prepared
        return prepared

    def duration_s(self, position: int) -> float:
        """Length of a record in seconds, from the index alone."""
        entries = self.store.streams[self.rows[position]]
        return max(
            entries[name]["start_s"] + entries[name]["n_samples"] / entries[name]["sampling_rate"]
            for name in self.config.streams
            if name in entries
        )


class WindowDataset(Dataset[Example]):
    """Windows of prepared records, at random places for training or on the grid.

    Args:
        records: Preprocessed records.
        windowing: Length and spacing of windows.
        targets: A row per record, None where unlabelled; left out when there are no labels.
        is_training: True shifts every window at random.
    """

    def __init__(
        self,
        records: PreparedRecords,
        windowing: Windowing,
        *,
        targets: Sequence[Float[np.ndarray, "K"] | None] | None = None,
        is_training: bool = False,
    ) -> None:
        self.records, self.windowing, self.targets = records, windowing, targets
        self.is_training = is_training
        rows = records.rows
        self.record_ids = records.store.record_ids[rows]
        self.subject_ids = records.store.subject_ids[rows]
        reports = records.store.column("report")
        self.reports = [reports[row] for row in rows]
        self.windows = [
            (position, start)
            for position in range(len(records))
            for start in self._starts(records.duration_s(position))
        ]

    def _starts(self, duration_s: float) -> list[float]:
        if self.is_training and self.windowing.crops_per_record is not None:
            return [0.0] * self.windowing.crops_per_record
        return window_starts(duration_s, self.windowing)

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Example:
        position, start_s = self.windows[index]
        window_s = self.windowing.window_s
        streams = self.records[position]
        if self.is_training:
            room = max(0.0, duration_of(streams, self.records.config) - window_s)
            if self.windowing.crops_per_record is None:
                shift = (torch.rand(()).item() - 0.5) * self.windowing.stride_s
                start_s = min(max(0.0, start_s + shift), room)
            else:
                start_s = torch.rand(()).item() * room
        return Example(
            streams=cut_window(streams, self.records.config, start_s=start_s, window_s=window_s),
            record_id=self.record_ids[position],
            subject_id=self.subject_ids[position],
            text=self.reports[position],
            target=None if self.targets is None else self.targets[position],
        )


def windows_of(record: Record, config: Preprocessing, windowing: Windowing) -> list[Example]:
    """Cuts a record that is in no store into the windows of evaluation."""
    streams = preprocess(record, config)
    return [
        Example(
            streams=cut_window(streams, config, start_s=start, window_s=windowing.window_s),
            record_id=record.record_id,
            subject_id=record.subject_id,
            text=record.report,
        )
        for start in window_starts(duration_of(streams, config), windowing)
    ]
