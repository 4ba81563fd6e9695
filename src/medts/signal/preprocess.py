"""Preprocessing: the way from a recording to what a model was trained on, as a value.

A bundle carries it, and training, prediction and serving replay the same function, so a model
never sees a band, rate, unit or channel order it does not know. Channels are taken by name, and
may be regrouped: several streams of a model can be picked from one stream of the recording.

What is not there is zero and said to be absent: a stream that the recording lacks, a channel that
is missing, flat or not a number, a sample that was never recorded. A flat channel is one that
keeps a single value throughout the record; it carries no information, whatever the value.

Axes: C channels, T samples in time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, model_serializer, model_validator

from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.montage import STANDARD_12_LEADS, canonical_channel
from medts.core.records import Record, Stream
from medts.core.reports import ReportSettings
from medts.signal.filtering import bandpass, resample

_ADDED = ("source", "keeps_level")
"""Fields that came later: unused, they are not written, so older digests stay what they were."""


class StreamPreprocessing(Config):
    """What one stream must look like when it reaches the model."""

    modality: str = "ecg"
    """Modality that the stream must have."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channel names in the order the model reads them."""

    source: str = ""
    """Stream of the recording that the channels are picked from; empty: the one of this name."""

    unit: str = "mV"
    """Unit of the values before scaling."""

    sampling_rate: float = Field(default=100.0, gt=0)
    """Samples per second after resampling, Hz."""

    low_hz: float | None = Field(default=0.5, gt=0)
    """Lower edge of the pass band, Hz; none leaves the baseline as it is."""

    high_hz: float | None = Field(default=None, gt=0)
    """Upper edge of the pass band, Hz; resampling alone removes what is above half the rate."""

    keeps_level: bool = False
    """Whether the level stays in, such as gravity in an acceleration; else the median goes."""

    scale: float = Field(default=0.25, gt=0)
    """Size of one unit of the model's input, in ``unit``; amplitude itself is kept."""

    clip: float = Field(default=20.0, gt=0)
    """Largest magnitude after scaling; artefacts beyond it are cut off."""

    @model_validator(mode="after")
    def _channels_and_band_make_sense(self) -> "StreamPreprocessing":
        names = tuple(canonical_channel(name) for name in self.channels)
        if names != self.channels:
            raise ValueError(f"channels {self.channels} must be spelt {names}")
        if len(set(names)) != len(names):
            raise ValueError(f"channels {names} name one twice")
        if self.low_hz is not None and self.high_hz is not None and self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz {self.low_hz} is not below high_hz {self.high_hz}")
        if self.keeps_level and self.low_hz is not None:
            raise ValueError(f"low_hz {self.low_hz} removes the level that keeps_level keeps")
        return self

    @model_serializer(mode="wrap")
    def _without_unused_additions(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        return {k: value for k, value in write(self).items() if value or k not in _ADDED}


class Preprocessing(Config):
    """What every stream of a record must look like when it reaches the model."""

    streams: dict[str, StreamPreprocessing] = Field(
        default_factory=lambda: {"ecg": StreamPreprocessing()}
    )
    """By stream name; streams of a record that are not named here are not read. None where
    reports alone are."""

    reports: ReportSettings | None = None
    """How reports are cleaned for models that read them; none gives them as they were written."""

    @model_serializer(mode="wrap")
    def _without_unused_additions(self, write: Callable[..., dict[str, Any]]) -> dict[str, Any]:
        return {k: value for k, value in write(self).items() if value or k != "reports"}


@dataclass(frozen=True)
class PreparedStream:
    """A stream as the model reads it: unit-less, in the model's channel order.

    Args:
        signal: Zero where a channel is absent or a sample was never recorded.
        is_channel_present: True for channels with information in them.
        start_s: Seconds from the start of the record to the first sample.
        is_recorded: False for samples in a gap; None where no present channel has one.
    """

    signal: Float[np.ndarray, "C T"]
    is_channel_present: Bool[np.ndarray, "C"]
    start_s: float = 0.0
    is_recorded: Bool[np.ndarray, "C T"] | None = None


def split_stream(
    source: str, groups: Mapping[str, tuple[str, ...]], spec: StreamPreprocessing
) -> dict[str, StreamPreprocessing]:
    """Returns a stream for each group of channels of one stored stream, otherwise as ``spec``.

    >>> from medts.core.montage import LEAD_GROUPS
    >>> streams = split_stream("ecg", LEAD_GROUPS, StreamPreprocessing())
    >>> streams["v1-v3"].source, streams["v1-v3"].channels
    ('ecg', ('V1', 'V2', 'V3'))
    """
    return {name: spec.but(source=source, channels=channels) for name, channels in groups.items()}


def regroup(record: Record, config: Preprocessing) -> Record:
    """Returns the record with the streams that ``config`` names, as far as it has them.

    A stream is picked from its source, unless the record already has one of its own name; a
    regrouped record is therefore left as it is.

    Raises:
        MedtsError: If the record has none of them.
    """
    streams: dict[str, Stream] = {}
    for name, spec in config.streams.items():
        if name in record.streams:
            streams[name] = record.streams[name]
        elif spec.source in record.streams:
            stored = record.streams[spec.source]
            streams[name] = stored.pick(tuple(c for c in spec.channels if c in stored.channels))
    if not streams:
        wanted = dict.fromkeys(spec.source or name for name, spec in config.streams.items())
        raise MedtsError(
            f"record {record.record_id!r} has no stream {', '.join(wanted)}",
            field="streams",
            remedy=f"It has {', '.join(record.streams)}",
        )
    return replace(record, streams=streams)


def preprocess(record: Record, config: Preprocessing) -> dict[str, PreparedStream]:
    """Returns the streams that ``config`` names, as far as the record has them.

    Raises:
        MedtsError: If the record has none of them, one of another modality or unit, nothing but
            absent channels, or streams of which no two overlap in time.
    """
    prepared = {
        name: prepare_stream(stream, config.streams[name], name=name)
        for name, stream in regroup(record, config).streams.items()
    }
    usable = {n: stream for n, stream in prepared.items() if stream.is_channel_present.any()}
    if not usable:
        wanted = sorted({name for spec in config.streams.values() for name in spec.channels})
        raise MedtsError(
            f"record {record.record_id!r} has no usable channel: each is missing, flat or NaN",
            field="channels",
            remedy=f"The model reads {', '.join(wanted)}",
        )
    _check_overlap(record.record_id, usable, config)
    return prepared


def _check_overlap(
    record_id: str, streams: dict[str, PreparedStream], config: Preprocessing
) -> None:
    """Makes sure that some two of several streams were recorded at the same time."""
    spans = sorted(
        (each.start_s, each.start_s + each.signal.shape[1] / config.streams[name].sampling_rate)
        for name, each in streams.items()
    )
    is_apart = all(a[1] <= b[0] for a, b in pairwise(spans))
    if len(spans) > 1 and is_apart:
        raise MedtsError(
            f"streams {', '.join(streams)} of record {record_id!r} do not overlap in time",
            field="start_s",
            remedy="Correct when they start, or give them as records of their own",
        )


def prepare_stream(stream: Stream, spec: StreamPreprocessing, *, name: str) -> PreparedStream:
    """Brings one stream to the model's channels, unit, rate, band and scale."""
    if stream.modality != spec.modality:
        raise MedtsError(
            f"stream {name!r} is {stream.modality}, the model reads {spec.modality}",
            field="modality",
        )
    stream = stream.to_unit(spec.unit)
    signal = np.zeros((len(spec.channels), stream.n_samples), dtype=np.float32)
    is_recorded = np.zeros(signal.shape, dtype=bool)
    for row, channel in enumerate(spec.channels):
        if channel in stream.channels:
            values = stream.signal[stream.channels.index(channel)]
            is_recorded[row] = np.isfinite(values)
            signal[row] = fill_gaps(values)
    # A constant level is a dead electrode, unless it is the level that is measured.
    is_level = spec.keeps_level & signal.any(axis=1)
    is_channel_present = (np.ptp(signal, axis=1) > 0) | is_level

    if not spec.keeps_level:
        signal -= np.median(signal, axis=1, keepdims=True)
    low_hz, high_hz = spec.low_hz, spec.high_hz
    if high_hz is not None and high_hz >= stream.sampling_rate / 2:
        high_hz = None  # the recorder has already removed what is above
    signal = bandpass(signal, stream.sampling_rate, low_hz=low_hz, high_hz=high_hz)
    signal = resample(signal, stream.sampling_rate, spec.sampling_rate)
    signal = np.clip(signal / np.float32(spec.scale), -spec.clip, spec.clip)

    is_recorded &= is_channel_present[:, None]
    at = np.arange(signal.shape[1]) * (stream.sampling_rate / spec.sampling_rate)
    is_recorded = is_recorded[:, np.rint(at).astype(int).clip(max=stream.n_samples - 1)]
    signal[~is_recorded] = 0.0
    is_whole = bool(is_recorded[is_channel_present].all())
    return PreparedStream(
        signal, is_channel_present, stream.start_s, None if is_whole else is_recorded
    )


def fill_gaps(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """Bridges samples that are not finite by straight lines; all zero where none is finite."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    if not is_finite.any():
        return np.zeros_like(values)
    at = np.arange(len(values))
    return np.interp(at, at[is_finite], values[is_finite]).astype(values.dtype)
