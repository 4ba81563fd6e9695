"""Subjects and findings of the synthetic dataset (simulated patients).

A subject is a heart (axis, voltages, intervals), a body, and a tendency to one rhythm and one
finding, so that records of a person resemble each other and persons differ. Tendencies follow a
low-discrepancy sequence, not chance: a corpus of forty subjects already holds every class. Effects
begin where normal variation ends, and a few readings are wrong, so no classifier is perfect.
"""

from dataclasses import dataclass, replace

import numpy as np

from medts.signal.dipole import Heart, Noise, Vector

RHYTHMS = ("SR", "SBRAD", "STACH", "AFIB", "PVC", "BIGU")
MORPHOLOGIES = ("CLBBB", "CRBBB", "LVH", "STE", "STD", "INVT")

RATE_BOUNDS_BPM = {
    "SR": (63.0, 97.0),
    "SBRAD": (38.0, 57.0),
    "STACH": (104.0, 150.0),
    "AFIB": (50.0, 150.0),
    "PVC": (58.0, 100.0),
    "BIGU": (58.0, 95.0),
}
"""Mean rates that are sampled or accepted; sinus rhythms keep clear of 60 and 100."""

MISREAD_RATIO = 0.04
"""Share of records whose reader missed a finding, or saw one that is not there."""

# A left bundle branch block hides other findings of the ventricles.
_NOT_TOGETHER = (*(("CLBBB", other) for other in MORPHOLOGIES[1:]), ("STE", "STD"))
_SUBTLE = ("LVH", "STD", "INVT", "STE")
_ANTERIOR_T: Vector = (-0.05, 0.12, 0.28)
_LATERAL_T: Vector = (-0.30, -0.12, 0.02)


@dataclass(frozen=True)
class Subject:
    """A person who never lived: age in years at the first record, body, heart, tendencies."""

    subject_id: str
    age: int
    sex: str
    height_cm: int
    weight_kg: int
    heart: Heart
    rate_bpm: float
    variability: float
    breathing_hz: float
    severity: float
    rhythm_tendency: str
    finding_tendency: str


@dataclass(frozen=True)
class Plan:
    """What a record shows (``findings``), what its reader saw (``read``), and how well."""

    rhythm: str
    findings: tuple[str, ...]
    read: tuple[str, ...]
    severity: float
    rate_bpm: float
    noise: Noise
    electrodes_off: tuple[str, ...]


def clash(findings: tuple[str, ...]) -> tuple[str, str] | None:
    """Returns two of the findings that this model cannot show in one record, if any."""
    return next((pair for pair in _NOT_TOGETHER if set(pair) <= set(findings)), None)


def sample_subject(seed: int, subject: int) -> Subject:
    """Samples the subject of that number, counted from 1; it depends on nothing else."""
    rng = np.random.default_rng([seed, subject, 0])
    first, second = np.random.default_rng(seed).random(2)
    finding_tendency = _pick(
        (first + subject * 0.7548776662466927) % 1,
        {"": 0.42, "CLBBB": 0.09, "CRBBB": 0.11, "LVH": 0.15, "ischaemia": 0.23},
    )
    rhythm_tendency = _pick(
        (second + subject * 0.5698402909980532) % 1,
        {"": 0.45, "SBRAD": 0.13, "STACH": 0.12, "AFIB": 0.13, "ectopy": 0.17},
    )
    is_female = bool(rng.random() < 0.5)
    is_ill = bool(finding_tendency or rhythm_tendency)
    age = int(np.clip(rng.normal(66 if is_ill else 50, 15), 18, 91))
    height_cm = rng.normal(164 if is_female else 177, 7)
    bmi = np.clip(rng.normal(26, 4), 17, 42)

    voltage = rng.lognormal(0.0, 0.16) * (0.92 if is_female else 1.0) * (26 / bmi) ** 0.4
    voltage = float(np.clip(voltage, 0.68, 1.5))
    recovery = rng.lognormal(0.0, 0.22) * (0.85 if is_female else 1.0) * (1.15 - 0.003 * age)
    x, y, z = recovery * (np.array(Heart.t) + rng.normal(0.0, 0.035, size=3))
    is_right_focus = bool(rng.random() < 0.6)
    focus = np.array((0.5, 1.0, 0.8) if is_right_focus else (-0.8, -0.4, -0.7))
    focus = focus * rng.lognormal(0.0, 0.2) + rng.normal(0.0, 0.15, size=3)
    injury = np.array((0.02, 0.01, -0.03)) + rng.normal(0.0, 0.018, size=3)
    heart = Heart(
        pr_s=float(np.clip(rng.normal(0.145 + 0.0004 * age, 0.018), 0.11, 0.2)),
        qtc_s=float(np.clip(rng.normal(0.415 if is_female else 0.405, 0.016), 0.36, 0.46)),
        qrs_stretch=float(rng.normal(1.0, 0.06)),
        p_gain=rng.lognormal(0.0, 0.22),
        qrs_gain=voltage,
        axis_deg=float(np.clip(rng.normal(4 - 0.2 * (age - 45), 12), -22, 25)),
        turn_deg=rng.normal(0.0, 9.0),
        t=(x, y, z),
        injury=_vector(injury),
        focus=_vector(focus),
        chest_gain=tuple(map(float, rng.lognormal(0.0, 0.09, size=6))),
    )
    return Subject(
        subject_id=f"{subject:05d}",
        age=age,
        sex="female" if is_female else "male",
        height_cm=round(height_cm),
        weight_kg=round(bmi * (height_cm / 100) ** 2),
        heart=heart,
        rate_bpm=float(np.clip(rng.normal(76 if is_female else 73, 9), 55, 98)),
        variability=float(np.clip(0.09 - 0.001 * age, 0.012, 0.07) * rng.lognormal(0.0, 0.25)),
        breathing_hz=rng.uniform(0.18, 0.33),
        severity=rng.random(),
        rhythm_tendency=rhythm_tendency,
        finding_tendency=finding_tendency,
    )


def sample_plan(subject: Subject, rng: np.random.Generator) -> Plan:
    """Samples the content of one record of a subject, and how it is read."""
    rhythm = _sample_rhythm(subject.rhythm_tendency, rng)
    findings = _sample_findings(subject.finding_tendency, rng)
    chest = int(rng.integers(3, 8))
    off = _pick(
        rng.random(),
        {"": 0.94, f"V{chest - 2}": 0.035, f"V{chest - 2} V{chest - 1}": 0.015, "LA": 0.01},
    )
    return Plan(
        rhythm=rhythm,
        findings=findings,
        read=_read(findings, rng),
        severity=float(np.clip(subject.severity + rng.normal(0.0, 0.15), 0.0, 1.0)),
        rate_bpm=sample_rate(subject, rhythm, rng),
        noise=sample_noise(rng),
        electrodes_off=tuple(off.split()),
    )


def sample_rate(subject: Subject, rhythm: str, rng: np.random.Generator) -> float:
    """Samples a mean rate that suits the rhythm and is near the usual one of the subject."""
    low, high = RATE_BOUNDS_BPM[rhythm]
    shift = {"SBRAD": 0.68, "STACH": 1.62, "AFIB": 1.15}.get(rhythm, 1.0)
    rate_bpm = subject.rate_bpm * shift * rng.lognormal(0.0, 0.06)
    # A rate beyond a bound is folded back, not piled up on it.
    if rate_bpm < low:
        rate_bpm = low + 0.5 * (low - rate_bpm)
    elif rate_bpm > high:
        rate_bpm = high - 0.5 * (rate_bpm - high)
    return float(np.clip(rate_bpm, low, high))


def sample_noise(rng: np.random.Generator) -> Noise:
    """Samples the noise of a recording: most are fair, some poor."""
    is_humming, is_moving = rng.random(2) < (0.12, 0.12)
    return Noise(
        wander_mv=rng.lognormal(np.log(0.035), 0.6),
        mains_mv=rng.uniform(0.010, 0.025) if is_humming else rng.uniform(0.0, 0.004),
        emg_mv=rng.lognormal(np.log(0.008), 0.45),
        motion_mv=rng.uniform(0.2, 0.7) if is_moving else 0.0,
        mains_hz=50.0 if rng.random() < 0.6 else 60.0,
    )


def vary(heart: Heart, rng: np.random.Generator) -> Heart:
    """Varies the heart between recordings: posture, electrodes placed anew."""
    return replace(
        heart,
        axis_deg=heart.axis_deg + rng.normal(0.0, 3.0),
        turn_deg=heart.turn_deg + rng.normal(0.0, 2.0),
        qrs_gain=heart.qrs_gain * rng.lognormal(0.0, 0.04),
        t=_vector(np.array(heart.t) * rng.lognormal(0.0, 0.08)),
        chest_gain=tuple(gain * float(rng.lognormal(0.0, 0.05)) for gain in heart.chest_gain),
    )


def afflict(
    heart: Heart, findings: tuple[str, ...], severity: float, rng: np.random.Generator
) -> Heart:
    """Returns the heart with findings, from hardly visible (0) to marked (1)."""
    is_anterior = bool(rng.random() < 0.5)
    for code in findings:
        if code in ("CLBBB", "CRBBB"):
            conduction = "left-block" if code == "CLBBB" else "right-block"
            stretch = 0.5 * (1 + heart.qrs_stretch) * (0.95 + 0.15 * severity)
            heart = replace(heart, conduction=conduction, qrs_stretch=stretch)
        elif code == "LVH":
            heart = replace(heart, hypertrophy=1.4 + 0.6 * severity)
        elif code in ("STE", "STD"):
            away = (0.10, -0.06, -0.28) if code == "STE" else (-0.15, -0.10, 0.06)
            shift = (0.25 + 0.85 * severity) * np.array(away)
            heart = replace(heart, injury=_vector(np.array(heart.injury) + shift))
        elif code == "INVT":
            share = 0.6 + 0.4 * severity
            inverted = np.array(_ANTERIOR_T if is_anterior else _LATERAL_T)
            t = (1 - share) * np.array(heart.t) + share * inverted
            heart = replace(heart, t=_vector(t))
    return heart


def _sample_rhythm(tendency: str, rng: np.random.Generator) -> str:
    shares = {
        "": {"SR": 0.93, "STACH": 0.035, "SBRAD": 0.035},
        "SBRAD": {"SBRAD": 0.75, "SR": 0.25},
        "STACH": {"STACH": 0.75, "SR": 0.25},
        "AFIB": {"AFIB": 0.8, "SR": 0.2},
        "ectopy": {"PVC": 0.5, "BIGU": 0.32, "SR": 0.18},
    }
    return _pick(rng.random(), shares[tendency])


def _sample_findings(tendency: str, rng: np.random.Generator) -> tuple[str, ...]:
    shares = {
        "": {"": 0.96, "INVT": 0.02, "STD": 0.02},
        "CLBBB": {"CLBBB": 0.9, "": 0.1},
        "CRBBB": {"CRBBB": 0.85, "CRBBB INVT": 0.05, "": 0.1},
        "LVH": {"LVH": 0.65, "LVH STD": 0.13, "LVH INVT": 0.15, "": 0.07},
        "ischaemia": {"STE": 0.32, "STD": 0.26, "INVT": 0.2, "STD INVT": 0.08, "": 0.14},
    }
    return tuple(_pick(rng.random(), shares[tendency]).split())


def _read(findings: tuple[str, ...], rng: np.random.Generator) -> tuple[str, ...]:
    if rng.random() >= MISREAD_RATIO:
        return findings
    if findings:
        return findings[1:]
    return (str(rng.choice(_SUBTLE)),)


def _pick(position: float, shares: dict[str, float]) -> str:
    """Returns the key whose share of [0, 1) holds the position."""
    edges = np.cumsum(list(shares.values()))
    return list(shares)[min(int(np.searchsorted(edges, position, side="right")), len(shares) - 1)]


def _vector(values: np.ndarray) -> Vector:
    x, y, z = map(float, values)
    return x, y, z
