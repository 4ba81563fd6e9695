"""Hand-crafted features: heart rate variability, QRS duration, wave amplitudes, band powers.

A logistic regression on these is the control that a learnt embedding has to beat. Of an ECG: rate
and its variability, the width of the QRS, and in every lead the waves of the median beat; of any
channel of any modality: moments, and power in the bands usual for its modality. What cannot be
measured is NaN, never zero, and the names depend only on the channels, so records make a table.

Axes: C channels, T samples in time, N beats, P samples of a beat.
"""

import numpy as np
from jaxtyping import Float, Int

from medts.core.montage import guess_modality
from medts.core.records import Record, Stream
from medts.core.units import UNIT_OF
from medts.signal.beats import find_r_peaks
from medts.signal.filtering import bandpass
from medts.signal.preprocess import fill_gaps

BANDS_HZ: dict[str, tuple[tuple[float, float], ...]] = {
    "ecg": ((0.5, 5.0), (5.0, 15.0), (15.0, 40.0)),
    "eeg": ((0.5, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 45.0)),
    "eog": ((0.5, 2.0), (2.0, 8.0), (8.0, 30.0)),
    "emg": ((10.0, 40.0), (40.0, 100.0)),
    "ppg": ((0.1, 0.5), (0.5, 3.0), (3.0, 8.0)),
    "resp": ((0.05, 0.15), (0.15, 0.5), (0.5, 2.0)),
}
"""Bands by modality; `OTHER_BANDS_HZ` for those not named."""

OTHER_BANDS_HZ = ((0.1, 0.5), (0.5, 3.0), (3.0, 8.0), (8.0, 20.0))

_BEFORE_S, _AFTER_S = 0.25, 0.50
_RHYTHM: tuple[str, ...] = ("rate_bpm", "sdnn_ms", "rmssd_ms", "pnn50_ratio")
_WAVES = ("r_mv", "s_mv", "st_mv", "t_mv")


def signal_features(
    record: Record, channels: dict[str, tuple[str, ...]] | None = None
) -> dict[str, float]:
    """Returns the features of every stream, named ``stream.feature`` or ``stream.channel.feature``.

    >>> signal_features(record)["ecg.rate_bpm"]  # doctest: +SKIP
    72.3

    Args:
        record: A recording.
        channels: By stream, those to describe, so that all records get the same names; what a
            record lacks is NaN. All that it has if not given.

    Raises:
        MedtsError: If an ECG is no voltage, or slower than 50 Hz.
    """
    if channels is None:
        channels = {name: stream.channels for name, stream in record.streams.items()}
    features: dict[str, float] = {}
    for name, wanted in channels.items():
        stream = _in_order(record.streams.get(name) or _nothing(name, wanted), wanted)
        of_stream = (ecg_features if stream.modality == "ecg" else channel_features)(stream)
        features |= {f"{name}.{key}": value for key, value in of_stream.items()}
    return features


def ecg_features(stream: Stream) -> dict[str, float]:
    """Returns rhythm, QRS duration, the waves of each lead's median beat, moments and powers.

    Amplitudes are in mV against the level just before the QRS: ``r_mv`` and ``s_mv`` the highest
    and lowest point of the QRS, ``st_mv`` 60 ms after its end, ``t_mv`` the largest deflection
    after that, with its sign. Variability is over all beats, ectopic ones included.

    Raises:
        MedtsError: If the stream is no voltage, or slower than 50 Hz.
    """
    stream = stream.to_unit("mV")
    r_peaks = find_r_peaks(stream.signal, stream.sampling_rate)
    features = rhythm_features(r_peaks / stream.sampling_rate)
    features |= wave_features(stream, r_peaks)
    return features | channel_features(stream)


def rhythm_features(r_s: Float[np.ndarray, "N"]) -> dict[str, float]:
    """Heart rate and its variability (SDNN, RMSSD, pNN50); NaN where beats are too few."""
    features: dict[str, float] = dict.fromkeys(_RHYTHM, np.nan)
    rr_ms = 1000 * np.diff(r_s)
    if len(rr_ms) >= 1:
        features["rate_bpm"] = float(60_000 / rr_ms.mean())
    if len(rr_ms) >= 2:
        steps_ms = np.diff(rr_ms)
        features["sdnn_ms"] = float(rr_ms.std(ddof=1))
        features["rmssd_ms"] = float(np.sqrt((steps_ms**2).mean()))
        features["pnn50_ratio"] = float((np.abs(steps_ms) > 50).mean())
    return features


def wave_features(stream: Stream, r_peaks: Int[np.ndarray, "N"]) -> dict[str, float]:
    """Returns the QRS duration in ms and, per lead, the waves of the median beat in mV."""
    names = [f"{channel}.{wave}" for channel in stream.channels for wave in _WAVES]
    features = dict.fromkeys(["qrs_ms", *names], np.nan)
    beat = median_beat(stream, r_peaks)
    if not np.isfinite(beat).any():
        return features
    rate = stream.sampling_rate
    onset, end = qrs_bounds(beat, rate)
    features["qrs_ms"] = 1000 * (end - onset) / rate
    level_from = max(0, onset - round(0.04 * rate))
    st_at = min(beat.shape[1] - 1, end + round(0.06 * rate))
    for channel, lead in zip(stream.channels, beat, strict=True):
        if np.isfinite(lead).any():
            lead = lead - np.median(lead[level_from : onset + 1])
            qrs, t_wave = lead[onset : end + 1], lead[st_at:]
            waves = (qrs.max(), qrs.min(), lead[st_at], t_wave[np.argmax(np.abs(t_wave))])
            for wave, value in zip(_WAVES, waves, strict=True):
                features[f"{channel}.{wave}"] = float(value)
    return features


def median_beat(stream: Stream, r_peaks: Int[np.ndarray, "N"]) -> Float[np.ndarray, "C P"]:
    """Returns each lead's median over beats, from 250 ms before the R-peak to 500 ms after.

    A lead that is flat or absent is NaN, and so is all where no beat lies wholly inside.
    """
    rate, n_samples = stream.sampling_rate, stream.n_samples
    before, after = round(_BEFORE_S * rate), round(_AFTER_S * rate)
    beats = np.full((len(stream.channels), before + after), np.nan)
    inside = r_peaks[(r_peaks >= before) & (r_peaks + after <= n_samples)]
    if not len(inside):
        return beats
    for row, values in enumerate(stream.signal):
        filled = fill_gaps(values.astype(np.float64))
        if np.ptp(filled) > 0:
            high_hz = 40.0 if rate > 80 else None
            smooth = bandpass(filled[None], rate, low_hz=0.3, high_hz=high_hz)[0]
            beats[row] = np.median([smooth[r - before : r + after] for r in inside], axis=0)
    return beats


def qrs_bounds(beat: Float[np.ndarray, "C P"], sampling_rate: float) -> tuple[int, int]:
    """QRS onset and offset of a median beat, by steepness.

    Steepness is the length of the step in the space of all leads. The QRS reaches out from its
    steepest point for as long as 7 % of that is exceeded within the next 16 ms. Of every fourth
    LUDB record the duration so found is within 8 ms of the marked one in half of them.
    """
    leads = beat[np.isfinite(beat).all(axis=1)]
    steepness = np.sqrt((np.gradient(leads, axis=1) ** 2).sum(axis=0))
    centre = round(_BEFORE_S * sampling_rate)
    reach = round(0.12 * sampling_rate)
    near = steepness[centre - reach : centre + reach + 1]
    steepest = centre - reach + int(np.argmax(near))
    is_steep = steepness > 0.07 * near.max()
    gap = max(1, round(0.016 * sampling_rate))
    onset = end = steepest
    while onset > 0 and is_steep[max(0, onset - gap) : onset].any():
        onset -= 1
    while end < len(steepness) - 1 and is_steep[end + 1 : end + 1 + gap].any():
        end += 1
    return onset, end


def channel_features(stream: Stream) -> dict[str, float]:
    """Returns moments of each channel and the logarithm of its power in the modality's bands.

    ``sd`` and ``log10_power`` are in the unit of the stream and its square; ``skewness`` and
    ``kurtosis`` have none. A band that the sampling rate cannot hold is NaN.
    """
    from scipy import stats  # slow to import, and read by this control alone

    bands = BANDS_HZ.get(stream.modality, OTHER_BANDS_HZ)
    features: dict[str, float] = {}
    for channel, values in zip(stream.channels, stream.signal, strict=True):
        names = ["sd", "skewness", "kurtosis"]
        names += [f"log10_power_{low:g}_{high:g}_hz" for low, high in bands]
        numbers = [np.nan] * len(names)
        filled = fill_gaps(values.astype(np.float64))
        if len(filled) > 1 and np.ptp(filled) > 0:
            numbers = [filled.std(), stats.skew(filled), stats.kurtosis(filled)]
            numbers += band_powers(filled, stream.sampling_rate, bands)
        features |= {f"{channel}.{k}": float(v) for k, v in zip(names, numbers, strict=True)}
    return features


def band_powers(
    values: Float[np.ndarray, "T"],
    sampling_rate: float,
    bands_hz: tuple[tuple[float, float], ...],
) -> list[float]:
    """Band powers (log10) by Welch's method on pieces of four seconds."""
    from scipy import signal as dsp  # slow to import, and read by this control alone

    n_piece = min(len(values), round(4 * sampling_rate))
    at_hz, density = dsp.welch(values, fs=sampling_rate, nperseg=n_piece)
    powers = []
    for low_hz, high_hz in bands_hz:
        is_inside = (at_hz >= low_hz) & (at_hz < high_hz)
        if high_hz > sampling_rate / 2 or not is_inside.any():
            powers.append(np.nan)
        else:
            power = density[is_inside].sum() * (at_hz[1] - at_hz[0])
            powers.append(float(np.log10(max(power, 1e-12))))
    return powers


def _nothing(name: str, channels: tuple[str, ...]) -> Stream:
    """Empty stream for one that a record lacks; its name gives the modality, or its channels."""
    modality = name if name in UNIT_OF else guess_modality(channels[0])
    signal = np.zeros((len(channels), 0), dtype=np.float32)
    return Stream(signal, channels, 100.0, modality, UNIT_OF[modality])


def _in_order(stream: Stream, channels: tuple[str, ...]) -> Stream:
    """Returns the named channels in that order, NaN where the stream has none of that name."""
    if stream.channels == channels:
        return stream
    signal = np.full((len(channels), stream.n_samples), np.nan, dtype=stream.signal.dtype)
    for row, channel in enumerate(channels):
        if channel in stream.channels:
            signal[row] = stream.signal[stream.channels.index(channel)]
    return Stream(signal, channels, stream.sampling_rate, stream.modality, stream.unit)
