"""ADFTD (BIDS): resting-state EEG in Alzheimer's disease and frontotemporal dementia.

``participants.tsv`` has the diagnoses. ``derivatives/sub-NNN/eeg/`` holds the recordings as the
authors cleaned them, ``sub-NNN/eeg/`` the raw ones, both as EEGLAB datasets of some 13 minutes. The
cleaned ones are read wherever the folder of derivatives is there, as Medformer does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.montage import MONTAGES
from medts.core.records import Fact
from medts.data.sources.base import Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces
from medts.data.sources.reading import read_file, read_rows, refused, require_file, spell_out_sex

CORPUS = "ADFTD"

PIECE_S = 10.0
"""Length of a record, seconds; windows of a second or more are taken from it."""

ELECTRODES = MONTAGES["eeg-10-20"].channels

CLASSES = {
    "HC": "healthy elderly person",
    "FTD": "frontotemporal dementia",
    "AD": "Alzheimer's disease",
}
_CLASS_OF = {"C": "HC", "F": "FTD", "A": "AD"}

_COLUMNS = ("participant_id", "Gender", "Age", "Group", "MMSE")


class Adftd(Source):
    """ADFTD 1.0.8 (CC0): 88 subjects, 36 AD, 23 FTD, 29 HC; 19 EEG channels in µV, 500 Hz; 10 s.

    Folds are those of Medformer: the subjects of each class in the order of their numbers, the
    first 60 % ``train``, the next 20 % ``validation``, the rest ``test``.
    """

    name: ClassVar[str] = "adftd"
    card: ClassVar[SourceCard] = SourceCard(
        title="ADFTD: EEG in Alzheimer's and frontotemporal dementia (OpenNeuro ds004504 1.0.8)",
        licence="CC0",
        citation=(
            "Miltiadous et al., A Dataset of Scalp EEG Recordings of Alzheimer's Disease, "
            "Frontotemporal Dementia and Healthy Subjects from Routine EEG. Data 8(6), 95 (2023), "
            "doi:10.3390/data8060095, doi:10.18112/openneuro.ds004504.v1.0.8"
        ),
        obtain="https://openneuro.org/datasets/ds004504",
        subjects="88: 36 with Alzheimer's disease, 23 with frontotemporal dementia, 29 healthy",
        records=(
            "ten seconds of one recording; recordings last 5 to 21 minutes at rest with closed eyes"
        ),
        streams={
            "eeg": ("19 electrodes of the 10-20 system", "µV", "500 Hz"),
        },
        also="age, sex, MMSE, and whether the recording is the cleaned one (is_cleaned)",
        folds=(
            "Medformer's: of each class the first 60 % of the subjects by number train, the "
            "next 20 % validate, the rest test (51, 18 and 19)"
        ),
        layout=(
            "`participants.tsv`; the cleaned recordings in `derivatives/` are read where "
            "there are any (0.5 to 45 Hz, artefacts removed), else the raw ones, never both"
        ),
        notes=(
            "Medformer takes windows of one second without overlap: `window_s=1.0`, `stride_s=1.0`",
        ),
        defects=(
            "the label is a person's disease: pieces of one recording are copies of one label, "
            "so count subjects, not pieces",
            "the authors cut bad stretches out of the cleaned recordings: time jumps there, and "
            "nothing in the signal marks it unless the dataset has boundary events",
            "of the raw recordings README says that Cz is the reference, their sidecars A1 A2",
            "24 of 36 with AD are women, but 11 of 29 healthy ones and 9 of 23 with FTD: sex is "
            "confounded with the class",
            "the parts of the split follow subject numbers; they were not sampled at random",
            "less than five seconds at the end of a recording are left out",
            "a subject of an unknown group, without a recording, or with other than the "
            "19 channels is quarantined",
            "tested on small files in the official layout: its tables and sidecars were "
            "seen, its recordings were not; that they are MATLAB 5 files with the samples "
            "inside is concluded from their sizes",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "adftd/dementia",
            CLASSES,
            "Which dementia somebody has, if any, by ten seconds of EEG with closed eyes.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists ten-second pieces of every subject in turn; an unreadable one is one entry.

        Raises:
            ReadError: If the table of participants is missing or lacks a column.
        """
        path = Path(path)
        table = path / "participants.tsv"
        rows = _read_people(table)
        is_cleaned = (path / "derivatives").is_dir()
        folder = path / "derivatives" if is_cleaned else path
        folds = folds_of({name: row["Group"] for name, row in rows.items()})
        strangers = {each.name for each in folder.glob("sub-*") if each.is_dir()} - set(rows)
        for name in sorted({*rows, *strangers}):
            try:
                if name in strangers:
                    raise ReadError("a recording, but no row", path=table, field=name)
                label, facts = _read_person(rows[name], table)
            except ReadError as error:
                yield refused(name, name, folds.get(name, ""), error)
                continue
            file = folder / name / "eeg" / f"{name}_task-eyesclosed_eeg.set"
            yield from list_pieces(
                partial(read_recording, file, label, (*facts, ("is_cleaned", is_cleaned))),
                name=name,
                subject_id=name,
                fold=folds[name],
                piece_s=PIECE_S,
            )


def folds_of(group_of: Mapping[str, str]) -> dict[str, str]:
    """Splits the subjects of every known group by their place in it.

    >>> folds_of({"sub-1": "A", "sub-2": "A", "sub-3": "A", "sub-4": "A", "sub-5": "A"})["sub-4"]
    'validation'
    """
    folds = {}
    for group in _CLASS_OF:
        members = sorted(name for name, its in group_of.items() if its == group)
        ends = len(members) * 6 // 10, len(members) * 8 // 10
        for place, name in enumerate(members):
            is_later = (place >= ends[0]) + (place >= ends[1])
            folds[name] = ("train", "validation", "test")[is_later]
    return folds


@keep_last
def read_recording(file: Path, label: str, facts: Sequence[tuple[str, Fact]]) -> tuple[Bout, ...]:
    """Reads one recording, which is one bout."""
    record = read_file(require_file(file, corpus=CORPUS))
    held = {name for stream in record.streams.values() for name in stream.channels}
    if list(record.streams) != ["eeg"] or held != set(ELECTRODES):
        lost = ", ".join(name for name in ELECTRODES if name not in held) or "none"
        problem = f"{len(held)} channels instead of the 19 of the 10-20 system; lost: {lost}"
        raise ReadError(problem, path=file, field="chanlocs", remedy="Fetch it again")
    record = replace(record, annotations=(), facts={**dict(facts), "recording": file.stem})
    return (Bout(record, 0.0, record.duration_s, {"dementia": (label,)}),)


def _read_people(table: Path) -> dict[str, dict[str, str]]:
    """Returns the rows by participant."""
    found: dict[str, dict[str, str]] = {}
    for row in read_rows(table, _COLUMNS, corpus=CORPUS, delimiter="\t"):
        name = row["participant_id"].strip()
        if name in found:
            raise ReadError("participant occurs twice", path=table, field=name)
        found[name] = {column: row[column].strip() for column in _COLUMNS}
    return found


def _read_person(row: Mapping[str, str], table: Path) -> tuple[str, tuple[tuple[str, Fact], ...]]:
    """Returns the class of a participant, and what else is known."""
    name, group = row["participant_id"], row["Group"]
    if group not in _CLASS_OF:
        problem = f"group {group!r} is none of {', '.join(_CLASS_OF)}"
        remedy = "Correct the cell, or fetch the table again"
        raise ReadError(problem, path=table, field=name, remedy=remedy)
    facts: dict[str, Fact] = {}
    for column, fact in (("Age", "age"), ("MMSE", "mmse")):
        if row[column] in ("", "n/a"):
            continue
        try:
            facts[fact] = int(row[column])
        except ValueError as error:
            problem = f"{column} {row[column]!r} is no whole number"
            raise ReadError(problem, path=table, field=name) from error
    if row["Gender"] in ("F", "M"):
        facts["sex"] = row["Gender"]
    return _CLASS_OF[group], tuple(spell_out_sex(facts).items())
