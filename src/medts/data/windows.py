"""Windows: which piece of which record a model sees, and the batch made of them.

Windows are laid out in seconds, so streams of different rates stay aligned. At training each
window is shifted at random; at evaluation they lie on a fixed grid whose last window ends with
the record. A record shorter than a window is padded, and the padding is marked.

Every window names every stream that the model reads. One that the record lacks, that does not
reach into the window, or that has nothing but gaps there is zero and said to be absent; a window
in which no stream is present is never shown to a model.

Axes: B windows in the batch, C channels, T samples in time, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch.utils.data import Dataset

from medts.core.batch import Batch, StreamBatch
from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.reports import as_read
from medts.data.store import Store
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
        signal: Zero wherever one of the others is False.
        is_valid: True for samples that were recorded on some channel.
        is_channel_present: True for channels with a recorded sample in the window.
    """

    signal: Float[np.ndarray, "C T"]
    is_valid: Bool[np.ndarray, "T"]
    is_channel_present: Bool[np.ndarray, "C"]

    @property
    def is_present(self) -> bool:
        """True if anything of the stream was recorded in the window."""
        return bool(self.is_valid.any() and self.is_channel_present.any())


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


def _length(window_s: float, rate: float) -> int:
    return max(1, round(window_s * rate))


def _absent(n_channels: int, n_samples: int) -> WindowStream:
    return WindowStream(
        signal=np.zeros((n_channels, n_samples), dtype=np.float32),
        is_valid=np.zeros(n_samples, dtype=bool),
        is_channel_present=np.zeros(n_channels, dtype=bool),
    )


def _cut(stream: PreparedStream, rate: float, start_s: float, window_s: float) -> WindowStream:
    window = _absent(len(stream.signal), _length(window_s, rate))
    n_samples = len(window.is_valid)
    first = round((start_s - stream.start_s) * rate)
    low, high = max(0, first), min(stream.signal.shape[1], first + n_samples)
    if high <= low:
        return window
    inside = slice(low - first, high - first)
    is_recorded = np.broadcast_to(stream.is_channel_present[:, None], (len(stream.signal), 1))
    if stream.is_recorded is not None:
        is_recorded = stream.is_recorded[:, low:high]
    window.signal[:, inside] = stream.signal[:, low:high]
    window.is_valid[inside] = is_recorded.any(axis=0)
    return replace(window, is_channel_present=is_recorded.any(axis=1))


def collate(
    examples: Sequence[Example], config: Preprocessing, label_set: LabelSet | None = None
) -> Batch:
    """Puts windows into one batch; shorter ones are padded at their end and marked.

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
        if window is not None and window.is_present:
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
        size = sum(
            stream.signal.nbytes + (0 if stream.is_recorded is None else stream.is_recorded.nbytes)
            for stream in prepared.values()
        )
        if size <= self._room:
            self._room -= size
            self._kept[position] = prepared
        return prepared

    def duration_s(self, position: int) -> float:
        """Length of a record in seconds, from the index alone.

        Raises:
            MedtsError: If the record has no stream that the model reads.
        """
        return max(stop for _, stop in self._spans(position))

    def is_covered(self, position: int, window_s: float) -> bool:
        """Whether the index alone shows that some stream is present in every window."""
        spans, entries = self._spans(position), self._entries(position)
        starts, stops = zip(*spans, strict=True)
        is_even = max(starts) == 0.0 and max(stops) - min(stops) < window_s
        return is_even and not any(entry["has_gaps"] for entry in entries)

    def _spans(self, position: int) -> list[tuple[float, float]]:
        return [
            (each["start_s"], each["start_s"] + each["n_samples"] / each["sampling_rate"])
            for each in self._entries(position)
        ]

    def _entries(self, position: int) -> list[dict[str, Any]]:
        row = self.rows[position]
        stored = self.store.streams[row]
        names = [
            name if name in stored else spec.source for name, spec in self.config.streams.items()
        ]
        found = [stored[name] for name in dict.fromkeys(names) if name in stored]
        if not found:
            raise MedtsError(
                f"record {self.store.record_ids[row]!r} has none of the streams "
                f"{', '.join(self.config.streams)}",
                field="streams",
                remedy=f"It has {', '.join(stored)}",
            )
        return found


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
        self.reports = as_read([reports[row] for row in rows], records.config.reports)
        self.windows = [
            (position, start)
            for position in range(len(records))
            for start in self._starts(position)
        ]

    def _starts(self, position: int) -> list[float]:
        if self.is_training and self.windowing.crops_per_record is not None:
            return [0.0] * self.windowing.crops_per_record
        return self._grid(position)

    def _grid(self, position: int) -> list[float]:
        """Returns the windows of evaluation, without those in which nothing was recorded."""
        starts = window_starts(self.records.duration_s(position), self.windowing)
        if self.records.is_covered(position, self.windowing.window_s):
            return starts
        return [start for start in starts if holds_signal(self._cut(position, start))]

    def _cut(self, position: int, start_s: float) -> dict[str, WindowStream]:
        return cut_window(
            self.records[position],
            self.records.config,
            start_s=start_s,
            window_s=self.windowing.window_s,
        )

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Example:
        position, start_s = self.windows[index]
        streams = self._cut(position, self._shifted(position, start_s))
        if not holds_signal(streams):  # a random place may lie in a gap; the grid never does
            places = self._grid(position)
            streams = self._cut(position, places[int(torch.randint(len(places), ()))])
        return Example(
            streams=streams,
            record_id=self.record_ids[position],
            subject_id=self.subject_ids[position],
            text=self.reports[position],
            target=None if self.targets is None else self.targets[position],
        )

    def _shifted(self, position: int, start_s: float) -> float:
        """Returns where a window starts: at random for training."""
        if not self.is_training:
            return start_s
        duration_s = duration_of(self.records[position], self.records.config)
        room = max(0.0, duration_s - self.windowing.window_s)
        if self.windowing.crops_per_record is not None:
            return torch.rand(()).item() * room
        shift = (torch.rand(()).item() - 0.5) * self.windowing.stride_s
        return min(max(0.0, start_s + shift), room)


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
