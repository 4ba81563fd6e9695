"""BIDMC PPG and Respiration (CSV layout): eight minutes each of ECG, PPG, respiration from an ICU.

``bidmc_csv/bidmc_NN_Signals.csv`` holds the monitor's curves, ``_Numerics.csv`` its counts once a
second, ``_Breaths.csv`` breaths marked by two annotators, ``_Fix.txt`` the patient. There are no
classes: the corpus is for pretraining on several modalities at several rates.

Axes: C channels, T samples in time.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import ReadError
from medts.core.montage import guess_modality
from medts.core.records import Annotation, Fact, Record, Stream
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Source, SourceCard
from medts.data.sources.pieces import numbered
from medts.data.sources.reading import read_numbers, refused, require_file, spell_out_sex

CORPUS = "BIDMC"

RATE, NUMERICS_RATE = 125.0, 1.0
"""Sampling rates of signals and numerics, Hz."""

_ROUNDING = 0.75
"""Share of a step by which a time, rounded to five digits, may miss its place."""

_UNIT_OF = {"ecg": "mV", "ppg": "a.u.", "resp": "a.u.", "abp": "mmHg"}
_OTHER_PRESSURES = ("CVP", "PAP", "ICP")

_NUMERICS = {
    "hr": ("hr", "bpm", ("HR", "PULSE")),
    "resp-rate": ("other", "bpm", ("RESP",)),
    "spo2": ("spo2", "%", ("SpO2",)),
}
"""Streams of the numerics: modality, unit and columns."""


class Bidmc(Source):
    """BIDMC 1.0.0 (ODC-By 1.0): 53 recordings of 8 min; ECG, PPG, respiration and pressures.

    Numerics are at 1 Hz, breaths are annotations. Persons differ by their MIMIC II id;
    each is a fold, numbered by the first recording.
    """

    name: ClassVar[str] = "bidmc"
    card: ClassVar[SourceCard] = SourceCard(
        title="BIDMC PPG and Respiration Dataset 1.0.0",
        licence=ODC_BY,
        citation=(
            "Pimentel et al., Toward a Robust Estimation of Respiratory Rate from Pulse "
            "Oximeters. IEEE Trans Biomed Eng 64(8), 1914-1923 (2016), doi:10.13026/C2208R; "
            f"{PHYSIONET}"
        ),
        obtain="https://physionet.org/content/bidmc/1.0.0/",
        subjects="fewer than 53: some recordings share a patient",
        records="53 recordings of eight minutes from intensive care",
        streams={
            "ecg": ("as recorded", "mV", "125 Hz"),
            "ppg, resp": ("one each", "arbitrary", "125 Hz"),
            "abp, cvp and the like": ("in some recordings (ABP or ART)", "mmHg", "125 Hz"),
            "hr, resp-rate": ("HR and PULSE; breaths", "per minute", "1 Hz"),
            "spo2": ("one", "%", "1 Hz"),
        },
        also="breaths by two annotators as annotations, age, sex, ward",
        folds="one for each patient, numbered by the patient's first recording",
        layout="the recordings in WFDB or in CSV; the CSV part suffices",
        notes=(
            "it has no classes: it is for pretraining",
            "a record is a whole recording; give `crops_per_record` none to train on all "
            "of its windows",
        ),
        defects=(
            "several recordings may be of one patient (06 to 09 are): subjects are MIMIC II ids",
            "columns differ in set and order, and their names begin with a blank: taken by name",
            "the monitors clip the signals at the edge of their range",
            "numerics have empty cells: NaN",
            "an unknown column is refused",
            "times are rounded to five digits: rows must follow each other at 125 Hz "
            "within three quarters of a step",
        ),
        is_public=True,
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording by number; one without readable ``_Fix.txt`` is refused."""
        path = Path(path)
        folder = path / "bidmc_csv" if (path / "bidmc_csv").is_dir() else path
        pattern = r"bidmc_(\d\d)_\w+\.(?:csv|txt)"
        recordings = numbered(folder.glob("bidmc_*"), pattern, folder=path, corpus=CORPUS)
        fold_of: dict[str, str] = {}
        for number in recordings:
            stem = folder / f"bidmc_{number:02d}"
            try:
                facts = _read_facts(stem.with_name(f"{stem.name}_Fix.txt"))
            except ReadError as error:
                yield refused(f"{number:02d}", f"unknown-{number:02d}", str(number), error)
                continue
            subject_id = str(facts.pop("subject_id"))
            fold = fold_of.setdefault(subject_id, str(number))
            load = partial(load_recording, stem, subject_id=subject_id, facts=facts)
            yield Entry(f"{number:02d}", subject_id, fold, load)


def load_recording(stem: Path, *, subject_id: str, facts: dict[str, Fact]) -> Record:
    """Reads signals, numerics and breaths of one recording."""
    files = {part: stem.with_name(f"{stem.name}_{part}.csv") for part in ("Signals", "Numerics")}
    signals, numerics = (read_numbers(require_file(file, corpus=CORPUS)) for file in files.values())
    for table, rate, file in zip(
        (signals, numerics), (RATE, NUMERICS_RATE), files.values(), strict=True
    ):
        _check_times(table.pop("Time [s]", None), rate, file)
    return Record(
        record_id=stem.name.removeprefix("bidmc_"),
        subject_id=subject_id,
        streams=_streams(signals, files["Signals"]) | _numerics(numerics),
        annotations=_read_breaths(stem.with_name(f"{stem.name}_Breaths.csv")),
        facts=facts,
    )


def _streams(table: Mapping[str, np.ndarray], file: Path) -> dict[str, Stream]:
    """Groups the columns by modality; central venous and other pressures stay on their own."""
    groups: dict[str, list[str]] = {}
    for column in table:
        modality = guess_modality(column)
        if column in _OTHER_PRESSURES:
            modality = column.lower()
        elif column.startswith("MCL"):
            modality = "ecg"
        elif modality not in _UNIT_OF:
            raise ReadError(f"unknown column {column!r}", path=file)
        groups.setdefault(modality, []).append(column)
    return {
        name: Stream(
            np.stack([table[column] for column in columns]).astype(np.float32),
            tuple(columns),
            RATE,
            name if name in _UNIT_OF else "other",
            _UNIT_OF.get(name, "mmHg"),
        )
        for name, columns in groups.items()
    }


def _numerics(table: Mapping[str, np.ndarray]) -> dict[str, Stream]:
    """Returns what the monitor counted, without columns that are missing or empty."""
    streams: dict[str, Stream] = {}
    for name, (modality, unit, wanted) in _NUMERICS.items():
        columns = tuple(c for c in wanted if c in table and np.isfinite(table[c]).any())
        if columns:
            signal = np.stack([table[column] for column in columns]).astype(np.float32)
            streams[name] = Stream(signal, columns, NUMERICS_RATE, modality, unit)
    return streams


def _check_times(times_s: np.ndarray | None, rate: float, file: Path) -> None:
    """Makes sure that rows follow each other at the stated rate."""
    if times_s is None:
        raise ReadError("no column 'Time [s]'", path=file)
    off = np.abs(times_s - np.arange(len(times_s)) / rate) > _ROUNDING / rate
    if off.any():
        row = int(np.argmax(off))
        problem = f"is at {times_s[row]:g} s instead of {row / rate:g} s"
        raise ReadError(problem, path=file, field=f"row {row + 2}")


def _read_breaths(file: Path) -> tuple[Annotation, ...]:
    """Returns the breaths that each of two annotators marked, in the order of time."""
    columns = list(read_numbers(require_file(file, corpus=CORPUS)).values())
    breaths = [
        Annotation(float(sample) / RATE, f"annotator {number}", "breath")
        for number, samples in enumerate(columns, start=1)
        for sample in samples[np.isfinite(samples)]
    ]
    return tuple(sorted(breaths, key=lambda breath: breath.time_s))


def _read_facts(file: Path) -> dict[str, Fact]:
    """Returns who was recorded and where."""
    text = require_file(file, corpus=CORPUS).read_text(encoding="utf-8-sig", errors="replace")
    found = dict(re.findall(r"^([^:\n]+):[ \t]*(.*?)\s*$", text, re.MULTILINE))
    if not found.get("MIMIC II matched wdb ID"):
        raise ReadError("does not say whose recording it is", path=file, field="MIMIC II ID")
    facts: dict[str, Fact] = {"subject_id": found["MIMIC II matched wdb ID"]}
    if age := re.match(r"\d+", found.get("Age", "")):
        facts["age"] = int(age[0])
    facts |= {"sex": found.get("Gender"), "ward": found.get("Location")}
    return spell_out_sex(facts)
