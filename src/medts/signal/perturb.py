"""Perturbations (corruptions) for robustness tests: noise, electrode swaps, gain, lost leads.

Pure functions that return a new record or stream in physical units; what was never recorded
(NaN) stays so. Noise takes its generator from the caller. Swapped electrodes are computed from
the potentials that the leads are differences of, not by renaming leads: with right and left arm
exchanged, I turns over, II and III change places, and so do aVR and aVL. Exchanges with the right
leg are left out, because no lead depends on its potential.

Axes: C channels, T samples in time.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, unknown_name
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.signal.dipole import ELECTRODES, LEADS
from medts.signal.filtering import resample
from medts.signal.preprocess import fill_gaps

NoiseKind = Literal["white", "wander", "mains", "muscle"]

_WANDER_HZ = (0.05, 0.5)
_MUSCLE_HZ = (20.0, 150.0)


def change_streams(
    record: Record, change: Callable[[Stream], Stream], *, modality: str | None = None
) -> Record:
    """Returns the record with every stream changed, or only those of one modality."""
    streams = {
        name: stream if modality not in (None, stream.modality) else change(stream)
        for name, stream in record.streams.items()
    }
    return replace(record, streams=streams)


def drop_streams(record: Record, names: Collection[str]) -> Record:
    """Returns the record without some of its streams; names that it lacks are ignored.

    Raises:
        MedtsError: If none would be left.
    """
    streams = {name: stream for name, stream in record.streams.items() if name not in names}
    if not streams:
        raise MedtsError(f"record {record.record_id!r} would have no stream left", field="streams")
    return replace(record, streams=streams)


def drop_channels(stream: Stream, channels: Collection[str]) -> Stream:
    """Returns the stream with some channels never recorded: NaN, as a loose electrode leaves."""
    is_dropped = np.isin(stream.channels, list(channels))
    signal = np.where(is_dropped[:, None], np.nan, stream.signal).astype(stream.signal.dtype)
    return replace(stream, signal=signal)


def shorten(record: Record, duration_s: float, start_s: float = 0.0) -> Record:
    """Returns ``duration_s`` seconds of the record, of every stream the same.

    Marks in time outside are left out, the others are counted from the new start.

    Raises:
        MedtsError: If no stream has a sample there.
    """
    streams = {}
    for name, stream in record.streams.items():
        first = max(0, round((start_s - stream.start_s) * stream.sampling_rate))
        stop = round((start_s + duration_s - stream.start_s) * stream.sampling_rate)
        if stop > first and first < stream.n_samples:
            signal = stream.signal[:, first:stop]
            begin_s = stream.start_s + first / stream.sampling_rate - start_s
            streams[name] = replace(stream, signal=signal, start_s=max(0.0, begin_s))
    if not streams:
        raise MedtsError(
            f"record {record.record_id!r} has nothing from {start_s} to {start_s + duration_s} s",
            field="duration_s",
            remedy=f"It lasts {record.duration_s:g} s",
        )
    annotations = tuple(
        replace(each, time_s=each.time_s - start_s)
        for each in record.annotations
        if start_s <= each.time_s < start_s + duration_s
    )
    return replace(record, streams=streams, annotations=annotations)


def scale_gain(stream: Stream, gain: float) -> Stream:
    """Returns the stream with every value multiplied, as a wrong calibration would."""
    resolution = None if stream.resolution is None else stream.resolution * gain
    signal = (stream.signal * gain).astype(stream.signal.dtype)
    return replace(stream, signal=signal, resolution=resolution)


def invert(stream: Stream, channels: Collection[str] | None = None) -> Stream:
    """Returns the stream with some channels, or all, upside down."""
    names = stream.channels if channels is None else list(channels)
    sign = np.where(np.isin(stream.channels, names), -1, 1).astype(stream.signal.dtype)
    return replace(stream, signal=stream.signal * sign[:, None])


def record_at(stream: Stream, sampling_rate: float) -> Stream:
    """Resamples a stream as a recorder of another rate would have; gaps stay gaps."""
    filled = np.stack([fill_gaps(row) for row in stream.signal])
    signal = resample(filled, stream.sampling_rate, sampling_rate)
    nearest = np.arange(signal.shape[1]) * stream.sampling_rate / sampling_rate
    nearest = np.minimum(nearest.round().astype(int), stream.n_samples - 1)
    signal[~np.isfinite(stream.signal)[:, nearest]] = np.nan
    return replace(stream, signal=signal, sampling_rate=sampling_rate)


def add_noise(
    stream: Stream,
    kind: NoiseKind,
    snr_db: float,
    rng: np.random.Generator,
    *,
    mains_hz: float = 50.0,
) -> Stream:
    """Adds noise at a signal-to-noise ratio (SNR), the same on every channel.

    ``white`` has all frequencies, ``wander`` those of breathing and moving (0.05-0.5 Hz),
    ``mains`` is a sine, ``muscle`` has 20-150 Hz. Channels are independent of each other, so the
    limb leads no longer fit together, as they do not on recorders that sample them apart.

    Args:
        stream: The clean signal; its power is its variance over time, per channel.
        kind: Which noise.
        snr_db: Ten times the logarithm of signal power over noise power.
        rng: Random generator.
        mains_hz: Frequency of the power supply.

    Raises:
        MedtsError: If the sampling rate is too low for the noise to be seen.
    """
    C, T = stream.signal.shape
    half_rate = stream.sampling_rate / 2
    least_hz = {"white": 0.0, "wander": _WANDER_HZ[0], "mains": mains_hz, "muscle": _MUSCLE_HZ[0]}
    if least_hz[kind] >= half_rate:
        raise MedtsError(
            f"{kind} noise from {least_hz[kind]:g} Hz cannot be seen at "
            f"{stream.sampling_rate:g} samples per second",
            field="sampling_rate",
        )
    if kind == "mains":
        time_s = np.arange(T) / stream.sampling_rate
        noise = np.sin(2 * np.pi * (mains_hz * time_s + rng.random((C, 1))))
    elif kind == "wander":
        time_s = np.arange(T) / stream.sampling_rate
        rate_hz = rng.uniform(*_WANDER_HZ, size=(3, C, 1))
        noise = np.sin(2 * np.pi * (rate_hz * time_s + rng.random((3, C, 1)))).sum(axis=0)
    else:
        noise = rng.standard_normal((C, T))
        if kind == "muscle":
            noise = _keep_band(noise, stream.sampling_rate, *_MUSCLE_HZ)
    is_recorded = np.isfinite(stream.signal)
    signal_power = _power(stream.signal, is_recorded)
    noise_power = _power(np.where(is_recorded, noise, np.nan), is_recorded)
    ratio = np.divide(
        signal_power, noise_power, out=np.zeros_like(noise_power), where=noise_power > 0
    )
    level = np.sqrt(ratio * 10 ** (-snr_db / 10))
    noisy = (stream.signal + noise * level[:, None]).astype(stream.signal.dtype)
    return replace(stream, signal=noisy)


def swap_electrodes(stream: Stream, first: str, second: str) -> Stream:
    """Electrode swap (lead reversal): an ECG as recorded with two electrodes exchanged.

    Every lead is computed from the leads that are there. Exchanges among the limbs, and among
    the chest electrodes, only turn leads over or move them, so they are exact.

    Args:
        stream: Some of the twelve standard leads.
        first: One of `ELECTRODES`.
        second: Another one.

    Raises:
        MedtsError: If an electrode is unknown, the stream has other leads than the twelve, or
            lacks leads that the exchange brings in.
    """
    for name in (first, second):
        if name not in ELECTRODES:
            raise unknown_name("electrode", name, ELECTRODES)
    others = [name for name in stream.channels if name not in STANDARD_12_LEADS]
    if others:
        problem = f"it is not known which electrodes {', '.join(others)} come from"
        remedy = f"Exchange electrodes of {', '.join(STANDARD_12_LEADS)} only"
        raise MedtsError(problem, field="channels", remedy=remedy)
    order = list(ELECTRODES)
    i, j = order.index(first), order.index(second)
    order[i], order[j] = order[j], order[i]
    rows = [STANDARD_12_LEADS.index(name) for name in stream.channels]
    present = LEADS[rows]
    wanted = present[:, [ELECTRODES.index(name) for name in order]]
    mixing = np.zeros((len(rows), len(rows)))
    for row, lead in enumerate(wanted):
        mixing[row] = _combine(present, lead, row)
    if not np.allclose(mixing @ present, wanted, atol=1e-9):
        lacking = np.abs(mixing @ present - wanted).max(axis=1) > 1e-9
        names = [stream.channels[row] for row in np.flatnonzero(lacking)]
        raise MedtsError(
            f"{', '.join(names)} with {first} and {second} exchanged is not determined by "
            f"{', '.join(stream.channels)}",
            field="channels",
            remedy="Two limb leads, and the chest leads in question, are needed",
        )
    signal = np.zeros_like(stream.signal)
    for row, weights in enumerate(mixing):
        used = np.flatnonzero(np.abs(weights) > 1e-12)
        signal[row] = (weights[used].astype(signal.dtype)[:, None] * stream.signal[used]).sum(0)
    return replace(stream, signal=signal)


def _combine(
    present: Float[np.ndarray, "C 9"], lead: Float[np.ndarray, "9"], row: int
) -> Float[np.ndarray, "C"]:
    """Returns weights that form a lead from those present: a single one if possible."""
    weights = np.zeros(len(present))
    for other in sorted(range(len(present)), key=lambda each: each != row):
        for sign in (1.0, -1.0):
            if np.allclose(lead, sign * present[other]):
                weights[other] = sign
                return weights
    return np.linalg.lstsq(present.T, lead, rcond=None)[0]


def _keep_band(
    noise: Float[np.ndarray, "C T"], sampling_rate: float, low_hz: float, high_hz: float
) -> Float[np.ndarray, "C T"]:
    frequency = np.fft.rfftfreq(noise.shape[1], 1 / sampling_rate)
    spectrum = np.fft.rfft(noise, axis=1)
    spectrum[:, (frequency < low_hz) | (frequency > high_hz)] = 0.0
    return np.fft.irfft(spectrum, n=noise.shape[1], axis=1)


def _power(signal: Float[np.ndarray, "C T"], is_recorded: np.ndarray) -> Float[np.ndarray, "C"]:
    """Returns the variance over recorded samples; zero where there is none."""
    count = np.maximum(is_recorded.sum(axis=1), 1)
    filled = np.where(is_recorded, signal, 0.0).astype(np.float64)
    centred = np.where(is_recorded, filled - (filled.sum(axis=1) / count)[:, None], 0.0)
    return (centred**2).sum(axis=1) / count
