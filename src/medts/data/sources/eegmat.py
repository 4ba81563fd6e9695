"""EEG during mental arithmetic (EEGMAT) in its official layout: at rest, and while subtracting.

``SubjectNN_1.edf`` holds three minutes at rest, ``SubjectNN_2.edf`` one minute of serial
subtraction. A record is four seconds of one of them, with two streams that a model may read as
they are or as five scalp regions and an ECG (`medts.core.montage.SCALP_REGIONS`).
"""

import csv
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Fact
from medts.data.sources.base import Entry, Source, SourceCard, require_file
from medts.data.sources.pieces import Bout, list_pieces, numbered, single

PIECE_S = 4.0
"""Length of a record, seconds: 46 at rest and 16 of arithmetic from most subjects."""

TASKS = {"rest": "resting with eyes closed", "arithmetic": "doing mental arithmetic"}
_TASK_OF = {1: "rest", 2: "arithmetic"}

_SEX = {"F": "female", "M": "male"}
_COLUMNS = ("Subject", "Age", "Gender", "Number of subtractions", "Count quality")


class Eegmat(Source):
    """EEGMAT 1.0.0 (ODC-By 1.0): 36 subjects, 19 EEG channels in µV, one ECG in mV, 500 Hz.

    Obtain it from PhysioNet. A record is four seconds, so a label is the label of four seconds.
    Streams ``eeg`` (and in it the derivation A2-A1) and ``ecg``. Every subject is a fold: ``1``
    is Subject00, ``36`` is Subject35.

    Label set ``task``, one of two: ``rest`` or ``arithmetic``. There is three times as much rest;
    balance the classes when training.
    """

    name: ClassVar[str] = "eegmat"
    card: ClassVar[SourceCard] = SourceCard(
        title="EEG During Mental Arithmetic Tasks 1.0.0",
        licence="Open Data Commons Attribution License 1.0",
        citation=(
            "Zyma et al., Electroencephalograms during Mental Arithmetic Task Performance. "
            "Data 4(1), 14 (2019), doi:10.3390/data4010014; "
            "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
        ),
        obtain="https://physionet.org/content/eegmat/1.0.0/",
        subjects="36",
        records="four seconds of rest or of serial subtraction: 46 and 16 of most subjects",
        streams={
            "eeg": (
                "19 electrodes of the 10-20 system, and the derivation EEG A2-A1",
                "µV",
                "500 Hz",
            ),
            "ecg": ("one lead, ECG", "mV", "500 Hz"),
        },
        also="age, sex, number of subtractions, and whether the subject counts well",
        folds=(
            "one for each subject: 1 is Subject00, 36 is Subject35; cross-validate over subjects"
        ),
        notes=("a record is a window, so 1 % of the labels is 1 % of the labelled windows",),
        defects=(
            "rest always came before the task, so a drift over time looks like the task",
            "rest lasts 182 s and the task 62 s: classes are three to one; balance them "
            "when training",
            "sex and age in the EDF headers contradict subject-info.csv, which counts",
            "two seconds at the end of a file are a shorter record; less is left out",
            "the authors removed artefacts and filtered 0.5-45 Hz with a notch at 50 Hz",
        ),
        is_public=True,
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """Rest or task."""
        asked = "Whether somebody rests or calculates during four seconds of EEG and ECG."
        return (single(f"{self.name}/task", TASKS, asked),)

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists four-second pieces of every file, by subject; an unreadable file is one entry.

        Raises:
            ReadError: If ``path`` holds no recording or no table of subjects.
        """
        path = Path(path)
        files = path.glob("Subject*.edf")
        subjects = numbered(files, r"Subject(\d\d)_[12]\.edf", folder=path, corpus="EEGMAT")
        facts = _read_facts(require_file(path / "subject-info.csv", corpus="EEGMAT"))
        read_file.cache_clear()  # the files may have changed since they were last read
        for subject in subjects:
            for part in _TASK_OF:
                file = path / f"Subject{subject:02d}_{part}.edf"
                yield from list_pieces(
                    partial(read_file, file, part, tuple(facts.get(subject, {}).items())),
                    name=file.stem,
                    subject_id=f"{subject:02d}",
                    fold=str(subject + 1),
                    piece_s=PIECE_S,
                )


@lru_cache(maxsize=1)
def read_file(file: Path, part: int, facts: tuple[tuple[str, Fact], ...]) -> tuple[Bout, ...]:
    """Reads one file, which is one bout.

    Raises:
        ReadError: If it is missing or damaged, or holds no EEG.
    """
    from medts.formats import read  # its readers load slowly, and naming a source needs none

    record = read(require_file(file, corpus="EEGMAT"))
    if "eeg" not in record.streams:
        raise ReadError("holds no EEG", path=file)
    record = replace(record, annotations=(), facts={**dict(facts), "recording": file.stem})
    return (Bout(record, 0.0, record.duration_s, {"task": (_TASK_OF[part],)}),)


def _read_facts(table: Path) -> dict[int, dict[str, Fact]]:
    """Returns age, sex and how well each subject counted, by number."""
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ReadError(f"no column {', '.join(missing)}", path=table)
    found: dict[int, dict[str, Fact]] = {}
    for row in rows:
        try:
            found[int(row["Subject"].removeprefix("Subject"))] = {
                "age": int(row["Age"]),
                "sex": _SEX.get(row["Gender"].strip()),
                "n_subtractions": float(row["Number of subtractions"]),
                "counts_well": row["Count quality"].strip() == "1",
            }
        except ValueError as error:
            raise ReadError(str(error), path=table, field=row["Subject"]) from error
    return found
