"""The PhysioNet/CinC Challenge 2017 in its official layout: single-lead ECGs of a hand-held device.

`training/` holds 8,528 recordings in subfolders, `validation/` 300 of them once more; either may
be missing. `REFERENCE.csv` beside them gives one label each, `REFERENCE-v3.csv` at the top, where
it is there, the labels as they were revised after the challenge.
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.sources.base import Entry, Source, SourceCard, refuse
from medts.data.sources.physionet import hashed_fold, list_headers, with_phrases

CORPUS = "CinC Challenge 2017"

RHYTHMS = ("N", "A", "O", "~")
SCORED = RHYTHMS[:3]

_LEAD = {"ECG": "I"}


class Cinc2017(Source):
    """CinC 2017 (ODC-By 1.0): 8,528 ECGs, one lead, 9 to 61 s, 300 Hz, mV.

    Obtain it from PhysioNet; the test set of the challenge was never published. Persons are
    unknown, so each record stands for its own subject; a hash of its id puts it into ``train``,
    ``validation`` or ``test`` (60, 20, 20 %).

    Label sets, one class each: ``rhythm`` of N normal, A atrial fibrillation, O another rhythm, ~
    too noisy to tell; ``scored-rhythm`` of the first three, which made the score of the challenge.
    A record that no table names takes no part, nor in the second one that is too noisy.
    """

    name: ClassVar[str] = "cinc-2017"
    card: ClassVar[SourceCard] = SourceCard(
        title="PhysioNet/Computing in Cardiology Challenge 2017 1.0.0",
        licence="Open Data Commons Attribution License 1.0",
        citation=(
            "Clifford et al., AF classification from a short single lead ECG recording: the "
            "PhysioNet/Computing in Cardiology Challenge 2017. Computing in Cardiology 44 (2017), "
            "doi:10.22489/CinC.2017.065-469; "
            "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
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

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """The four classes of the challenge, and the three that were scored."""
        return tuple(
            with_phrases(LabelSet(name=f"{self.name}/{name}", classes=classes, kind="single"))
            for name, classes in (("rhythm", RHYTHMS), ("scored-rhythm", SCORED))
        )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording once, by id.

        Raises:
            ReadError: If ``path`` holds no recording or no table of labels.
        """
        path = Path(path)
        inner = [path / name for name in ("training", "validation") if (path / name).is_dir()]
        folders = inner or [path]
        headers: dict[str, Path] = {}
        for folder in folders:
            for header in list_headers(folder, "**/*.hea", corpus=CORPUS):
                headers.setdefault(header.stem, header)
        tables = [folder / "REFERENCE.csv" for folder in folders] + [path / "REFERENCE-v3.csv"]
        present = [table for table in tables if table.is_file()]
        if not present:
            raise ReadError(
                "no such file", path=tables[0], remedy="It holds the labels; download it as well"
            )
        labels = {name: (label, table) for table in present for name, label in _read(table)}
        return (_entry(name, headers[name], labels.get(name)) for name in sorted(headers))


def _entry(name: str, header: Path, labelled: tuple[str, Path] | None) -> Entry:
    fold = hashed_fold("cinc-2017", name)
    label, table = labelled or (None, None)
    if label is not None and label not in RHYTHMS:
        error = ReadError(
            f"label {label!r} is none of {', '.join(RHYTHMS)}", path=table, field=name
        )
        return Entry(name, name, fold, partial(refuse, error))
    load = partial(load_recording, header, reference=table.name if table else None)
    labels = {
        "rhythm": None if label is None else (label,),
        "scored-rhythm": None if label is None or label not in SCORED else (label,),
    }
    return Entry(name, name, fold, load, labels)


def load_recording(header: Path, *, reference: str | None) -> Record:
    """Reads a recording and gives its lead its name.

    Raises:
        ReadError: If it cannot be read.
    """
    from medts.formats import read  # its readers load slowly, and listing needs none of them

    record = read(header)
    streams = {
        name: replace(stream, channels=tuple(_LEAD.get(lead, lead) for lead in stream.channels))
        for name, stream in record.streams.items()
    }
    facts = {**record.facts, "reference": reference} if reference else record.facts
    return replace(record, subject_id=record.record_id, streams=streams, facts=facts)


def _read(table: Path) -> Iterator[tuple[str, str]]:
    """Yields ids and labels of a table without header."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            for number, cells in enumerate(csv.reader(file), start=1):
                if len(cells) != 2:
                    raise ReadError(
                        f"{len(cells)} cells instead of id and label",
                        path=table,
                        field=f"row {number}",
                    )
                yield cells[0].strip(), cells[1].strip()
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"not a CSV table in UTF-8: {error}", path=table) from error
