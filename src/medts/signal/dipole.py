"""Synthetic 12-lead ECG from a moving cardiac dipole (ECGSYN, Dower transform), with noise.

McSharry, Clifford, Tarassenko and Smith (IEEE Trans. Biomed. Eng. 50:289, 2003) write a heartbeat
as Gaussian waves P, Q, R, S, T; Sameni, Clifford, Jutten and Shamsollahi (EURASIP J. Adv. Signal
Process. 2007:43407) give each wave three coordinates, so that their sum is a dipole which the body
projects onto electrodes. Here the sum is evaluated in closed form instead of integrated, and the
projection is the one of Dower, Machado and Osborne (Clin. Cardiol. 3:87, 1980). The T wave follows
Wilson's ventricular gradient: two thirds of the area that a block or an ectopic beat adds to the
QRS are taken from T, so discordant T waves need no rule of their own. Noise is added to electrode
potentials, so that III = II - I and the identities of the augmented leads hold.

Axes: C leads, E electrodes, T samples, N beats, W waves, and three coordinates in Frank's frame:
x to the left, y to the feet, z to the back, in mV.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from medts.core.montage import CHEST_LEADS
from medts.signal.rhythm import Beats

ELECTRODES: tuple[str, ...] = ("RA", "LA", "LL", *CHEST_LEADS)
"""The electrodes of a standard ECG that leads are formed from."""

LIMB_STEP_MV = 0.002
"""Limb electrodes are read in steps of two microvolts, so that halves of them stay whole."""

_DOWER = np.array(
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],  # V6
    ]
)

LEADS = np.zeros((12, 9))
LEADS[:6, :3] = [
    [-1.0, 1.0, 0.0],  # I
    [-1.0, 0.0, 1.0],  # II
    [0.0, -1.0, 1.0],  # III
    [1.0, -0.5, -0.5],  # aVR
    [-0.5, 1.0, -0.5],  # aVL
    [-0.5, -0.5, 1.0],  # aVF
]
LEADS[6:, :3] = -1 / 3  # Wilson's terminal
LEADS[6:, 3:] = np.eye(6)
"""Each lead as a weighted sum of the potentials of `ELECTRODES`."""

# One row per wave: centre and width (one standard deviation) in ms, then x, y, z in mV.
_QRS = {
    "normal": np.array(
        [
            (-24.0, 8.0, -0.12, -0.02, -0.22),  # septum
            (0.0, 11.0, 1.10, 0.70, 0.05),  # free wall of the left ventricle
            (23.0, 9.0, 0.02, -0.12, 0.62),  # base
        ]
    ),
    "left-block": np.array([(-48.0, 17.0, 0.60, 0.30, 0.30), (0.0, 21.0, 0.85, 0.25, 0.80)]),
    "right-block": np.array(
        [
            (-24.0, 8.0, -0.12, -0.02, -0.22),
            (0.0, 11.0, 1.10, 0.70, 0.05),
            (23.0, 9.0, 0.02, -0.12, 0.40),
            (58.0, 18.0, -0.45, -0.02, -0.60),  # the right ventricle, late
        ]
    ),
}
_P = (  # right atrium, left atrium
    (-12.0, 16.0, np.array([0.03, 0.08, -0.05])),
    (14.0, 18.0, np.array([0.06, 0.05, 0.04])),
)
_ATRIAL_DIRECTION = (0.2, 0.5, -0.9)

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Heart:
    """Parameters of a simulated heart: axis, conduction, repolarisation.

    Args:
        pr_s: Start of the P wave to start of the QRS, s.
        qtc_s: QT interval at 60 beats per minute, s.
        qrs_stretch: Factor on the duration of the QRS.
        p_gain: Factor on the P wave.
        qrs_gain: Factor on the QRS.
        hypertrophy: Factor on the left-right and front-back parts of the QRS.
        axis_deg: Rotation in the frontal plane, positive towards the feet.
        turn_deg: Rotation in the horizontal plane, positive towards the back.
        conduction: Path of the impulse in the ventricles.
        t: Peak of the T wave when conduction is normal, mV.
        injury: Displacement of the ST segment, mV.
        focus: Main vector of ectopic beats, mV.
        chest_gain: Factor on each of V1 to V6: build of the chest, place of the electrodes.
    """

    pr_s: float = 0.16
    qtc_s: float = 0.41
    qrs_stretch: float = 1.0
    p_gain: float = 1.0
    qrs_gain: float = 1.0
    hypertrophy: float = 1.0
    axis_deg: float = 0.0
    turn_deg: float = 0.0
    conduction: Literal["normal", "left-block", "right-block"] = "normal"
    t: Vector = (0.30, 0.25, -0.15)
    injury: Vector = (0.02, 0.01, -0.03)
    focus: Vector = (0.5, 1.0, 0.8)
    chest_gain: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Waves:
    """Gaussian waves of the dipole: when, how long (one standard deviation), and where to in mV."""

    centre_s: Float[np.ndarray, "W"]
    width_s: Float[np.ndarray, "W"]
    vector: Float[np.ndarray, "W 3"]


def beat_waves(
    heart: Heart, beats: Beats, *, has_p: bool = True, jitter: Float[np.ndarray, "N"] | None = None
) -> Waves:
    """Lays out the waves of every beat, ``jitter`` being a factor on each beat's amplitude.

    Ectopic beats have a broad QRS along ``heart.focus`` and no P wave before it.
    """
    rotation = _rotation(heart.axis_deg, heart.turn_deg)
    size = np.ones(len(beats.r_s)) if jitter is None else jitter
    parts: list[Waves] = []
    for is_ectopic in (False, True):
        chosen = np.flatnonzero(beats.is_ectopic == is_ectopic)
        # Fridericia; the bounds keep T inside the beat at extreme intervals.
        qt_s = heart.qtc_s * np.cbrt(np.clip(beats.rr_s[chosen], 0.36, 1.6))
        table = _beat_table(heart, is_ectopic=is_ectopic, has_p=has_p and not is_ectopic)
        centre_s = (table[:, 0] + table[:, 1] * qt_s[:, None]) + beats.r_s[chosen, None]
        width_s = table[:, 2] + table[:, 3] * qt_s[:, None]
        vector = size[chosen, None, None] * (table[:, 4:] @ rotation.T)
        parts.append(Waves(centre_s.ravel(), width_s.ravel(), vector.reshape(-1, 3)))
    return Waves(
        centre_s=np.concatenate([part.centre_s for part in parts]),
        width_s=np.concatenate([part.width_s for part in parts]),
        vector=np.concatenate([part.vector for part in parts]),
    )


def _beat_table(heart: Heart, *, is_ectopic: bool, has_p: bool) -> Float[np.ndarray, "W 7"]:
    """One row per wave: centre = a + b QT, width = c + d QT (s), then x, y, z (mV)."""
    normal = _sized_qrs(heart, _QRS["normal"])
    if is_ectopic:
        x, y, z = heart.focus
        qrs = np.array(
            [(-34.0, 20.0, 0.4 * x, 0.5 * y, 0.3 * z), (8.0, 27.0, 1.0 * x, 0.9 * y, 1.0 * z)]
        )
        qrs[:, 2:] *= heart.qrs_gain
    else:
        qrs = _sized_qrs(heart, _QRS[heart.conduction])
    onset_s = float((qrs[:, 0] - 2.2 * qrs[:, 1]).min()) / 1000
    j_s = float((qrs[:, 0] + 2.2 * qrs[:, 1]).max()) / 1000
    wider_s = (j_s - onset_s) - 0.085

    # By Wilson's gradient the areas of QRS and T have a constant sum. T, below, has the area of a
    # Gaussian of 42 ms; paying back all of the excess would make it taller than one ever sees.
    excess = (qrs[:, 1] @ qrs[:, 2:] - normal[:, 1] @ normal[:, 2:]) / 42.0
    t = np.array(heart.t) - 0.65 * excess
    st = np.array(heart.injury) - 0.12 * excess

    t_s = onset_s + 0.6 * wider_s
    rows = [(c / 1000, 0.0, w / 1000, 0.0, *v) for c, w, *v in qrs]
    rows += [
        (j_s + 0.045, 0.0, 0.036, 0.0, *(0.8 * st)),
        (0.5 * (j_s + 0.045 + t_s), 0.39, 0.046, 0.0, *(0.8 * st)),  # halfway to the peak of T
        (t_s - 0.034, 0.78, 0.0, 0.118, *(0.45 * t)),  # T climbs slowly and falls quickly
        (t_s, 0.78, 0.0, 0.078, *(0.65 * t)),
    ]
    if has_p:
        p_s = onset_s - heart.pr_s + 0.055
        rows += [(p_s + c / 1000, 0.0, w / 1000, 0.0, *(heart.p_gain * v)) for c, w, v in _P]
    return np.array(rows)


def _sized_qrs(heart: Heart, qrs: Float[np.ndarray, "W 5"]) -> Float[np.ndarray, "W 5"]:
    """Stretches a QRS in time and scales it in space."""
    growth = heart.hypertrophy
    stretch = heart.qrs_stretch * (1 + 0.08 * (growth - 1))
    gain = heart.qrs_gain * np.array([growth, growth**0.4, growth])
    return qrs * np.array([stretch, stretch, *gain])


def _rotation(axis_deg: float, turn_deg: float) -> Float[np.ndarray, "3 3"]:
    a, b = np.deg2rad(axis_deg), np.deg2rad(turn_deg)
    frontal = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])
    horizontal = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1.0, 0], [np.sin(b), 0, np.cos(b)]])
    return frontal @ horizontal


def heart_vector(waves: Waves, time_s: Float[np.ndarray, "T"]) -> Float[np.ndarray, "3 T"]:
    """Sums the waves at each time, in pieces of 2000 samples with the waves near them."""
    vector = np.zeros((3, len(time_s)))
    for start in range(0, len(time_s), 2000):
        piece = time_s[start : start + 2000]
        reach = 5 * waves.width_s
        is_near = (waves.centre_s > piece[0] - reach) & (waves.centre_s < piece[-1] + reach)
        distance = (piece - waves.centre_s[is_near, None]) / waves.width_s[is_near, None]
        vector[:, start : start + 2000] = waves.vector[is_near].T @ np.exp(-0.5 * distance**2)
    return vector


def fibrillatory_wave(
    rng: np.random.Generator, time_s: Float[np.ndarray, "T"], amplitude_mv: float
) -> Float[np.ndarray, "3 T"]:
    """Samples the dipole of fibrillating atria, mV: 4 to 8 Hz, waxing, waning, largest in V1."""
    rate_hz = rng.uniform(4.5, 7.5)
    wobble = 1.5 * np.sin(2 * np.pi * rng.uniform(0.2, 0.6) * time_s + rng.uniform(0, 6.28))
    wobble += 0.6 * np.sin(2 * np.pi * rng.uniform(0.8, 1.6) * time_s + rng.uniform(0, 6.28))
    angle = 2 * np.pi * rate_hz * time_s + wobble
    swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 0.4) * time_s + rng.uniform(0, 6.28))
    wave = amplitude_mv * swell * (np.sin(angle) + 0.35 * np.sin(2 * angle + 0.7))
    return np.array(_ATRIAL_DIRECTION)[:, None] * wave


def electrode_potentials(
    vector: Float[np.ndarray, "3 T"], chest_gain: tuple[float, ...] = (1.0,) * 6
) -> Float[np.ndarray, "9 T"]:
    """Projects the dipole onto `ELECTRODES`, in mV against the mean of the three limbs."""
    projected = _DOWER @ vector
    one, two = projected[:2]
    right_arm = -(one + two) / 3
    limbs = np.stack([right_arm, right_arm + one, right_arm + two])
    return np.concatenate([limbs, projected[2:] * np.array(chest_gain)[:, None]])


@dataclass(frozen=True)
class Noise:
    """Noise of electrodes (baseline wander, mains, EMG, motion), as typical amplitudes in mV.

    Args:
        wander_mv: Drift below 0.5 Hz by breathing and skin potentials.
        mains_mv: Hum of the mains.
        emg_mv: Muscle, broad-band; its strength changes over seconds.
        motion_mv: Bursts of half a second or so at single electrodes.
        mains_hz: 50 or 60; left out where the sampling rate cannot hold it.
    """

    wander_mv: float = 0.04
    mains_mv: float = 0.003
    emg_mv: float = 0.008
    motion_mv: float = 0.0
    mains_hz: float = 50.0


def electrode_noise(
    rng: np.random.Generator, time_s: Float[np.ndarray, "T"], noise: Noise
) -> Float[np.ndarray, "9 T"]:
    """Samples noise in mV for each of `ELECTRODES`."""
    shape = (len(ELECTRODES), len(time_s))
    drift_hz = rng.uniform(0.04, 0.45, size=5)
    total = _tones(rng, time_s, drift_hz) * (noise.wander_mv / np.sqrt(5))
    hum = _tones(rng, time_s, np.array([noise.mains_hz])) * noise.mains_mv
    sampling_rate = (len(time_s) - 1) / (time_s[-1] - time_s[0])
    if sampling_rate > 2 * noise.mains_hz:
        total += hum
    strength = rng.lognormal(0.0, 0.3, size=(shape[0], 1)) * noise.emg_mv
    swell = 1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.05, 0.3) * time_s + rng.uniform(0, 6.28))
    total += strength * swell * rng.standard_normal(shape)
    if noise.motion_mv > 0:
        for _ in range(rng.integers(1, 4)):
            centre_s, width_s = rng.uniform(time_s[0], time_s[-1]), rng.uniform(0.1, 0.35)
            swing = np.sin(
                2 * np.pi * rng.uniform(0.5, 4.0) * (time_s - centre_s) + rng.uniform(0, 6.28)
            )
            burst = np.exp(-0.5 * ((time_s - centre_s) / width_s) ** 2) * swing
            total[rng.integers(shape[0])] += noise.motion_mv * rng.lognormal(0.0, 0.4) * burst
    return total


def _tones(
    rng: np.random.Generator, time_s: Float[np.ndarray, "T"], tones_hz: Float[np.ndarray, "F"]
) -> Float[np.ndarray, "9 T"]:
    """Sums tones of random amplitude and phase, different at each electrode."""
    angle = 2 * np.pi * tones_hz[:, None] * time_s
    waves = np.concatenate([np.sin(angle), np.cos(angle)])
    return rng.standard_normal((len(ELECTRODES), len(waves))) @ waves


def leads_from_electrodes(
    potentials: Float[np.ndarray, "9 T"], off: tuple[str, ...] = ()
) -> Float[np.ndarray, "12 T"]:
    """Forms the twelve leads in whole microvolts, in the order of `STANDARD_12_LEADS`.

    Leads that need an electrode which is ``off`` are NaN: one chest electrode costs its own
    lead, a limb electrode also the Wilson terminal and with it all chest leads.
    """
    read = np.round(potentials / LIMB_STEP_MV) * LIMB_STEP_MV
    leads = np.round(LEADS @ read, 3)
    needs = LEADS[:, [ELECTRODES.index(name) for name in off]] != 0
    leads[needs.any(axis=1)] = np.nan
    return leads
