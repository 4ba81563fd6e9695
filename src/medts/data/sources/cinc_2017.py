"""PhysioNet/CinC Challenge 2017: single-lead ECGs of a hand-held device, AF classification.

`training/` holds 8,528 recordings in subfolders, `validation/` 300 of them once more; either may
be missing. `REFERENCE.csv` beside them gives one label each, `REFERENCE-v3.csv` at the top, where
it is there, the labels as they were revised after the challenge.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.files import read_table_text
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.ontology import with_phrases
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Source, SourceCard
from medts.data.sources.physionet import list_headers
from medts.data.sources.reading import hashed_fold, read_file, refused

RHYTHMS = ("N", "A", "O", "~")
"""Normal, atrial fibrillation, another rhythm, too noisy; the score was that of the first three."""


class Cinc2017(Source):
    """CinC 2017 (ODC-By 1.0): 8,528 ECGs, one lead, 9 to 61 s, 300 Hz, mV; folds by hash."""

    name: ClassVar[str] = "cinc-2017"
    card: ClassVar[SourceCard] = SourceCard(
        title="PhysioNet/Computing in Cardiology Challenge 2017 1.0.0",
        licence=ODC_BY,
        citation=(
            "Clifford et al., AF classification from a short single lead ECG recording: the "
            "PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology 44 (2017), "
            f"doi:10.22489/CinC.2017.065-469; {PHYSIONET}"
        ),
        obtain="https://physionet.org/content/challenge-2017/1.0.0/",
        subjects="unknown",
        records="8,528 ECGs of a hand-held device, 9 to 61 s",
        streams={
            "ecg": ("one lead, I", "mV", "300 Hz"),
        },
        folds=(
            "a hash of the id puts each record into train, validation or test (60, 20 and 20 %)"
        ),
        layout="`training/` or `validation/` with their `REFERENCE.csv`",
        notes=(
            "N is normal, A atrial fibrillation, O another rhythm, ~ too noisy to tell",
            "`scored-rhythm` has the first three, which made the score of the challenge; "
            "noisy recordings take no part",
        ),
        defects=(
            "no patient identifiers: a person with several recordings may be in several "
            "folds, so scores may be better than for new patients",
            "the lead is called ECG in the files; it lies between the hands and is renamed I",
            "the device could be held either way round, so some recordings are upside "
            "down; they are left as they are",
            "labels were revised: REFERENCE-v3.csv counts where it is there, and the fact "
            "reference names the table used",
            "headers give the date before the time, which is not valid WFDB; both orders are read",
        ),
        is_public=True,
    )
    label_sets = tuple(
        with_phrases(LabelSet(name=f"cinc-2017/{part}", classes=classes, kind="single"))
        for part, classes in (("rhythm", RHYTHMS), ("scored-rhythm", RHYTHMS[:3]))
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording once, by id."""
        path = Path(path)
        inner = [path / name for name in ("training", "validation") if (path / name).is_dir()]
        folders = inner or [path]
        headers: dict[str, Path] = {}
        for folder in folders:
            for header in list_headers(folder, "**/*.hea", corpus="CinC Challenge 2017"):
                headers.setdefault(header.stem, header)
        tables = [folder / "REFERENCE.csv" for folder in folders] + [path / "REFERENCE-v3.csv"]
        present = [table for table in tables if table.is_file()]
        if not present:
            remedy = "It holds the labels; download it as well"
            raise ReadError("no such file", path=tables[0], remedy=remedy)
        labels = {name: (label, table) for table in present for name, label in _read(table)}
        return (_entry(name, headers[name], labels.get(name)) for name in sorted(headers))


def _entry(name: str, header: Path, labelled: tuple[str, Path] | None) -> Entry:
    fold = hashed_fold("cinc-2017", name)
    if labelled is None:
        labels = {"rhythm": None, "scored-rhythm": None}
        return Entry(name, name, fold, partial(load_recording, header), labels)
    label, table = labelled
    if label not in RHYTHMS:
        problem = f"label {label!r} is none of {', '.join(RHYTHMS)}"
        return refused(name, name, fold, ReadError(problem, path=table, field=name))
    labels = {"rhythm": (label,), "scored-rhythm": None if label == "~" else (label,)}
    load = partial(load_recording, header, reference=table.name)
    return Entry(name, name, fold, load, labels)


def load_recording(header: Path, *, reference: str | None = None) -> Record:
    """Reads a recording and renames its lead, which the files call ECG."""
    record = read_file(header)
    streams = {
        name: replace(stream, channels=tuple("I" if c == "ECG" else c for c in stream.channels))
        for name, stream in record.streams.items()
    }
    facts = {**record.facts, "reference": reference} if reference else record.facts
    return replace(record, subject_id=record.record_id, streams=streams, facts=facts)


def _read(table: Path) -> Iterator[tuple[str, str]]:
    """Yields ids and labels of a table without header."""
    try:
        rows = csv.reader(io.StringIO(read_table_text(table), newline=""))
        for number, cells in enumerate(rows, start=1):
            if len(cells) != 2:
                problem = f"{len(cells)} cells instead of id and label"
                raise ReadError(problem, path=table, field=f"row {number}")
            yield cells[0].strip(), cells[1].strip()
    except csv.Error as error:
        raise ReadError(f"not a CSV table: {error}", path=table) from error
