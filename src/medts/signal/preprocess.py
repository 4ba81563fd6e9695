"""Preprocessing (channels, unit, resampling, band-pass, scaling) as a config kept with the weights.

A bundle carries it, and training, prediction and serving replay the same function, so a model
never sees a band, rate, unit or channel order it does not know. Channels are taken by name, and
may be regrouped: several streams of a model can be picked from one stream of the recording.

What is not there is zero and said to be absent: a stream that the recording lacks, a channel that
is missing, flat or not a number, a sample that was never recorded. Gaps are bridged by lines for
filters alone: a sample whose filtered value rests on a gap for the most part counts as never
recorded too (`is_mostly_recorded`). A flat channel is one that keeps a single value throughout the
record; it carries no information, whatever the value.

`prepare_stream` has two parts. `extend_stream` is NumPy on a whole stream: channels, unit, gaps,
level, rate, and a halo of mirrored samples at both ends. `filter_and_scale` is what an exported
graph does with a window and its halo: a convolution, a factor, limits, zeros. A window that is
filtered with its halo equals the same window of the filtered stream, so both ways are one.

Axes: C channels, T samples in time, P taps of a kernel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, field_validator, model_validator

from medts.core.config import Config
from medts.core.errors import MedtsError, NoSignalError
from medts.core.montage import STANDARD_12_LEADS, canonical_channel
from medts.core.records import Record, Stream
from medts.core.reports import ReportSettings
from medts.signal.filtering import (
    bandpass,
    convolve_valid,
    fir_taps,
    mirror_ends,
    resample,
    resampling_reach,
)

PREPROCESSING_VERSION = 3
"""Version of the arithmetic in this module; `Preprocessing` has the rule."""


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

    filter: Literal["fir", "butterworth"] = "fir"
    """A linear-phase FIR after resampling, or a zero-phase Butterworth (IIR) before it."""

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
        if self.low_hz is not None and self.low_hz >= self.sampling_rate / 2:
            raise ValueError(
                f"low_hz {self.low_hz} is not below half the sampling_rate {self.sampling_rate}"
            )
        return self

    @property
    def taps(self) -> Float[np.ndarray, "P"]:
        """Kernel at the model's rate; a single one where there is nothing left to filter."""
        if self.filter == "butterworth":
            return np.ones(1)
        return fir_taps(self.low_hz, self.high_hz, self.sampling_rate)

    @property
    def n_halo(self) -> int:
        """Samples that the kernel reads on either side of a window."""
        return len(self.taps) // 2

    @property
    def n_reach(self) -> int:
        """Samples on either side that count in a filtered one; of a Butterworth, as of the FIR."""
        return len(fir_taps(self.low_hz, self.high_hz, self.sampling_rate)) // 2


class Preprocessing(Config):
    """What every stream of a record must look like when it reaches the model.

    The version is raised by whoever changes this package such that the same settings give other
    numbers, beyond rounding. Settings written under another version are refused, for weights that
    were trained on other numbers fit no longer: the remedy is to train again.
    """

    version: int = PREPROCESSING_VERSION
    """Version of the arithmetic; settings of another version are refused."""

    streams: dict[str, StreamPreprocessing] = Field(
        default_factory=lambda: {"ecg": StreamPreprocessing()}
    )
    """By stream name; streams of a record that are not named here are not read. None where
    reports alone are."""

    reports: ReportSettings | None = None
    """How reports are cleaned for models that read them; none gives them as they were written."""

    @field_validator("version")
    @classmethod
    def _is_this_version(cls, version: int) -> int:
        if version != PREPROCESSING_VERSION:
            raise ValueError(
                f"preprocessing of version {version} is computed differently in this version, "
                f"{PREPROCESSING_VERSION}: train the model again"
            )
        return version


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
        NoSignalError: If the record has nothing but absent channels.
        MedtsError: If it has none of the streams, one of another modality or unit, or streams of
            which no two overlap in time.
    """
    prepared = {
        name: prepare_stream(stream, config.streams[name], name=name)
        for name, stream in regroup(record, config).streams.items()
    }
    usable = {n: stream for n, stream in prepared.items() if stream.is_channel_present.any()}
    if not usable:
        wanted = sorted({name for spec in config.streams.values() for name in spec.channels})
        raise NoSignalError(
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
    extended = extend_stream(stream, spec, name=name)
    return PreparedStream(
        signal=filter_and_scale(extended.signal, spec, is_recorded=extended.is_recorded),
        is_channel_present=extended.is_channel_present,
        start_s=extended.start_s,
        is_recorded=extended.is_recorded,
    )


@dataclass(frozen=True)
class ExtendedStream:
    """A stream before its filter: at the model's rate, with a halo of samples at both ends.

    Args:
        signal: In the unit of the settings; zero where a channel is absent, bridged in gaps.
        is_channel_present: True for channels with information in them.
        start_s: Seconds from the start of the record to the first sample after the halo.
        is_recorded: Without halo; None where no present channel has a gap.
    """

    signal: Float[np.ndarray, "C T2"]
    is_channel_present: Bool[np.ndarray, "C"]
    start_s: float = 0.0
    is_recorded: Bool[np.ndarray, "C T"] | None = None


def extend_stream(stream: Stream, spec: StreamPreprocessing, *, name: str) -> ExtendedStream:
    """Brings one stream to the model's channels, unit and rate: the part outside of any graph.

    The level goes here, by the median of what was recorded: under a high-pass it would go anyway,
    but single precision is kept for the signal. A Butterworth filter is applied here too.

    Raises:
        MedtsError: If the stream has another modality or unit, or is too slow for the pass band.
    """
    if stream.modality != spec.modality:
        raise MedtsError(
            f"stream {name!r} is {stream.modality}, the model reads {spec.modality}",
            field="modality",
        )
    if spec.low_hz is not None and spec.low_hz >= stream.sampling_rate / 2:
        raise MedtsError(
            f"filter edge {spec.low_hz} Hz is not between 0 and {stream.sampling_rate / 2} Hz: "
            f"stream {name!r} holds nothing that the model reads",
            remedy="Give a recording with a higher sampling rate",
        )
    signal, is_channel_present, is_finite = _pick(stream.to_unit(spec.unit), spec)
    if spec.filter == "butterworth":
        high_hz = spec.high_hz
        if high_hz is not None and high_hz >= stream.sampling_rate / 2:
            high_hz = None  # the recorder has already removed what is above
        signal = bandpass(signal, stream.sampling_rate, low_hz=spec.low_hz, high_hz=high_hz)
    signal = resample(signal, stream.sampling_rate, spec.sampling_rate)

    is_recorded = None
    if is_finite:
        ratio = stream.sampling_rate / spec.sampling_rate
        nearest = np.rint(np.arange(signal.shape[1]) * ratio).astype(int)
        nearest = nearest.clip(max=stream.n_samples - 1)
        n_near = resampling_reach(stream.sampling_rate, spec.sampling_rate)
        is_recorded = np.repeat(is_channel_present[:, None], signal.shape[1], axis=1)
        for row, is_finite_there in is_finite.items():
            is_near = is_mostly_recorded(is_finite_there, n_near)[nearest]
            is_recorded[row] &= is_mostly_recorded(is_near, spec.n_reach)
        is_channel_present &= is_recorded.any(axis=1)
        signal[~is_channel_present] = 0.0
        if is_recorded[is_channel_present].all():
            is_recorded = None
    signal = mirror_ends(signal, spec.n_halo)
    return ExtendedStream(signal, is_channel_present, stream.start_s, is_recorded)


def _pick(
    stream: Stream, spec: StreamPreprocessing
) -> tuple[Float[np.ndarray, "C T"], Bool[np.ndarray, "C"], dict[int, np.ndarray]]:
    """Returns the model's channels without gaps and level, which are present, and what is finite.

    The last holds the channels with gaps alone.
    """
    signal = np.zeros((len(spec.channels), stream.n_samples), dtype=np.float32)
    is_finite: dict[int, np.ndarray] = {}
    for row, channel in enumerate(spec.channels):
        if channel in stream.channels:
            values = stream.signal[stream.channels.index(channel)]
            signal[row] = fill_gaps(values)
            if not np.isfinite(values).all():
                is_finite[row] = np.isfinite(values)
    # A constant level is a dead electrode, unless it is the level that is measured.
    is_level = spec.keeps_level & signal.any(axis=1)
    is_channel_present = (np.ptp(signal, axis=1) > 0) | is_level
    if not spec.keeps_level:
        level = np.median(signal, axis=1, keepdims=True)
        for row in is_finite.keys() & np.flatnonzero(is_channel_present):
            level[row] = np.median(signal[row, is_finite[row]])
        signal -= level
    signal[~is_channel_present] = 0.0
    return signal, is_channel_present, is_finite


def filter_and_scale(
    signal: Float[np.ndarray, "C T2"],
    spec: StreamPreprocessing,
    *,
    is_recorded: Bool[np.ndarray, "C T"] | None = None,
) -> Float[np.ndarray, "C T"]:
    """Applies FIR filter, scale and limits to a signal with its halo: what a graph holds.

    Args:
        signal: With `StreamPreprocessing.n_halo` samples before and after what is wanted.
        spec: Settings of the stream.
        is_recorded: Zero results where it is False.
    """
    signal = convolve_valid(signal, spec.taps)
    signal = np.clip(signal / np.float32(spec.scale), -spec.clip, spec.clip)
    if is_recorded is not None:
        signal[~is_recorded] = 0.0
    return signal


def window_with_halo(
    extended: ExtendedStream, spec: StreamPreprocessing, *, first: int, n_samples: int
) -> tuple[Float[np.ndarray, "C T2"], Bool[np.ndarray, "C T"]]:
    """Cuts the input of `filter_and_scale` for a window out of a stream; outside of it is nothing.

    Args:
        extended: From `extend_stream`.
        spec: Settings of the stream.
        first: Sample of the stream at which the window starts; may be negative.
        n_samples: Length of the window without halo.
    """
    n_channels, n_extended = extended.signal.shape
    n_halo, n_stream = spec.n_halo, n_extended - 2 * spec.n_halo
    signal = np.zeros((n_channels, n_samples + 2 * n_halo), dtype=extended.signal.dtype)
    is_recorded = np.zeros((n_channels, n_samples), dtype=bool)
    low, high = max(0, first), min(n_extended, first + n_samples + 2 * n_halo)
    if low < high:
        signal[:, low - first : high - first] = extended.signal[:, low:high]
    low, high = max(0, first), min(n_stream, first + n_samples)
    if low < high:
        here = extended.is_channel_present[:, None]
        if extended.is_recorded is not None:
            here = extended.is_recorded[:, low:high]
        is_recorded[:, low - first : high - first] = here
    return signal, is_recorded


def is_mostly_recorded(is_recorded: Bool[np.ndarray, "T"], n_reach: int) -> Bool[np.ndarray, "T"]:
    """Whether a sample was recorded, and half of those that a filter reads around it or more.

    Args:
        is_recorded: Of one channel, which is mirrored at both ends as the filter does it.
        n_reach: Samples that count on either side.
    """
    if n_reach == 0:
        return is_recorded
    around = mirror_ends(is_recorded[None], n_reach)[0]
    n_before = np.concatenate(([0], np.cumsum(around)))
    n_read = 2 * n_reach + 1
    return is_recorded & (2 * (n_before[n_read:] - n_before[:-n_read]) >= n_read)


def fill_gaps(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """Bridges samples that are not finite by straight lines; all zero where none is finite."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    if not is_finite.any():
        return np.zeros_like(values)
    # Only what borders on a gap is looked up, which spares a long recording its memory.
    is_border = is_finite.copy()
    is_border[1:-1] &= ~(is_finite[:-2] & is_finite[2:])
    borders, missing = np.flatnonzero(is_border), np.flatnonzero(~is_finite)
    filled = values.copy()
    filled[missing] = np.interp(missing, borders, values[borders])
    return filled
