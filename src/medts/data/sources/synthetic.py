"""Synthetic 12-lead ECG dataset: the default of demonstrations, the ground for tests.

Nobody was recorded. Every record is a function of seed, subject and record number alone, so a
larger corpus holds the smaller one unchanged. Results on it show that software works, never that a
method is good for patients.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from medts.core.errors import ConfigError, unknown_name
from medts.core.labels import LabelSet, number_text
from medts.core.records import Record
from medts.data.sources.base import Entry, Source, SourceCard
from medts.data.sources.synthetic_recording import CLEAN, planned_rate, render, stated_codes
from medts.data.sources.synthetic_reports import PHRASES
from medts.data.sources.synthetic_subjects import (
    MORPHOLOGIES,
    RATE_BOUNDS_BPM,
    RHYTHMS,
    Plan,
    clash,
    sample_noise,
    sample_plan,
    sample_rate,
    sample_subject,
)
from medts.signal.dipole import ELECTRODES


def _label_set(part: str, kind: Literal["single", "multi"], classes: tuple[str, ...]) -> LabelSet:
    return LabelSet(
        name=f"synthetic/{part}",
        classes=classes,
        kind=kind,
        phrases={name: PHRASES[name] for name in classes},
        system="scp-ecg",
    )


@dataclass(frozen=True, kw_only=True)
class Synthetic(Source):
    """Twelve-lead ECGs that were never recorded.

    Args:
        n_subjects: People; the first ten fill the ten folds.
        records_per_subject: Records of each.
        sampling_rate: Hz; 100 or more, so that the QRS survives.
        duration_s: Length of each record, 5 s or more.
        seed: Another seed gives other people.

    Raises:
        ConfigError: If a number is out of range.
    """

    name: ClassVar[str] = "synthetic"
    card: ClassVar[SourceCard] = SourceCard(
        title="medts synthetic 12-lead ECG",
        licence="CC0 1.0; made by this package",
        citation="McSharry et al. 2003 and Sameni et al. 2007, whose dipole model it follows",
        obtain="Nothing to obtain: it is made on the spot from a seed",
        subjects="200 by default, none of them a person",
        records="1,000 ECGs of 10 s by default, made from a seed",
        streams={
            "ecg": ("12 leads", "mV", "250 Hz"),
        },
        also="a clinical-style report, beats as annotations, age and sex",
        folds="1 to 10, by subject",
        notes=(
            "a rotating cardiac dipole is projected on the electrodes, so III = II - I "
            "and the identities of the augmented leads hold",
            "a record is a function of seed, subject and record number alone, so a larger "
            "corpus holds the smaller one unchanged",
            "results on it show that software works, never that a method is good for "
            "patients, and everything made from it says so",
        ),
        defects=(
            "The findings of 4 % of records are misread on purpose; reports and labels agree",
            "Only what the dipole model can simulate is in it; no result carries over to patients",
        ),
        synthetic=True,
        is_public=True,
    )

    n_subjects: int = 200
    records_per_subject: int = 5
    sampling_rate: float = 250.0
    duration_s: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field, least in (("n_subjects", 1), ("records_per_subject", 1), ("seed", 0)):
            if getattr(self, field) < least:
                raise ConfigError(f"{getattr(self, field)} is less than {least}", field=field)
        _check_sampling(self.sampling_rate, self.duration_s)

    label_sets = (
        _label_set("rhythm", "single", RHYTHMS),
        _label_set("morphology", "multi", MORPHOLOGIES),
        _label_set("findings", "multi", ("NORM", *RHYTHMS[1:], *MORPHOLOGIES)),
        LabelSet(
            name="synthetic/rate",
            classes=("heart_rate",),
            kind="number",
            units={"heart_rate": "bpm"},
            phrases={"heart_rate": ("heart rate",)},
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists all records. ``path`` is not looked at: there is nothing to read."""
        for number in range(1, self.n_subjects + 1):
            subject = sample_subject(self.seed, number)
            for record in range(1, self.records_per_subject + 1):
                rng = np.random.default_rng([self.seed, number, record])
                plan = sample_plan(subject, rng)
                rate_bpm = planned_rate(subject, plan, rng, self.duration_s)
                yield Entry(
                    record_id=f"{subject.subject_id}-{record:02d}",
                    subject_id=subject.subject_id,
                    fold=str((number - 1) % 10 + 1),
                    labels={
                        "rhythm": (plan.rhythm,),
                        "morphology": plan.read,
                        "findings": stated_codes(plan),
                        "rate": (number_text(rate_bpm),),
                    },
                    load=partial(
                        _load, self.seed, number, record, self.sampling_rate, self.duration_s
                    ),
                )


def synthetic_record(
    *,
    rhythm: str = "SR",
    findings: tuple[str, ...] = (),
    rate_bpm: float | None = None,
    duration_s: float = 10.0,
    sampling_rate: float = 250.0,
    noise: bool = True,
    severity: float = 0.7,
    electrodes_off: tuple[str, ...] = (),
    seed: int = 0,
    subject_id: str = "demo",
) -> Record:
    """Simulates one record with given findings; records of one ``subject_id`` share a heart.

    >>> synthetic_record(rhythm="AFIB", findings=("LVH",)).streams["ecg"].signal.shape
    (12, 2500)

    Args:
        rhythm: One of ``SR``, ``SBRAD``, ``STACH``, ``AFIB``, ``PVC`` and ``BIGU``.
        findings: Any of ``CLBBB``, ``CRBBB``, ``LVH``, ``STE``, ``STD`` and ``INVT``.
        rate_bpm: Mean rate; sampled to suit the rhythm if None.
        duration_s: Length, 5 s or more.
        sampling_rate: Hz, 100 or more.
        noise: False leaves the heart alone on the electrodes, all else the same.
        severity: How marked the findings are, from hardly visible (0) to marked (1).
        electrodes_off: Electrodes without contact; leads that need them are NaN.
        seed: Another seed gives another recording of the same person.
        subject_id: The person.

    Raises:
        UnknownNameError: If a rhythm, finding or electrode is not known.
        ConfigError: If findings exclude each other, or a number is out of range.
    """
    _check_sampling(sampling_rate, duration_s)
    known = {"rhythm": RHYTHMS, "finding": MORPHOLOGIES, "electrode": ELECTRODES}
    given = {"rhythm": (rhythm,), "finding": findings, "electrode": electrodes_off}
    for kind, names in given.items():
        for name in names:
            if name not in known[kind]:
                raise unknown_name(kind, name, known[kind])
    if pair := clash(findings):
        problem = f"{pair[0]} and {pair[1]} in one record"
        raise ConfigError(problem, field="findings", remedy="Choose one of them")
    low, high = RATE_BOUNDS_BPM[rhythm]
    if rate_bpm is not None and not low <= rate_bpm <= high:
        remedy = f"Choose a rate from {low:g} to {high:g}, or another rhythm"
        raise ConfigError(f"{rhythm} at {rate_bpm:g} bpm", field="rate_bpm", remedy=remedy)
    if not 0.0 <= severity <= 1.0:
        raise ConfigError(f"{severity} is not between 0 and 1", field="severity")

    number = zlib.crc32(subject_id.encode())
    subject = sample_subject(0, number)
    rng = np.random.default_rng([seed, number, 1])
    plan = Plan(
        rhythm=rhythm,
        findings=findings,
        read=findings,
        severity=severity,
        rate_bpm=sample_rate(subject, rhythm, rng) if rate_bpm is None else rate_bpm,
        noise=sample_noise(rng) if noise else CLEAN,
        electrodes_off=electrodes_off,
    )
    return render(
        replace(subject, subject_id=subject_id),
        plan,
        rng,
        record_id=f"{subject_id}-{seed}",
        sampling_rate=sampling_rate,
        duration_s=duration_s,
    )


def _load(seed: int, number: int, record: int, sampling_rate: float, duration_s: float) -> Record:
    """Simulates one record of the corpus; the plan is sampled again, exactly as it was listed."""
    subject = sample_subject(seed, number)
    rng = np.random.default_rng([seed, number, record])
    plan = sample_plan(subject, rng)
    return render(
        replace(subject, age=subject.age + (record - 1) // 2),
        plan,
        rng,
        record_id=f"{subject.subject_id}-{record:02d}",
        sampling_rate=sampling_rate,
        duration_s=duration_s,
    )


def _check_sampling(sampling_rate: float, duration_s: float) -> None:
    for field, value, least in (
        ("sampling_rate", sampling_rate, 100.0),
        ("duration_s", duration_s, 5.0),
    ):
        if not least <= value < float("inf"):
            raise ConfigError(f"{value:g} is less than {least:g} or endless", field=field)
