"""MIT-BIH Arrhythmia Database, DS1/DS2 (inter-patient) split: windows with rhythms, and beats.

A recording lasts half an hour and its labels hold for parts of it, so each part becomes an entry:
`MitBih` lists consecutive windows of ten seconds, `MitBihBeats` one short piece around every
annotated beat. Listing reads every recording once, since only the annotations have the places;
entries of one recording are neighbours, so that ingest reads it only once more.

Axes: C channels, T samples in time.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import ReadError, unknown_name
from medts.core.labels import LabelSet
from medts.core.records import Annotation, Fact, Record, Stream
from medts.data.ontology import with_phrases
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Labels, Source, SourceCard
from medts.data.sources.physionet import list_headers
from medts.data.sources.pieces import keep_last
from medts.data.sources.reading import read_file, refused, spell_out_sex

CORPUS = "MIT-BIH Arrhythmia Database"
RATE = 360
"""Sampling rate of every recording, Hz."""

_DS1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230"
_DS2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234"
DS1, DS2 = tuple(_DS1.split()), tuple(_DS2.split())
"""The halves of de Chazal et al. (IEEE Trans Biomed Eng 51(7), 2004)."""

PACED = ("102", "104", "107", "217")
"""Recordings that ANSI/AAMI EC57 leaves out wherever beats are classified."""

VALIDATION = ("101", "114", "118", "215", "223")
"""The part of DS1 that chooses, ours: N, S, V and F occur in it and in what is left to train."""

SAME_SUBJECT = {"202": "201"}
"""From the recording of the second half to the one in DS1 of the same man."""

WINDOW_S = 10
"""Length of a window, seconds; the last one of a recording is shorter."""

BEFORE_PEAK, BEAT_SAMPLES = 100, 300
"""Samples before the R peak, and in all: 0.28 s and 0.83 s, from the P to the T wave."""

_LEAD = {"MLII": "II"}
_HALF_SAMPLE_S = 0.5 / RATE

_RHYTHMS = "AB AFIB AFL B BII IVR N NOD P PREX SBR SVTA T VFL VT"
RHYTHMS = tuple(_RHYTHMS.split())

AAMI_OF = {
    **dict.fromkeys("NLRBejn", "N"),
    **dict.fromkeys("AaJS", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
}
"""Class of each beat symbol after ANSI/AAMI EC57; B, n, r and ? never occur in this corpus and
follow the tables of the WFDB library (`ecgmap.h`)."""

_AAMI_PHRASES = {
    "N": ("normal or bundle branch block beat", "beat neither ectopic nor fused nor paced"),
    "S": ("supraventricular ectopic beat", "premature atrial or junctional beat"),
    "V": ("ventricular ectopic beat", "premature ventricular contraction"),
    "F": ("fusion of ventricular and normal beat", "fusion beat"),
    "Q": ("paced or unclassifiable beat", "unknown beat"),
}

_DEFECTS = (
    "201 and 202 are the same man, in DS1 and DS2: 201 goes beside 202 into the test fold without "
    "labels, so the labelled test fold is DS2 unchanged and DS1 loses one recording",
    "102, 104, 107 and 217 are paced and in neither half: they are in the train fold, and their "
    "beats have no AAMI class",
    "lead MLII, a lead II with electrodes on the trunk, is renamed II, so that models find it; "
    "102 and 104 lack it",
    "recordings differ in their second lead, and 114 holds both in reverse: choose leads by name",
)


def _card(records: str, *defects: str, notes: tuple[str, ...]) -> SourceCard:
    return SourceCard(
        title=f"{CORPUS} 1.0.0",
        licence=ODC_BY,
        citation=(
            "Moody, Mark, The impact of the MIT-BIH Arrhythmia Database. IEEE Eng Med Biol "
            f"20(3), 45-50 (2001), doi:10.13026/C2F305; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/mitdb/1.0.0/",
        subjects="47",
        records=records,
        streams={"ecg": ("2 leads", "mV", "360 Hz")},
        also="beats, rhythms and marks of quality as annotations, age, sex",
        folds=(
            "by subject, after de Chazal et al. 2004: DS2 tests, a part of DS1 (101, 114, 118, "
            "215, 223) validates, the rest of DS1 trains"
        ),
        notes=notes,
        defects=(*_DEFECTS, *defects),
        is_public=True,
    )


class MitBih(Source):
    """MIT-BIH (ODC-By 1.0) as windows of 10 s: 48 recordings of 47 subjects, 2 leads, 360 Hz, mV.

    The label is the rhythm that holds during the whole window. A window in which it changes takes
    no part, so rhythms of a few seconds, such as most runs of ``VT``, are seldom a label.
    """

    name: ClassVar[str] = "mit-bih"
    card: ClassVar[SourceCard] = _card(
        "ten seconds of one of 48 recordings of half an hour",
        "the first rhythm is marked a few samples late: it holds from the start",
        "in DS1 atrial fibrillation occurs in 201 and 203 only, so validation has none",
        notes=(
            "`rhythm` is what holds during the whole window; one in which it changes is left out",
        ),
    )
    label_sets = (with_phrases(LabelSet(name="mit-bih/rhythm", classes=RHYTHMS, kind="single")),)

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the windows of every recording in turn; an unreadable recording is one entry."""
        return _entries(list_headers(Path(path), "*.hea", corpus=CORPUS), _windows)


class MitBihBeats(Source):
    """MIT-BIH (ODC-By 1.0) as some 110,000 beats, 5 AAMI classes: 300 samples, 2 leads, 360 Hz, mV.

    The R peak is sample 100; past either end of the recording samples are NaN. What makes a beat
    supraventricular is often only that it comes early, which so short a piece can hardly show.
    """

    name: ClassVar[str] = "mit-bih-beats"
    card: ClassVar[SourceCard] = _card(
        "one beat of 300 samples, its R peak at sample 100, of 48 recordings of half an hour",
        "Q is all but empty without the paced recordings: 15 beats in both halves together",
        "ventricular flutter waves (!), blocked P waves and artefacts are no beats",
        notes=(
            "`aami` has the classes of ANSI/AAMI EC57; what makes a beat supraventricular is often "
            "only that it comes early, which so short a piece can hardly show",
        ),
    )
    label_sets = (
        LabelSet(
            name="mit-bih-beats/aami",
            classes=tuple(_AAMI_PHRASES),
            kind="single",
            phrases=_AAMI_PHRASES,
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists the beats of every recording in turn; an unreadable recording is one entry."""
        return _entries(list_headers(Path(path), "*.hea", corpus=CORPUS), _beats)


@dataclass(frozen=True)
class Recording:
    """One half-hour recording: rhythms apart from the other annotations, which are in order."""

    name: str
    stream: Stream
    rhythms: tuple[Annotation, ...]
    marks: tuple[Annotation, ...]
    facts: dict[str, Fact]


@keep_last
def read_recording(header: Path) -> Recording:
    """Reads one recording; the last one is kept."""
    record = read_file(header)
    stream = record.streams.get("ecg")
    if stream is None or stream.sampling_rate != RATE:
        raise ReadError(f"holds no ECG at {RATE} Hz", path=header)
    rhythms = [each for each in record.annotations if each.kind == "rhythm"]
    table = header.with_suffix(".atr")
    if not rhythms:
        raise ReadError("no rhythm is annotated", path=table)
    if stranger := next((each.label for each in rhythms if each.label not in RHYTHMS), None):
        fault = unknown_name("rhythm", stranger, RHYTHMS)
        raise ReadError(fault.problem, path=table, remedy=fault.remedy)
    first = rhythms[0]
    rhythms[0] = replace(first, time_s=0.0, duration_s=first.time_s + first.duration_s)
    marks = [each for each in record.annotations if each.kind != "rhythm"]
    return Recording(
        name=header.stem,
        stream=replace(stream, channels=tuple(_LEAD.get(name, name) for name in stream.channels)),
        rhythms=tuple(rhythms),
        marks=tuple(sorted(marks, key=_time_of)),
        facts={**spell_out_sex(record.facts), "recording": header.stem},
    )


def _time_of(annotation: Annotation) -> float:
    return annotation.time_s


def load_piece(
    header: Path, *, record_id: str, subject_id: str, start: int, n_samples: int
) -> Record:
    """Cuts a piece out of a recording, with its annotations in seconds from its own start."""
    recording = read_recording(header)
    whole, stop = recording.stream, start + n_samples
    low, high = max(start, 0), min(stop, whole.n_samples)
    signal = np.full((len(whole.signal), n_samples), np.nan, dtype=np.float32)
    signal[:, low - start : high - start] = whole.signal[:, low:high]
    return Record(
        record_id=record_id,
        subject_id=subject_id,
        streams={"ecg": replace(whole, signal=signal)},
        annotations=_annotations(recording, start / RATE, stop / RATE),
        facts={**recording.facts, "start_s": start / RATE},
    )


def _annotations(recording: Recording, start_s: float, stop_s: float) -> tuple[Annotation, ...]:
    """Returns what is annotated between two times; rhythms are cut off at both."""
    found = []
    for rhythm in recording.rhythms:
        begin = max(rhythm.time_s, start_s)
        duration_s = min(rhythm.time_s + rhythm.duration_s, stop_s) - begin
        if duration_s > _HALF_SAMPLE_S:
            found.append(replace(rhythm, time_s=begin - start_s, duration_s=duration_s))
    first, last = (bisect_left(recording.marks, at, key=_time_of) for at in (start_s, stop_s))
    found += [replace(m, time_s=m.time_s - start_s) for m in recording.marks[first:last]]
    return tuple(found)


_Piece = tuple[int, int, Labels]
"""First sample of a piece, number of samples, labels."""


def _windows(recording: Recording) -> Iterator[_Piece]:
    length, total = WINDOW_S * RATE, recording.stream.n_samples
    is_labelled = recording.name not in SAME_SUBJECT.values()
    for start in range(0, total, length):
        stop = min(start + length, total)
        held = [
            each.label
            for each in recording.rhythms
            if each.time_s <= start / RATE + _HALF_SAMPLE_S
            and each.time_s + each.duration_s >= stop / RATE - _HALF_SAMPLE_S
        ]
        yield start, stop - start, {"rhythm": (held[0],) if held and is_labelled else None}


def _beats(recording: Recording) -> Iterator[_Piece]:
    is_labelled = recording.name not in (*PACED, *SAME_SUBJECT.values())
    for mark in recording.marks:
        if mark.kind == "beat":
            label = (AAMI_OF[mark.label],) if is_labelled else None
            yield round(mark.time_s * RATE) - BEFORE_PEAK, BEAT_SAMPLES, {"aami": label}


def _entries(
    headers: list[Path], pieces: Callable[[Recording], Iterator[_Piece]]
) -> Iterator[Entry]:
    read_recording.cache_clear()  # the files may have changed since they were last read
    for header in headers:
        name = header.stem
        subject_id, fold = SAME_SUBJECT.get(name, name), _FOLD_OF.get(name, "")
        try:
            if not fold:
                raise ReadError(f"no recording of the {CORPUS} has that name", path=header)
            recording = read_recording(header)
        except ReadError as error:
            yield refused(name, subject_id, fold, error)
            continue
        load = partial(load_piece, header, subject_id=subject_id)
        for number, (start, n_samples, labels) in enumerate(pieces(recording)):
            record_id = f"{name}/{number:04d}"
            place = partial(load, record_id=record_id, start=start, n_samples=n_samples)
            yield Entry(record_id, subject_id, fold, place, labels)


_FOLD_OF: dict[str, str] = {
    **dict.fromkeys((*DS1, *PACED), "train"),
    **dict.fromkeys(VALIDATION, "validation"),
    **dict.fromkeys(DS2, "test"),
}
_FOLD_OF |= {first: _FOLD_OF[other] for other, first in SAME_SUBJECT.items()}
