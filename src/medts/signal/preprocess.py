"""Preprocessing: the way from a recording to what a model was trained on, as a value.

A bundle carries it, and training, prediction and serving replay the same function, so a model
never sees a band, rate, unit or channel order it does not know. Channels are taken by name.
What is not there is zero and marked absent: a lead that is missing, flat or not a number
carries no information.

Axes: C channels, T samples in time.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, model_validator

from medts.core.config import Config
from medts.core.errors import MedtsError
from medts.core.montage import STANDARD_12_LEADS, canonical_channel
from medts.core.records import Record, Stream
from medts.signal.filtering import bandpass, resample


class StreamPreprocessing(Config):
    """What one stream must look like when it reaches the model."""

    modality: str = "ecg"
    """Modality that the stream must have."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channel names in the order the model reads them."""

    unit: str = "mV"
    """Unit of the values before scaling."""

    sampling_rate: float = Field(default=100.0, gt=0)
    """Samples per second after resampling, Hz."""

    low_hz: float | None = Field(default=0.5, gt=0)
    """Lower edge of the pass band, Hz; none leaves the baseline as it is."""

    high_hz: float | None = Field(default=None, gt=0)
    """Upper edge of the pass band, Hz; resampling alone removes what is above half the rate."""

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
        return self


class Preprocessing(Config):
    """What every stream of a record must look like when it reaches the model."""

    streams: dict[str, StreamPreprocessing] = Field(
        default_factory=lambda: {"ecg": StreamPreprocessing()}, min_length=1
    )
    """By stream name; streams of a record that are not named here are not read."""


@dataclass(frozen=True)
class PreparedStream:
    """A stream as the model reads it: unit-less, in the model's channel order.

    Args:
        signal: Zero where a channel is absent or a sample was never recorded.
        is_channel_present: True for channels with information in them.
        start_s: Seconds from the start of the record to the first sample.
    """

    signal: Float[np.ndarray, "C T"]
    is_channel_present: Bool[np.ndarray, "C"]
    start_s: float = 0.0


def preprocess(record: Record, config: Preprocessing) -> dict[str, PreparedStream]:
    """Returns the streams that ``config`` names, as far as the record has them.

    Raises:
        MedtsError: If the record has none of them, or one of another modality or unit.
    """
    prepared = {
        name: prepare_stream(record.streams[name], spec, name=name)
        for name, spec in config.streams.items()
        if name in record.streams
    }
    if not prepared:
        raise MedtsError(
            f"record {record.record_id!r} has no stream {', '.join(config.streams)}",
            field="streams",
            remedy=f"It has {', '.join(record.streams)}",
        )
    if not any(stream.is_channel_present.any() for stream in prepared.values()):
        wanted = sorted({name for spec in config.streams.values() for name in spec.channels})
        raise MedtsError(
            f"record {record.record_id!r} has no usable channel: each is missing, flat or NaN",
            field="channels",
            remedy=f"The model reads {', '.join(wanted)}",
        )
    return prepared


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
    is_channel_present = np.ptp(signal, axis=1) > 0

    signal -= np.median(signal, axis=1, keepdims=True)
    low_hz, high_hz = spec.low_hz, spec.high_hz
    if high_hz is not None and high_hz >= stream.sampling_rate / 2:
        high_hz = None  # the recorder has already removed what is above
    signal = bandpass(signal, stream.sampling_rate, low_hz=low_hz, high_hz=high_hz)
    signal[~is_recorded] = 0.0
    signal[~is_channel_present] = 0.0
    signal = resample(signal, stream.sampling_rate, spec.sampling_rate)
    signal = np.clip(signal / np.float32(spec.scale), -spec.clip, spec.clip)
    return PreparedStream(signal, is_channel_present, start_s=stream.start_s)


def fill_gaps(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """Bridges samples that are not finite by straight lines; all zero where none is finite."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return values
    if not is_finite.any():
        return np.zeros_like(values)
    at = np.arange(len(values))
    return np.interp(at, at[is_finite], values[is_finite]).astype(values.dtype)
