"""Simulated beat times: sinus rhythm with heart rate variability, AFib, ectopic beats.

Sinus intervals follow respiration (respiratory sinus arrhythmia), a slower wave near 0.1 Hz, and a
little chance, as in McSharry et al. 2003. In atrial fibrillation successive intervals are
independent. An ectopic beat takes the place of a sinus beat but comes early; the sinus node is not
reset, so the pause after it is fully compensatory.

Axes: N beats.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

MARGIN_S = 2.0
"""Beats are made this long before and after the recording, so that its ends are not bare."""


@dataclass(frozen=True)
class Beats:
    """Heartbeats in time order.

    Args:
        r_s: R-peaks, s; some lie outside the recording.
        rr_s: The interval to which each beat's repolarisation has adapted, s.
        is_ectopic: True for beats that began in a ventricle.
    """

    r_s: Float[np.ndarray, "N"]
    rr_s: Float[np.ndarray, "N"]
    is_ectopic: Bool[np.ndarray, "N"]


def sinus_beats(
    rng: np.random.Generator,
    *,
    duration_s: float,
    rate_bpm: float,
    variability: float = 0.04,
    breathing_hz: float = 0.25,
) -> Beats:
    """Samples a sinus rhythm; ``variability`` is the relative swing of its intervals.

    The recording must hold two beats or more.
    """
    mean_s = 60.0 / rate_bpm
    n_beats = int((duration_s + 2 * MARGIN_S) / (mean_s * 0.7)) + 3
    clock_s = mean_s * np.arange(n_beats)
    phase = rng.uniform(0, 2 * np.pi, size=2)
    swing = np.sin(2 * np.pi * breathing_hz * clock_s + phase[0])
    swing += 0.6 * np.sin(2 * np.pi * 0.1 * clock_s + phase[1])
    chance = rng.normal(0.0, 0.25, size=n_beats)
    beats = _beats(rng, mean_s * (1 + variability * (swing + chance)), duration_s)
    # Swings do not average out in a few seconds, so the mean within the recording is set here.
    inside_s = beats.r_s[(beats.r_s >= 0) & (beats.r_s < duration_s)]
    stretch = mean_s * (len(inside_s) - 1) / (inside_s[-1] - inside_s[0])
    return replace(beats, r_s=inside_s[0] + stretch * (beats.r_s - inside_s[0]))


def fibrillation_beats(
    rng: np.random.Generator, *, duration_s: float, rate_bpm: float, variability: float = 0.22
) -> Beats:
    """Samples independent intervals of mean 60 / ``rate_bpm`` and relative spread ``variability``.

    No interval is shorter than 0.3 s, the refractory time of the AV node.
    """
    mean_s = 60.0 / rate_bpm
    n_beats = int((duration_s + 2 * MARGIN_S) / (mean_s * 0.6)) + 8
    shape = 1.0 / variability**2
    return _beats(rng, np.maximum(rng.gamma(shape, mean_s / shape, size=n_beats), 0.3), duration_s)


def _beats(rng: np.random.Generator, rr_s: Float[np.ndarray, "N"], duration_s: float) -> Beats:
    r_s = np.cumsum(rr_s) - MARGIN_S - rng.uniform(0.0, rr_s[0])
    is_kept = r_s < duration_s + MARGIN_S
    # Repolarisation follows the mean rate more than the last interval.
    adapted_s = 0.5 * rr_s + 0.5 * rr_s.mean()
    return Beats(r_s[is_kept], adapted_s[is_kept], np.zeros(is_kept.sum(), dtype=bool))


def with_ectopics(
    rng: np.random.Generator, beats: Beats, places: Bool[np.ndarray, "N"], *, coupling: float
) -> Beats:
    """Makes the beats at ``places`` ectopic, each ``coupling`` of an interval after the last.

    The first beat stays as it is, and so does one that follows an ectopic beat.
    """
    r_s, is_ectopic = beats.r_s.copy(), places.copy()
    is_ectopic[0] = False
    for n in range(1, len(r_s)):
        if is_ectopic[n - 1]:
            is_ectopic[n] = False
        if is_ectopic[n]:
            ratio = np.clip(coupling + rng.normal(0.0, 0.015), 0.4, 0.85)
            r_s[n] = r_s[n - 1] + ratio * (beats.r_s[n] - beats.r_s[n - 1])
    return Beats(r_s, beats.rr_s, is_ectopic)
