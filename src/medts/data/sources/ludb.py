"""LUDB: 12-lead ECGs with P, QRS and T delineated in every lead by cardiologists.

`data/N.hea` and `data/N.dat` hold a recording, `data/N.i` … `data/N.v6` the waves of one lead
each, `ludb.csv` the findings. Of every P wave, QRS complex and T wave the peak becomes an
annotation of kind ``peak``; where exactly one peak lies between an onset and an offset, these
become one of kind ``wave`` with its duration.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError, unknown_name
from medts.core.labels import LabelSet
from medts.core.records import Annotation, Fact, Record, Statement
from medts.data.ontology import with_phrases
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Labels, Source, SourceCard, single
from medts.data.sources.physionet import list_headers
from medts.data.sources.reading import (
    hashed_fold,
    read_file,
    read_rows,
    refused,
    require_file,
    spell_out_sex,
)

RHYTHMS = (
    "Sinus rhythm",
    "Sinus bradycardia",
    "Sinus tachycardia",
    "Sinus arrhythmia",
    "Irregular sinus rhythm",
    "Atrial fibrillation",
    "Atrial flutter, typical",
    "Wandering atrial pacemaker",
)

DIAGNOSES = {
    "Sinoatrial blockade": "sinoatrial block",
    "I degree AV block": "first degree AV block",
    "III degree AV-block": "third degree AV block",
    "Incomplete right bundle branch block": "incomplete right bundle branch block",
    "Complete right bundle branch block": "complete right bundle branch block",
    "Incomplete left bundle branch block": "incomplete left bundle branch block",
    "Complete left bundle branch block": "complete left bundle branch block",
    "Left anterior hemiblock": "left anterior fascicular block",
    "Non-specific intraventricular conduction delay": "unspecific intraventricular block",
    "Aberrant conduction": "aberrant ventricular conduction",
    "Atrial extrasystole": "premature atrial contraction",
    "Ventricular extrasystole": "premature ventricular contraction",
    "Right atrial hypertrophy": "right atrial hypertrophy",
    "Left atrial hypertrophy": "left atrial hypertrophy",
    "Right atrial overload": "right atrial overload",
    "Left atrial overload": "left atrial overload",
    "Right ventricular hypertrophy": "right ventricular hypertrophy",
    "Left ventricular hypertrophy": "left ventricular hypertrophy",
    "Left ventricular overload": "left ventricular overload",
    "Cardiac pacing": "paced by a cardiac pacemaker",
    "STEMI": "myocardial infarction with ST elevation",
    "Ischemia": "myocardial ischaemia",
    "Scar formation": "scar of an old myocardial infarction",
    "Undefined ischemia/scar/supp.NSTEMI": "ischaemia, scar or infarction without ST elevation",
    "Non-specific repolarization abnormalities": "non-specific repolarisation abnormality",
    "Early repolarization syndrome": "early repolarisation",
}
"""Findings brought together over walls, origins and morphologies, each with its wording."""

_AXIS, _PACING = "Electric axis of the heart", "Cardiac pacing"
_COLUMNS = (
    "Rhythms",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    _PACING,
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
)

_CLASSES = {name.lower(): name for name in (*RHYTHMS, *DIAGNOSES)}

_WAVES = {"p": "P", "N": "QRS", "t": "T"}

_OLDEST = ">89"


class Ludb(Source):
    """LUDB 1.0.1 (ODC-By 1.0): 200 ECGs of 200 subjects, 12 leads, 10 s, 500 Hz, mV.

    All findings, with their places in the heart, are statements; the electric axis is a fact.
    Every record takes part in both label sets; of diagnoses it may have none.
    """

    name: ClassVar[str] = "ludb"
    card: ClassVar[SourceCard] = SourceCard(
        title="Lobachevsky University Electrocardiography Database (LUDB) 1.0.1",
        licence=ODC_BY,
        citation=(
            "Kalyakulina et al., LUDB: A New Open-Access Validation Tool for Electrocardiogram "
            "Delineation Algorithms. IEEE Access 8, 186181-186190 (2020), "
            f"doi:10.1109/ACCESS.2020.3029211; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/ludb/1.0.1/",
        subjects="200",
        records="200 ECGs of 10 s",
        streams={
            "ecg": ("12 leads", "mV", "500 Hz"),
        },
        also=(
            "P waves, QRS complexes and T waves of every lead as annotations by "
            "cardiologists; findings as statements"
        ),
        folds=(
            "a hash of the id puts each record into train, validation or test (60, 20 and 20 %)"
        ),
        layout="`ludb.csv` and `data/`",
        notes=(
            "in `rhythm` a wandering pacemaker stands beside a sinus rhythm",
            "`diagnoses` are findings without rhythm and axis, brought together over "
            "walls, origins and morphologies; a record may have none",
        ),
        defects=(
            "the first and last beats of a record are often not annotated",
            "some waves lack a bound, or have it on the wrong side of their peak: only their "
            "peaks are kept",
            "peaks number 58,423, six fewer than in the documentation",
            "age above 89 is hidden in ludb.csv; it is kept as 90 with the fact age_is_capped",
            "findings are in capitals and small letters at random and 'intraventricular' "
            "is misspelt; classes are spelt as in the documentation",
            "aberrant conduction stands among the rhythms of ludb.csv; here it is a diagnosis",
        ),
        is_public=True,
    )
    label_sets = (
        with_phrases(LabelSet(name="ludb/rhythm", classes=RHYTHMS, kind="multi")),
        single("ludb/diagnoses", DIAGNOSES).but(kind="multi"),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every row of ``ludb.csv`` and every recording, by number.

        Raises:
            ReadError: If the table, one of its columns or all recordings are missing.
        """
        path = Path(path)
        table = path / "ludb.csv"
        cells = read_rows(table, ("ID", "Age", _AXIS, *_COLUMNS), corpus="LUDB")
        rows = {row["ID"].strip(): row for row in cells}
        if len(rows) < len(cells):
            remedy = "Keep one of the rows"
            raise ReadError("an ID occurs twice", path=table, field="ID", remedy=remedy)
        headers = list_headers(path, "data/*.hea", corpus="LUDB")
        names = {*rows, *(header.stem for header in headers)}
        return (
            _entry(name, rows.get(name), table)
            for name in sorted(names, key=lambda name: (len(name), name))
        )


def _entry(name: str, row: dict[str, str] | None, table: Path) -> Entry:
    header, fold = table.parent / "data" / f"{name}.hea", hashed_fold("ludb", name)
    try:
        if row is None:
            raise ReadError(f"no row of {table.name} names it", path=header)
        found = {column: _values(row, column) for column in _COLUMNS}
        labels = _labels(found, table, name)
    except ReadError as error:
        return refused(name, name, fold, error)
    facts: dict[str, Fact] = {"age_is_capped": row["Age"].strip() == _OLDEST}
    for axis in _values(row, _AXIS):
        facts["heart_axis"] = axis.removeprefix(f"{_AXIS}: ")
    coded = tuple(Statement(each, "ludb") for values in found.values() for each in values)
    load = partial(load_recording, header, coded=coded, facts=facts)
    return Entry(name, name, fold, load, labels)


def load_recording(header: Path, *, coded: tuple[Statement, ...], facts: dict[str, Fact]) -> Record:
    """Reads a recording with the waves of all its leads."""
    from medts.formats.wfdb_annotations import read_annotations

    record = read_file(header)
    found: list[Annotation] = []
    for stream in record.streams.values():
        for lead in stream.channels:
            suffix = lead.lower()
            require_file(header.with_suffix(f".{suffix}"), corpus="LUDB")
            bare, rate = header.with_suffix(""), stream.sampling_rate
            found += waves(read_annotations(bare, rate, stream.duration_s, suffix), lead)
    return replace(
        record,
        subject_id=record.record_id,
        statements=coded,
        annotations=tuple(sorted(found, key=lambda annotation: annotation.time_s)),
        facts={**spell_out_sex(record.facts), **facts},
    )


def waves(marks: Sequence[Annotation], lead: str) -> list[Annotation]:
    """Turns onsets, peaks and offsets of one lead into waves and peaks.

    >>> onset, peak, offset = (Annotation(t, s, "wave") for t, s in ((1, "("), (2, "N"), (4, ")")))
    >>> [(each.kind, each.label, each.duration_s) for each in waves([onset, peak, offset], "II")]
    [('peak', 'QRS', 0.0), ('wave', 'QRS', 3)]
    """
    found = [
        Annotation(mark.time_s, _WAVES[mark.label], "peak", lead)
        for mark in marks
        if mark.label in _WAVES
    ]
    for onset, peak, offset in zip(marks, marks[1:], marks[2:], strict=False):
        if onset.label == "(" and peak.label in _WAVES and offset.label == ")":
            duration_s = offset.time_s - onset.time_s
            found.append(Annotation(onset.time_s, _WAVES[peak.label], "wave", lead, duration_s))
    return found


def _labels(found: dict[str, tuple[str, ...]], table: Path, name: str) -> Labels:
    """Sorts the findings of a record into the two label sets, in the order of classes."""
    held: set[str] = set()
    for column, values in found.items():
        for value in values:
            spelt = value.lower().replace("intravintricular", "intraventricular")
            stem = re.split("[:,]", spelt)[0]
            known = _PACING if column == _PACING else _CLASSES.get(spelt, _CLASSES.get(stem))
            if known is None:
                fault = unknown_name("finding", value, (*RHYTHMS, *DIAGNOSES))
                field = f"ID {name}, {column}"
                raise ReadError(fault.problem, path=table, field=field, remedy=fault.remedy)
            held.add(known)
    return {
        "rhythm": tuple(each for each in RHYTHMS if each in held),
        "diagnoses": tuple(each for each in DIAGNOSES if each in held),
    }


def _values(row: dict[str, str], column: str) -> tuple[str, ...]:
    """Splits a cell, which has one finding per line."""
    return tuple(line.strip() for line in row[column].splitlines() if line.strip())
