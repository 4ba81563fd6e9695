"""PyTorch dataset of windows (segments, crops), random for training, on a grid for evaluation.

At evaluation windows lie on the grid of `medts.data.windowing`. A window in which no stream is
present is left out.

Axes: B windows in the batch, C channels, T samples in time, K classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch.utils.data import Dataset

from medts.core.errors import MedtsError
from medts.core.labels import LabelSet
from medts.data.recordings import Recordings
from medts.data.reports import as_read
from medts.data.windowing import (
    Example,
    Windowing,
    WindowStream,
    cut_window,
    duration_of,
    holds_signal,
    stack_windows,
    window_starts,
)
from medts.signal.preprocess import PreparedStream, Preprocessing, preprocess
from medts.tensors.batch import Batch, StreamBatch


def collate(
    examples: Sequence[Example], config: Preprocessing, label_set: LabelSet | None = None
) -> Batch:
    """Collates windows into one batch; shorter ones are padded at their end and masked.

    Raises:
        MedtsError: If no stream is present in one of the windows.
    """
    streams = {
        name: StreamBatch(
            signal=torch.from_numpy(arrays.signal),
            is_recorded=torch.from_numpy(arrays.is_recorded),
            channels=config.streams[name].channels,
            sampling_rate=config.streams[name].sampling_rate,
            modality=config.streams[name].modality,
        )
        for name, arrays in stack_windows(examples, config).items()
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


class PreparedRecords:
    """Records by position, preprocessed once and kept while they fit in memory.

    Args:
        store: Where they come from.
        rows: Which of the store's rows, in which order.
        config: Preprocessing of the model.
        cache_gib: Memory that may be spent on keeping them.
    """

    def __init__(
        self, store: Recordings, rows: Sequence[int], config: Preprocessing, cache_gib: float = 4.0
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
