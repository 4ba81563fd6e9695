"""Collated batches: tensors with a mask for padding, gaps, absent channels and modalities.

A batch may mix records of different lengths, channel sets and streams. Every sample of every
channel has a boolean, whether it was recorded; no value is ever a silent zero.

Axes: B windows in the batch, W windows, R records, C channels, T samples in time, N signal tokens,
M modalities, D embedding width, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medts.core.labels import LabelSet

_Value = TypeVar("_Value")


def move_to(value: _Value, device: torch.device | str) -> _Value:
    """Returns a frozen dataclass with every tensor in it, however nested, on ``device``."""

    def moved(item: Any) -> Any:
        if isinstance(item, Tensor):
            return item.to(device, non_blocking=True)
        if isinstance(item, dict):
            return {key: moved(part) for key, part in item.items()}
        return move_to(item, device) if isinstance(item, StreamBatch) else item

    changes = {f.name: moved(getattr(value, f.name)) for f in fields(value)}  # pyright: ignore
    return replace(value, **changes)  # pyright: ignore


@dataclass(frozen=True)
class StreamBatch:
    """Windows of one stream; unit-less once preprocessing has scaled them.

    Args:
        signal: Zero wherever ``is_recorded`` is False.
        is_recorded: True for real samples; False for padding at the end of a shorter window, for
            channels and streams that are absent, and for gaps, also those of one channel alone.
        channels: Names of the rows of ``signal``.
        sampling_rate: Hz, the same for the whole batch.
        modality: What is measured.
    """

    signal: Float[Tensor, "B C T"]
    is_recorded: Bool[Tensor, "B C T"]
    channels: tuple[str, ...]
    sampling_rate: float
    modality: str

    @property
    def is_valid(self) -> Bool[Tensor, "B T"]:
        """True for samples that were recorded on some channel."""
        return self.is_recorded.any(dim=1)

    @property
    def is_channel_present(self) -> Bool[Tensor, "B C"]:
        """True for channels of which something was recorded in the window."""
        return self.is_recorded.any(dim=2)

    @property
    def is_present(self) -> Bool[Tensor, "B"]:
        """True for windows in which anything of the stream was recorded."""
        return self.is_recorded.any(dim=2).any(dim=1)

    def keep(self, is_kept: Bool[Tensor, "#B #C #T"]) -> "StreamBatch":
        """Returns the stream as if all else had never been recorded."""
        is_recorded = self.is_recorded & is_kept
        signal = self.signal.masked_fill(~is_recorded, 0.0)
        return replace(self, signal=signal, is_recorded=is_recorded)


@dataclass(frozen=True)
class Batch:
    """Windows of several records, ready for a model.

    Args:
        streams: By name.
        record_ids: ``corpus/record`` of each window; several windows may share one.
        subject_ids: ``corpus/subject`` of each window.
        text: Report of each record, where there is one.
        target: Zeros and ones in the order of ``label_set``, or its numbers, NaN where one is
            missing; zero rows where unlabelled.
        is_labelled: True for windows whose target may be used.
        label_set: What the columns of ``target`` mean.
    """

    streams: dict[str, StreamBatch]
    record_ids: tuple[str, ...]
    subject_ids: tuple[str, ...]
    text: tuple[str | None, ...]
    target: Float[Tensor, "B K"] | None = None
    is_labelled: Bool[Tensor, "B"] | None = None
    label_set: LabelSet | None = None

    def __len__(self) -> int:
        return len(self.record_ids)

    def take(self, first: int, last: int) -> "Batch":
        """Returns the windows from ``first`` up to ``last``, which is left out."""
        part = slice(first, last)
        streams = {
            name: replace(stream, signal=stream.signal[part], is_recorded=stream.is_recorded[part])
            for name, stream in self.streams.items()
        }
        return replace(
            self,
            streams=streams,
            record_ids=self.record_ids[part],
            subject_ids=self.subject_ids[part],
            text=self.text[part],
            target=None if self.target is None else self.target[part],
            is_labelled=None if self.is_labelled is None else self.is_labelled[part],
        )


@dataclass(frozen=True)
class Latents:
    """One embedding per modality, before fusion."""

    embedding: Float[Tensor, "B M D"]
    is_present: Bool[Tensor, "B M"]
    modalities: tuple[str, ...]


@dataclass(frozen=True)
class Encoded:
    """What an encoder makes of a batch.

    Args:
        tokens: Embeddings along the window; their width may differ from that of ``pooled``.
        is_valid: True for tokens that cover at least one real sample.
        pooled: The embedding of the whole window.
        intermediates: Anything worth drawing, by name, such as attention or kept tokens.
    """

    tokens: Float[Tensor, "B N D_token"]
    is_valid: Bool[Tensor, "B N"]
    pooled: Float[Tensor, "B D"]
    intermediates: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Losses:
    """The number to minimise, and its parts by name for the log."""

    total: Float[Tensor, ""]
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Prediction:
    """Scores for the classes of a label set, or its numbers; one row per window or record."""

    logits: Float[Tensor, "B K"]
    label_set: LabelSet

    @property
    def probability(self) -> Float[Tensor, "B K"]:
        """Softmax over a ``single`` label set, one sigmoid per class of a ``multi`` one."""
        if self.label_set.class_kind == "single":
            return self.logits.softmax(dim=1)
        return self.logits.sigmoid()

    @property
    def scores(self) -> Float[Tensor, "B K"]:
        """What is averaged over windows: probabilities, or the values of a set of numbers."""
        return self.logits if self.label_set.has_numbers else self.probability


def mean_by_record(
    record_ids: Sequence[str], values: Float[Tensor, "W K"]
) -> tuple[tuple[str, ...], Float[Tensor, "R K"]]:
    """Averages the windows of each record; records come in the order they were first seen."""
    # dict keeps the order of first appearance, which np.unique would sort away.
    position = {record: row for row, record in enumerate(dict.fromkeys(record_ids))}
    group = torch.tensor([position[record] for record in record_ids], device=values.device)
    total = values.new_zeros(len(position), values.shape[1]).index_add(0, group, values)
    return tuple(position), total / torch.bincount(group)[:, None]
