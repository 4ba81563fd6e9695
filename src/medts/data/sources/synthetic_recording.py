"""Simulation of one synthetic recording: beats, electrode signals, report, codes, facts.

Puts together beat times (`medts.signal.rhythm`), the dipole and what electrodes measure of it
(`medts.signal.dipole`), and reports (`medts.data.sources.synthetic_reports`).

Axes: T samples.
"""

import numpy as np
from jaxtyping import Bool, Float

from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Annotation, Record, Statement, Stream
from medts.data.sources.synthetic_reports import write_report
from medts.data.sources.synthetic_subjects import Plan, Subject, afflict, vary
from medts.signal.dipole import (
    Heart,
    Noise,
    beat_waves,
    electrode_noise,
    electrode_potentials,
    fibrillatory_wave,
    heart_vector,
    leads_from_electrodes,
)
from medts.signal.rhythm import Beats, fibrillation_beats, sinus_beats, with_ectopics

CLEAN = Noise(wander_mv=0.0, mains_mv=0.0, emg_mv=0.0)
"""Nothing but the heart."""

_SCP_CODES = {"STE": "STE_", "STD": "STD_"}


def stated_codes(plan: Plan) -> tuple[str, ...]:
    """Returns what the reader found, rhythm included; ``NORM`` alone where that is nothing."""
    rhythm = () if plan.rhythm == "SR" else (plan.rhythm,)
    return (*rhythm, *plan.read) or ("NORM",)


def planned_rate(subject: Subject, plan: Plan, rng: np.random.Generator, duration_s: float) -> int:
    """Returns the heart rate (bpm) that `render` gives the same plan, without the signal."""
    return _rate(_sample_beats(subject, plan, rng.spawn(3)[0], duration_s), duration_s)


def render(
    subject: Subject,
    plan: Plan,
    rng: np.random.Generator,
    *,
    record_id: str,
    sampling_rate: float,
    duration_s: float,
) -> Record:
    """Simulates the signal and the report of a planned record."""
    # Each part has a generator of its own, so that leaving out noise moves no beat.
    heart_rng, noise_rng, words_rng = rng.spawn(3)
    time_s = np.arange(round(duration_s * sampling_rate)) / sampling_rate
    beats = _sample_beats(subject, plan, heart_rng, duration_s)
    heart = vary(subject.heart, heart_rng)
    heart = afflict(heart, plan.findings, plan.severity, heart_rng)
    vector = _sample_vector(heart, plan, beats, heart_rng, time_s)
    vector *= _breathing(subject.breathing_hz, heart_rng, time_s)
    potentials = electrode_potentials(vector, heart.chest_gain)
    potentials += electrode_noise(noise_rng, time_s, plan.noise)
    signal = leads_from_electrodes(potentials, plan.electrodes_off)

    is_inside = _is_inside(beats, duration_s)
    rate_bpm = _rate(beats, duration_s)
    missing = [STANDARD_12_LEADS[row] for row in np.flatnonzero(np.isnan(signal).all(axis=1))]
    artefacts = _artefacts(plan.noise)
    lost = f"lead{'s' * (len(missing) > 1)} {', '.join(missing)} not recorded"
    remarks = [*([lost] if missing else []), *artefacts]
    stream = Stream(
        signal=signal.astype(np.float32),
        channels=STANDARD_12_LEADS,
        sampling_rate=sampling_rate,
        modality="ecg",
        unit="mV",
        resolution=np.full(12, 0.001),
    )
    return Record(
        record_id=record_id,
        subject_id=subject.subject_id,
        streams={"ecg": stream},
        report=write_report(
            words_rng,
            rhythm=plan.rhythm,
            findings=plan.read,
            rate_bpm=rate_bpm,
            remarks=remarks,
        ),
        statements=_statements(plan),
        annotations=tuple(
            Annotation(time_s=float(at_s), label="V" if is_ectopic else "N", kind="beat")
            for at_s, is_ectopic in zip(
                beats.r_s[is_inside], beats.is_ectopic[is_inside], strict=True
            )
        ),
        facts={
            "age": subject.age,
            "sex": subject.sex,
            "height_cm": subject.height_cm,
            "weight_kg": subject.weight_kg,
            "heart_rate_bpm": rate_bpm,
            "missing_leads": " ".join(missing),
            "noise": ", ".join(artefacts),
            "is_misread": plan.read != plan.findings,
        },
    )


def _is_inside(beats: Beats, duration_s: float) -> Bool[np.ndarray, "n"]:
    return (beats.r_s >= 0) & (beats.r_s < duration_s)


def _rate(beats: Beats, duration_s: float) -> int:
    r_s = beats.r_s[_is_inside(beats, duration_s)]
    return round(60 * (len(r_s) - 1) / (r_s[-1] - r_s[0]))


def _sample_beats(
    subject: Subject, plan: Plan, rng: np.random.Generator, duration_s: float
) -> Beats:
    if plan.rhythm == "AFIB":
        return fibrillation_beats(
            rng,
            duration_s=duration_s,
            rate_bpm=plan.rate_bpm,
            variability=0.11 + 0.16 * plan.severity,
        )
    beats = sinus_beats(
        rng,
        duration_s=duration_s,
        rate_bpm=plan.rate_bpm,
        variability=subject.variability,
        breathing_hz=subject.breathing_hz,
    )
    if plan.rhythm == "PVC":
        # Where there is a sinus beat before and after within the record.
        inner = np.flatnonzero((beats.r_s[1:-1] > 1.3) & (beats.r_s[2:] < duration_s)) + 1
        n_ectopics = max(1, min(len(inner), round(rng.uniform(0.1, 0.35) * duration_s)))
        places = np.isin(np.arange(len(beats.r_s)), rng.choice(inner, n_ectopics, replace=False))
    elif plan.rhythm == "BIGU":
        places = np.arange(len(beats.r_s)) % 2 == rng.integers(2)
    else:
        return beats
    return with_ectopics(rng, beats, places, coupling=rng.uniform(0.5, 0.68))


def _sample_vector(
    heart: Heart,
    plan: Plan,
    beats: Beats,
    rng: np.random.Generator,
    time_s: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "3 T"]:
    jitter = rng.lognormal(0.0, 0.02, size=len(beats.r_s))
    if plan.rhythm != "AFIB":
        return heart_vector(beat_waves(heart, beats, jitter=jitter), time_s)
    vector = heart_vector(beat_waves(heart, beats, has_p=False, jitter=jitter), time_s)
    coarse_mv = rng.uniform(0.008, 0.02) + 0.04 * plan.severity
    return vector + fibrillatory_wave(rng, time_s, coarse_mv)


def _breathing(
    breathing_hz: float, rng: np.random.Generator, time_s: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "3 T"]:
    """Samples respiratory amplitude modulation: a heart that moves with the breath."""
    breath = np.sin(2 * np.pi * breathing_hz * time_s + rng.uniform(0, 2 * np.pi))
    return 1 + rng.uniform(0.0, 0.05, size=(3, 1)) * breath


def _statements(plan: Plan) -> tuple[Statement, ...]:
    rhythm = ("SR",) if plan.rhythm == "SR" else ()
    return tuple(
        Statement(_SCP_CODES.get(code, code), "scp-ecg", 100.0)
        for code in (*stated_codes(plan), *rhythm)
    )


def _artefacts(noise: Noise) -> list[str]:
    levels = {
        "baseline wander": noise.wander_mv > 0.07,
        "mains interference": noise.mains_mv > 0.01,
        "muscle artefact": noise.emg_mv > 0.014,
        "motion artefact": noise.motion_mv > 0,
    }
    return [name for name, is_strong in levels.items() if is_strong]
