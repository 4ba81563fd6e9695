"""Signal quality index (SQI) of every channel: what is wrong with a recording, before a model.

An ECG is examined in windows of ten seconds for flat lines, clipping (saturation), noise, drift,
loose electrodes, powerline hum, inverted leads and missing beats, and over its leads for
interchanged electrodes (`medts.signal.interchange`). EEG, motion and all else are examined for
flat lines, clipping, hum and gaps. "Not judged" differs from "no finding": what is empty, too
short, or of an amplitude that no body has (a wrong unit) is named and not judged.

Beats that resemble each other tell signal from noise, as in the template matching of Orphanidou
et al. (IEEE J. Biomed. Health Inform. 19:832, 2015). Thresholds were chosen on PTB-XL folds 1-4
and a part of CinC 2017; what they do on other records stands in `docs/quality.md`.

Axes: C channels, T samples in time, W windows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from medts.core.answer import ChannelQuality
from medts.core.records import Record, Stream
from medts.core.units import UNIT_OF
from medts.signal.beats import LOWEST_RATE_HZ
from medts.signal.interchange import find_interchange
from medts.signal.median_beat import ALIKE, MedianBeat, find_median_beat
from medts.signal.preprocess import fill_gaps

FINDINGS = {
    "flat": "flat line",
    "gap": "samples are missing",
    "clipped": "cut off at the limit of the recorder",
    "detached": "loose electrode: jumps or out of range",
    "noise": "noise hides the beats",
    "no_beats": "no beats recognised",
    "inverted": "upside down",
    "drift": "baseline drift",
    "powerline": "mains hum",
}
"""What can be found in a channel, in words, the gravest first."""

SEVERE = frozenset({"flat", "gap", "clipped", "detached", "noise", "no_beats", "inverted"})
"""Findings for which a channel should not be relied on, where half of the windows have them."""

WINDOW_S = 10.0
MOST_WINDOWS = 30
"""Of a longer recording so many windows are examined, at even distances."""

_SHORTEST_S = {"ecg": 2.5, "eeg": 1.0}
_PLAUSIBLE = {"ecg": (0.01, 30.0), "eeg": (0.5, 5000.0)}
"""Swing within two seconds that a body can have, in the unit of the modality."""

_HUM = {"ecg": 0.02, "eeg": 10.0, "emg": 10.0, "eog": 10.0}
"""Amplitude from which powerline hum is stated, in the unit of the modality."""

_LEAST_SWING_MV, _MOST_NOISE_MV = 0.03, 0.05
_LEAST_CLEARNESS = 4.0
"""Height of a QRS against what differs from beat to beat (root mean square)."""

_UPRIGHT = ("I", "II", "MLII", "ECG", "V5", "V6")
"""Leads in which P, QRS and T usually point up."""

_STEADY = ("temp", "spo2", "hr")
"""Modalities whose numbers may stand still."""


@dataclass(frozen=True)
class Quality:
    """Signal quality of a record, by channel and as a whole.

    A channel is named ``stream/channel`` where the record has several streams.

    Args:
        findings: For every channel that was judged, the share of its windows with each of
            `FINDINGS`.
        not_judged: Why a channel was not judged.
        exchanged: Which electrodes seem to be exchanged, in words.
        is_usable: False where too few channels can be relied on, limb electrodes are exchanged, or
            nothing could be judged. An inverted channel still shows the rhythm.
        reasons: Why it is not usable.
    """

    findings: dict[str, dict[str, float]] = field(default_factory=dict)
    not_judged: dict[str, str] = field(default_factory=dict)
    exchanged: tuple[str, ...] = ()
    is_usable: bool = True
    reasons: tuple[str, ...] = ()

    def is_channel_usable(self, channel: str) -> bool:
        """Whether a channel was judged and has no severe finding in half of its windows."""
        return channel in self.findings and is_reliable(self.findings[channel])

    def problems(self, channel: str) -> tuple[str, ...]:
        """Returns the findings of a channel, or why it was not judged, in words."""
        if channel in self.not_judged:
            return (f"not judged: {self.not_judged[channel]}",)
        found = self.findings.get(channel, {})
        return tuple(_phrase(name, found[name]) for name in FINDINGS if name in found)

    def words_not_judged(self) -> tuple[str, ...]:
        """Returns which channels were not judged and why, one sentence for each reason."""
        channels: dict[str, list[str]] = {}
        for channel, why in self.not_judged.items():
            channels.setdefault(why, []).append(channel)
        return tuple(f"quality of {', '.join(each)}: {why}" for why, each in channels.items())

    def warnings(self) -> tuple[str, ...]:
        """Returns what a reader must know: why it is not usable, and what the leads hide."""
        turned = [name for name, found in self.findings.items() if "inverted" in found]
        poor = [each for each in self.reasons if each not in self.exchanged]
        return (
            *(f"poor recording: {each}" for each in poor),
            *self.exchanged,
            *(f"{name} seems to be upside down" for name in turned),
        )

    @property
    def channels(self) -> tuple[ChannelQuality, ...]:
        """Every channel as the answer of a model holds it."""
        return tuple(
            ChannelQuality(
                channel=channel,
                is_usable=self.is_channel_usable(channel),
                problems=self.problems(channel),
            )
            for channel in (*self.findings, *self.not_judged)
        )


def is_reliable(found: dict[str, float]) -> bool:
    """Whether findings leave a channel usable."""
    return all(share < 0.5 for name, share in found.items() if name in SEVERE)


def shows_beats(found: dict[str, float]) -> bool:
    """Whether findings leave the rhythm to be seen, as they do in a lead that is upside down."""
    return is_reliable(found | {"inverted": 0.0})


def judge(record: Record) -> Quality:
    """Judges the signal quality of every channel of a record, and of the record.

    >>> quality = medts.judge(record)  # doctest: +SKIP
    >>> quality.is_usable, quality.problems("V1")  # doctest: +SKIP
    (True, ('noise hides the beats',))

    Args:
        record: Its values are not changed.
    """
    found: dict[str, dict[str, float]] = {}
    left_out: dict[str, str] = {}
    exchanged: list[str] = []
    for name, stream in record.streams.items():
        prefix = f"{name}/" if len(record.streams) > 1 else ""
        judged = _judge_stream(stream)
        found |= {prefix + channel: each for channel, each in judged.findings.items()}
        left_out |= {prefix + channel: why for channel, why in judged.not_judged.items()}
        exchanged += judged.exchanged
    reasons = [each for each in exchanged if " arm" in each]
    n_poor = sum(not shows_beats(each) for each in found.values())
    if not found:
        reasons += sorted(set(left_out.values()))
    elif n_poor * 3 > len(found) or n_poor == len(found):
        worst = _commonest(found.values())
        reasons.append(f"{n_poor} of {len(found)} channels cannot be relied on ({worst})")
    return Quality(found, left_out, tuple(exchanged), not reasons and bool(found), tuple(reasons))


def _phrase(name: str, share: float) -> str:
    return FINDINGS[name] if share == 1.0 else f"{FINDINGS[name]} ({share:.0%} of the windows)"


def _commonest(found: Iterable[dict[str, float]]) -> str:
    names = [name for each in found for name, share in each.items() if share >= 0.5]
    return ", ".join(FINDINGS[name] for name in FINDINGS if name in names and name in SEVERE)


def _judge_stream(stream: Stream) -> Quality:
    """Judges the channels of one stream under their own names."""
    if UNIT_OF[stream.modality] != "a.u.":
        stream = stream.to_unit(UNIT_OF[stream.modality])
    if stream.modality == "ecg" and stream.sampling_rate < LOWEST_RATE_HZ:
        slow = f"slower than {LOWEST_RATE_HZ:g} Hz"
        return Quality(not_judged=dict.fromkeys(stream.channels, slow))
    reasons = not_judged(stream)
    judged = [channel for channel in stream.channels if channel not in reasons]
    if not judged:
        return Quality(not_judged=reasons)
    rows = [stream.channels.index(channel) for channel in judged]
    is_found: dict[str, list[np.ndarray]] = {name: [] for name in FINDINGS}
    exchanged: list[str] = []
    windows = list(_windows(stream))
    for window in windows:
        examined, words = _examine(window[rows], judged, stream)
        exchanged.append(words)
        for name in FINDINGS:
            is_found[name].append(examined.get(name, np.zeros(len(rows), dtype=bool)))
    share = {name: np.mean(each, axis=0) for name, each in is_found.items()}
    findings = {
        channel: {name: float(share[name][row]) for name in FINDINGS if share[name][row] > 0}
        for row, channel in enumerate(judged)
    }
    often = tuple(
        words
        for words in dict.fromkeys(exchanged)
        if words and 2 * exchanged.count(words) > len(windows)
    )
    return Quality(findings, reasons, often)


def not_judged(stream: Stream, *, shortest_s: float | None = None) -> dict[str, str]:
    """Returns which channels hold nothing that can be judged, and why.

    Too short, not recorded, or of an amplitude that no body has, which is a wrong unit.

    Args:
        stream: In any unit.
        shortest_s: Least length; that of an examination of the modality if none.
    """
    if shortest_s is None:
        shortest_s = _SHORTEST_S.get(stream.modality, 0.0)
    if stream.duration_s < shortest_s:
        return dict.fromkeys(stream.channels, f"shorter than {shortest_s:g} s")
    if UNIT_OF[stream.modality] != "a.u.":
        stream = stream.to_unit(UNIT_OF[stream.modality])
    recorded_s = np.isfinite(stream.signal).sum(axis=1) / stream.sampling_rate
    reasons = {
        channel: "not recorded" if seconds == 0 else f"less than {shortest_s:g} s recorded"
        for channel, seconds in zip(stream.channels, recorded_s, strict=True)
        if seconds == 0 or seconds < shortest_s
    }
    low, high = _PLAUSIBLE.get(stream.modality, (0.0, np.inf))
    swings = [
        _swing(window[row], stream.sampling_rate)
        for window in _windows(stream)
        for row, channel in enumerate(stream.channels)
        if channel not in reasons
    ]
    # Flat leads and loose electrodes are findings, so the middle channel decides for all of them.
    usual = float(np.median([each for each in swings if each > 0] or [low]))
    if not low <= usual <= high:
        why = f"a swing of {usual:.3g} {stream.unit} is implausible; check the unit"
        reasons = dict.fromkeys(stream.channels, why) | reasons
    return reasons


def _swing(values: Float[np.ndarray, "T"], sampling_rate: float) -> float:
    """Returns the usual range within two seconds; 0 for a channel that is mostly still."""
    n_block = min(len(values), round(2 * sampling_rate))
    blocks = values[: len(values) // n_block * n_block].reshape(-1, n_block)
    finite = blocks[np.isfinite(blocks).all(axis=1)]
    return float(np.median(np.ptp(finite, axis=1))) if len(finite) else 0.0


def _windows(stream: Stream) -> Iterable[Float[np.ndarray, "C T"]]:
    n_window = round(WINDOW_S * stream.sampling_rate)
    if stream.n_samples < 1.5 * n_window:
        yield stream.signal
        return
    n_windows = min(MOST_WINDOWS, stream.n_samples // n_window)
    for first in np.linspace(0, stream.n_samples - n_window, n_windows).astype(int):
        yield stream.signal[:, first : first + n_window]


def _examine(
    window: Float[np.ndarray, "C T"], channels: list[str], stream: Stream
) -> tuple[dict[str, Bool[np.ndarray, "C"]], str]:
    """Returns the findings of one window by name, and what electrodes are interchanged."""
    rate, modality = stream.sampling_rate, stream.modality
    values = window.astype(np.float64)
    is_finite = np.isfinite(values)
    found = {"gap": is_finite.mean(axis=1) < 0.95}
    if modality not in _STEADY:
        still_s = 1.0 if modality in ("ecg", "eeg") else 5.0
        found["flat"] = _is_still(values, round(still_s * rate))
        found["clipped"] = _is_clipped(values, rate) & ~found["flat"]
    if not is_finite.all():
        values = np.stack([fill_gaps(row) for row in values])
    if modality in _HUM:
        found["powerline"] = _has_hum(values, rate, _HUM[modality])
    if modality != "ecg":
        return found, ""
    return _examine_ecg(values, channels, rate, found)


def _examine_ecg(
    values: Float[np.ndarray, "C T"],
    channels: list[str],
    rate: float,
    found: dict[str, Bool[np.ndarray, "C"]],
) -> tuple[dict[str, Bool[np.ndarray, "C"]], str]:
    n_mean = max(1, round(rate / 250))
    if n_mean > 1:  # faster sampling holds nothing more that matters here
        values = _blocks(values, n_mean).mean(axis=2)
        rate /= n_mean
    low, high = np.quantile(values, (0.002, 0.998), axis=1)
    swing = high - low
    level = np.median(_blocks(values, round(0.5 * rate)), axis=2)
    wander, jump = np.ptp(level, axis=1), np.abs(np.diff(level, axis=1)).max(axis=1)
    found["flat"] |= swing < _LEAST_SWING_MV
    found["detached"] = ((wander > 3.0) | (jump > 2.0) | (swing > 10.0)) & ~found["flat"]
    found["drift"] = (wander > 0.7) & ~found["detached"]
    found["noise"] = (_high_frequency(values, rate) > _MOST_NOISE_MV) & ~found["flat"]
    is_still_good = ~(found["flat"] | found["detached"] | found["gap"])
    is_calm = is_still_good & ~found["noise"]
    rows = np.flatnonzero(is_calm if is_calm.any() else is_still_good)
    if not len(rows):
        return found, ""
    return found, _examine_beats(values[rows], channels, rate, rows, found)


def _examine_beats(
    values: Float[np.ndarray, "C T"],
    channels: list[str],
    rate: float,
    rows: Int[np.ndarray, "C"],
    found: dict[str, Bool[np.ndarray, "C2"]],
) -> str:
    """Adds to the findings what beats show of the leads at ``rows``; returns what is exchanged."""
    for name in ("no_beats", "inverted"):
        found[name] = np.zeros(len(channels), dtype=bool)
    median = find_median_beat(values, rate)
    if median is None or not _is_regular(median):
        found["no_beats"][rows] = True
        return ""
    qrs = np.ptp(median.signal[:, median.qrs()], axis=1)
    around = np.sqrt(np.median(((median.beats - median.signal) ** 2).mean(axis=2), axis=0))
    is_clear = qrs > _LEAST_CLEARNESS * around
    found["noise"][rows] |= ~is_clear & (around > 0.03)
    found["no_beats"][rows] = ~is_clear & (around <= 0.03)
    beat = {channels[rows[row]]: median.signal[row, ::3] for row in np.flatnonzero(is_clear)}
    # A right leg exchanged with an arm leaves a flat line in the place of a lead.
    still = np.zeros(median.signal[0, ::3].shape)
    beat |= {channels[row]: still for row in np.flatnonzero(found["flat"])}
    exchanged = find_interchange(beat)
    inverted = exchanged.inverted or _alone_inverted(median, [channels[row] for row in rows])
    if inverted:
        found["inverted"][channels.index(inverted)] = True
    return exchanged.words


def _is_regular(median: MedianBeat) -> bool:
    """Whether the peaks found look alike, as beats do and peaks of noise do not.

    Beats may have two shapes, ectopic or paced; three leads of noise are hardly ever alike.
    """
    similarity = median.similarity[np.isfinite(median.similarity)]
    has_shape = len(median.signal) >= 3 and float((similarity > ALIKE).mean()) >= 0.3
    return has_shape or float(np.median(similarity)) > 0.8


def _alone_inverted(median: MedianBeat, channels: list[str]) -> str:
    """Returns the only lead if P, QRS and T all point down, in one where they point up."""
    if len(channels) != 1 or channels[0] not in _UPRIGHT:
        return ""
    beat, at, rate = median.signal[0], median.at_r, median.sampling_rate

    def piece(from_s: float, to_s: float) -> np.ndarray:
        return beat[max(0, at + round(from_s * rate)) : max(1, at + round(to_s * rate))]

    level = float(np.median(piece(-0.12, -0.05)))
    qrs, before, after = piece(-0.05, 0.06), piece(-0.22, -0.08), piece(0.12, 0.45)
    if not (len(before) and len(after)):
        return ""
    is_down = level - qrs.min() > 2.0 * (qrs.max() - level)
    t_down, t_up = level - after.min(), after.max() - level
    p_down, p_up = level - before.min(), before.max() - level
    return channels[0] if is_down and t_down > 1.5 * t_up and p_down > p_up else ""


def _is_still(values: Float[np.ndarray, "C T"], n_still: int) -> Bool[np.ndarray, "C"]:
    """Whether a channel keeps one value for as many samples, or always."""
    is_same = np.diff(values, axis=1) == 0
    n_still = min(n_still, is_same.shape[1])
    if n_still == 0:
        return np.zeros(len(values), dtype=bool)
    is_still = is_same.sum(axis=1) >= n_still
    for row in np.flatnonzero(is_still):
        begins, ends = _runs(is_same[row])
        is_still[row] = (ends - begins).max() >= n_still
    return is_still


def _is_clipped(values: Float[np.ndarray, "C T"], rate: float) -> Bool[np.ndarray, "C"]:
    """Whether the highest or the lowest value is held again and again, and reached at a corner.

    A slow wave also keeps its extreme for a while, but comes to it and leaves it gently.
    """
    is_clipped = np.zeros(len(values), dtype=bool)
    highest, lowest = np.fmax.reduce(values, axis=1), np.fmin.reduce(values, axis=1)
    for extreme in (highest, lowest):
        is_extreme = values == extreme[:, None]
        for row in np.flatnonzero(is_extreme.sum(axis=1) >= 9):
            begins, ends = _runs(is_extreme[row])
            padded = np.pad(values[row], 1, mode="edge")
            corner = np.fmax(
                np.abs(padded[begins] - extreme[row]), np.abs(padded[ends + 1] - extreme[row])
            )
            is_held = (ends - begins >= 3) & (corner > 0.01 * (highest[row] - lowest[row]))
            held = (ends - begins)[is_held]
            is_clipped[row] |= len(held) >= 3 or held.sum() > 0.04 * rate
    return is_clipped


def _runs(is_in: Bool[np.ndarray, "T"]) -> tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]:
    change = np.diff(is_in.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(change == 1), np.flatnonzero(change == -1)


def _has_hum(values: Float[np.ndarray, "C T"], rate: float, least: float) -> Bool[np.ndarray, "C"]:
    """Whether 50 or 60 Hz stand out of the spectrum, by ``least`` in amplitude."""
    n_samples = values.shape[1]
    amplitude = 2 * np.abs(np.fft.rfft(values, axis=1)) / n_samples
    at_hz = np.fft.rfftfreq(n_samples, 1 / rate)
    has_hum = np.zeros(len(values), dtype=bool)
    for mains_hz in (50.0, 60.0):
        distance = np.abs(at_hz - mains_hz)
        is_line, is_near = distance <= 0.6, (distance > 1.5) & (distance < 6.0)
        if mains_hz + 2.0 < rate / 2 and is_line.any() and is_near.any():
            line = np.sqrt((amplitude[:, is_line] ** 2).sum(axis=1))
            near = np.sqrt((amplitude[:, is_near] ** 2).mean(axis=1) * is_line.sum())
            has_hum |= (line > least) & (line > 3.0 * near)
    return has_hum


def _high_frequency(values: Float[np.ndarray, "C T"], rate: float) -> Float[np.ndarray, "C"]:
    """Returns the usual noise above 30 Hz between beats (root mean square), without the mains."""
    at_hz = np.fft.rfftfreq(values.shape[1], 1 / rate)
    is_kept = (at_hz > 30.0) & (at_hz < 150.0)
    for mains_hz in (50.0, 60.0, 100.0, 120.0):
        is_kept &= np.abs(at_hz - mains_hz) > 1.0
    fast = np.fft.irfft(np.fft.rfft(values, axis=1) * is_kept, values.shape[1], axis=1)
    power = (_blocks(fast, max(2, round(0.1 * rate))) ** 2).mean(axis=2)
    return np.sqrt(np.median(power, axis=1))


def _blocks(values: Float[np.ndarray, "C T"], size: int) -> Float[np.ndarray, "C n size"]:
    n_blocks = values.shape[1] // size
    return values[:, : n_blocks * size].reshape(len(values), n_blocks, size)
