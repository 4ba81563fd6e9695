"""ECG measurements: rate, HRV, PR, QRS, QT, QTc, electrical axis, ST and T by lead.

Intervals are global, on the median beat of all leads (`medts.signal.median_beat`), as
electrocardiographs measure them; waves are bounded by `medts.signal.delineation`. What the quality
of a recording does not allow is NaN, never a guess. Agreement with LUDB, neurokit2 and the
measurements of carts: `docs/measurements.md`.

Axes: C channels, N beats.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from medts.core.answer import Measurement
from medts.core.errors import MedtsError
from medts.core.records import Record, Stream
from medts.signal.delineation import MOST_IRREGULAR, Waves, delineate, irregularity
from medts.signal.median_beat import ALIKE, MedianBeat, find_median_beat
from medts.signal.quality import Quality, judge, shows_beats

UNITS = {
    "rate_bpm": "bpm",
    "rr_ms": "ms",
    "sdnn_ms": "ms",
    "rmssd_ms": "ms",
    "pnn50_ratio": "",
    "p_ms": "ms",
    "pr_ms": "ms",
    "qrs_ms": "ms",
    "qt_ms": "ms",
    "qtc_bazett_ms": "ms",
    "qtc_fridericia_ms": "ms",
    "axis_deg": "°",
    "st_mv": "mV",
    "t_mv": "mV",
}
"""What is measured, with its unit; the last two by lead."""

_ST_AFTER_J_S = 0.06


@dataclass(frozen=True)
class Measurements:
    """What was measured on an ECG; NaN where quality, or the rhythm, does not allow it.

    Args:
        rate_bpm: Mean heart rate.
        rr_ms: Mean interval between beats.
        sdnn_ms: Standard deviation of intervals between normal beats.
        rmssd_ms: Root mean square of successive differences of them.
        pnn50_ratio: Share of successive differences above 50 ms.
        p_ms: Duration of the P wave.
        pr_ms: From the onset of P to that of the QRS.
        qrs_ms: Duration of the QRS.
        qt_ms: From the onset of the QRS to the end of T.
        qtc_bazett_ms: QT corrected for the rate, by the square root of RR.
        qtc_fridericia_ms: QT corrected for the rate, by the cube root of RR.
        axis_deg: Electrical axis of the QRS in the frontal plane; 0 is left, 90 down.
        st_mv: By lead, the level 60 ms after the J point against that before the QRS.
        t_mv: By lead, the largest deflection of T against that level.
        r_s: Seconds from the start of the record to every R-peak.
        r_similarity: By beat, the correlation of its QRS with the dominant one; NaN at the edges.
        quality: Of the recording.
        channels: Leads that were measured.
        beat: Their median beat.
        waves: Bounds of its waves.
    """

    quality: Quality
    rate_bpm: float = np.nan
    rr_ms: float = np.nan
    sdnn_ms: float = np.nan
    rmssd_ms: float = np.nan
    pnn50_ratio: float = np.nan
    p_ms: float = np.nan
    pr_ms: float = np.nan
    qrs_ms: float = np.nan
    qt_ms: float = np.nan
    qtc_bazett_ms: float = np.nan
    qtc_fridericia_ms: float = np.nan
    axis_deg: float = np.nan
    st_mv: dict[str, float] = field(default_factory=dict)
    t_mv: dict[str, float] = field(default_factory=dict)
    r_s: Float[np.ndarray, "N"] = field(default_factory=lambda: np.zeros(0))
    r_similarity: Float[np.ndarray, "N"] = field(default_factory=lambda: np.zeros(0))
    channels: tuple[str, ...] = ()
    beat: MedianBeat | None = None
    waves: Waves | None = None

    def values(self) -> Iterator[Measurement]:
        """Yields every number that is known, as the answer of a model holds it."""
        for name, unit in UNITS.items():
            found = getattr(self, name)
            by_channel = found if isinstance(found, dict) else {None: found}
            for channel, value in by_channel.items():
                if np.isfinite(value):
                    yield Measurement(name=name, value=float(value), unit=unit, channel=channel)


def measure(record: Record, *, quality: Quality | None = None) -> Measurements:
    """Measures the ECG of a record: rate, variability, intervals, axis, and ST and T by lead.

    >>> found = medts.measure(medts.read("ecg.hea"))  # doctest: +SKIP
    >>> found.rate_bpm, found.qtc_fridericia_ms  # doctest: +SKIP
    (71.6, 412.0)

    Args:
        record: A recording with an ECG of any number of leads.
        quality: Of the record, where it is known already.

    Raises:
        MedtsError: If the record holds no ECG in volts.
    """
    name, stream = _ecg(record)
    quality = quality or judge(record)
    prefix = f"{name}/" if len(record.streams) > 1 else ""
    findings = {each: quality.findings.get(prefix + each) for each in stream.channels}
    good = [each for each, has in findings.items() if has is not None and shows_beats(has)]
    upright = [each for each in good if quality.is_channel_usable(prefix + each)]
    found = Measurements(quality)
    if not good:
        return found
    stream = _at_most_500_hz(stream.pick(tuple(good)).to_unit("mV"))
    beat = find_median_beat(stream.signal, stream.sampling_rate)
    if beat is None:
        return found
    rhythm = _rhythm(beat)
    if beat.is_dominant.sum() < 3:
        return replace(found, rate_bpm=rhythm["rate_bpm"], rr_ms=rhythm["rr_ms"])
    waves = delineate(beat)
    limbs_are_right = not any(" arm" in each for each in quality.exchanged)
    return replace(
        found,
        **rhythm,
        **_intervals(waves, beat.sampling_rate, rhythm["rr_ms"]),
        **_by_lead(beat, waves, stream.channels, upright),
        axis_deg=_axis(beat, waves, stream.channels, upright) if limbs_are_right else np.nan,
        r_s=beat.r_peaks / beat.sampling_rate + stream.start_s,
        r_similarity=beat.similarity,
        channels=stream.channels,
        beat=beat,
        waves=waves,
    )


def measurements_of(record: Record, quality: Quality) -> tuple[Measurement, ...]:
    """Returns what can be measured on a record; nothing where it has no ECG in volts."""
    if not any(_is_ecg(stream) for stream in record.streams.values()):
        return ()
    return tuple(measure(record, quality=quality).values())


def _is_ecg(stream: Stream) -> bool:
    return stream.modality == "ecg" and stream.unit.endswith("V")


def _ecg(record: Record) -> tuple[str, Stream]:
    """Returns the first ECG of a record, by name and value."""
    for name, stream in record.streams.items():
        if _is_ecg(stream):
            return name, stream
    raise MedtsError(
        f"record {record.record_id!r} holds no ECG in volts to measure",
        field="streams",
        remedy=f"It has {', '.join(record.streams)}",
    )


def _at_most_500_hz(stream: Stream) -> Stream:
    n_mean = max(1, round(stream.sampling_rate / 500))
    n_blocks = stream.n_samples // n_mean
    if n_mean == 1:
        return stream
    blocks = stream.signal[:, : n_blocks * n_mean].reshape(len(stream.signal), n_blocks, n_mean)
    rate = stream.sampling_rate / n_mean
    return replace(stream, signal=blocks.mean(axis=2), sampling_rate=rate)


def _rhythm(beat: MedianBeat) -> dict[str, float]:
    """Returns rate and variability; the latter of intervals between normal beats (NN) alone.

    A beat of another shape is not normal, nor is an interval that differs by a fifth from those
    around it (Malik et al., Eur. Heart J. 10:1060, 1989), unless the rhythm is irregular as such.
    """
    rr_ms = 1000 * np.diff(beat.r_peaks) / beat.sampling_rate
    is_other = beat.similarity <= ALIKE
    is_normal = ~(is_other[1:] | is_other[:-1])
    if irregularity(beat) < MOST_IRREGULAR:
        around = np.median(sliding_window_view(np.pad(rr_ms, 5, mode="symmetric"), 11), axis=1)
        is_normal &= np.abs(rr_ms - around) < 0.2 * around
    steps_ms = np.diff(rr_ms)[is_normal[1:] & is_normal[:-1]]
    found = {"rate_bpm": 60_000 / rr_ms.mean(), "rr_ms": rr_ms.mean()}
    if is_normal.sum() >= 3 and len(steps_ms) >= 2:
        found["sdnn_ms"] = rr_ms[is_normal].std(ddof=1)
        found["rmssd_ms"] = np.sqrt((steps_ms**2).mean())
        found["pnn50_ratio"] = (np.abs(steps_ms) > 50).mean()
    return {name: float(value) for name, value in found.items()}


def _intervals(waves: Waves, rate: float, rr_ms: float) -> dict[str, float]:
    found = {"qrs_ms": waves.qrs_end - waves.qrs_onset}
    if waves.p_onset is not None and waves.p_end is not None:
        found["p_ms"] = waves.p_end - waves.p_onset
        found["pr_ms"] = waves.qrs_onset - waves.p_onset
    if waves.t_end is not None:
        found["qt_ms"] = waves.t_end - waves.qrs_onset
        rr_s = rr_ms / 1000
        found["qtc_bazett_ms"] = found["qt_ms"] / rr_s**0.5
        found["qtc_fridericia_ms"] = found["qt_ms"] / rr_s ** (1 / 3)
    return {name: 1000 * each / rate for name, each in found.items()}


def _by_lead(
    beat: MedianBeat, waves: Waves, channels: tuple[str, ...], upright: list[str]
) -> dict[str, dict[str, float]]:
    """Returns the ST level and the amplitude of T of every lead that is not upside down."""
    st_at = waves.qrs_end + round(_ST_AFTER_J_S * beat.sampling_rate)
    if st_at >= beat.signal.shape[1]:
        return {}
    rows = [channels.index(each) for each in upright]
    signal = beat.signal[rows] - _level_before_qrs(beat, waves)[rows, None]
    found = {"st_mv": dict(zip(upright, signal[:, st_at].tolist(), strict=True))}
    if waves.t_end is not None and waves.t_end > st_at:
        t_wave = signal[:, st_at : waves.t_end + 1]
        largest = np.take_along_axis(t_wave, np.abs(t_wave).argmax(axis=1)[:, None], axis=1)
        found["t_mv"] = dict(zip(upright, largest[:, 0].tolist(), strict=True))
    return found


def _axis(beat: MedianBeat, waves: Waves, channels: tuple[str, ...], upright: list[str]) -> float:
    """Returns the angle of the net area of the QRS in leads I and aVF, the latter from I and II."""
    if not {"I", "II"} <= set(upright):
        return np.nan
    qrs = beat.signal[:, waves.qrs_onset : waves.qrs_end + 1]
    area = (qrs - _level_before_qrs(beat, waves)[:, None]).sum(axis=1)
    left, down = float(area[channels.index("I")]), float(area[channels.index("II")])
    return float(np.degrees(np.arctan2((2 * down - left) / np.sqrt(3), left)))


def _level_before_qrs(beat: MedianBeat, waves: Waves) -> Float[np.ndarray, "C"]:
    first = max(0, waves.qrs_onset - round(0.02 * beat.sampling_rate))
    return beat.signal[:, first : waves.qrs_onset + 1].mean(axis=1)
