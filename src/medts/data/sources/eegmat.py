"""EEGMAT: EEG and ECG during mental arithmetic and at rest.

``SubjectNN_1.edf`` holds three minutes at rest, ``SubjectNN_2.edf`` one minute of serial
subtraction. A model may read the two streams as they are, or as five scalp regions and an ECG
(`medts.core.montage.SCALP_REGIONS`).
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.records import Fact
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, numbered
from medts.data.sources.reading import read_file, read_rows, require_file, spell_out_sex

PIECE_S = 4.0
"""Length of a record, seconds: 46 at rest and 16 of arithmetic from most subjects."""

TASKS = {"rest": "resting with eyes closed", "arithmetic": "doing mental arithmetic"}
_TASK_OF = {1: "rest", 2: "arithmetic"}

_COLUMNS = ("Subject", "Age", "Gender", "Number of subtractions", "Count quality")


class Eegmat(Source):
    """EEGMAT 1.0.0 (ODC-By 1.0): 36 subjects, 19 EEG channels in µV, one ECG in mV, 500 Hz; 4 s.

    Every subject is a fold: ``1`` is Subject00, ``36`` is Subject35.
    """

    name: ClassVar[str] = "eegmat"
    card: ClassVar[SourceCard] = SourceCard(
        title="EEG During Mental Arithmetic Tasks 1.0.0",
        licence=ODC_BY,
        citation=(
            "Zyma et al., Electroencephalograms during Mental Arithmetic Task Performance. "
            f"Data 4(1), 14 (2019), doi:10.3390/data4010014; {PHYSIONET}"
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

    label_sets = (
        single(
            "eegmat/task",
            TASKS,
            "Whether somebody rests or calculates during four seconds of EEG and ECG.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists four-second pieces of every file, by subject; an unreadable file is one entry.

        Raises:
            ReadError: If ``path`` holds no recording or no table of subjects.
        """
        path = Path(path)
        files = path.glob("Subject*.edf")
        subjects = numbered(files, r"Subject(\d\d)_[12]\.edf", folder=path, corpus="EEGMAT")
        facts = _read_facts(path / "subject-info.csv")
        for subject in subjects:
            for part in _TASK_OF:
                file = path / f"Subject{subject:02d}_{part}.edf"
                yield from list_pieces(
                    partial(read_task, file, part, tuple(facts.get(subject, {}).items())),
                    name=file.stem,
                    subject_id=f"{subject:02d}",
                    fold=str(subject + 1),
                    piece_s=PIECE_S,
                )


@keep_last
def read_task(file: Path, part: int, facts: tuple[tuple[str, Fact], ...]) -> tuple[Bout, ...]:
    """Reads one file, which is one bout."""
    record = read_file(require_file(file, corpus="EEGMAT"))
    if "eeg" not in record.streams:
        raise ReadError("holds no EEG", path=file)
    record = replace(record, annotations=(), facts={**dict(facts), "recording": file.stem})
    return (Bout(record, 0.0, record.duration_s, {"task": (_TASK_OF[part],)}),)


def _read_facts(table: Path) -> dict[int, dict[str, Fact]]:
    """Returns age, sex and how well each subject counted, by number."""
    found: dict[int, dict[str, Fact]] = {}
    for row in read_rows(table, _COLUMNS, corpus="EEGMAT"):
        try:
            facts: dict[str, Fact] = {
                "age": int(row["Age"]),
                "sex": row["Gender"].strip() or None,
                "n_subtractions": float(row["Number of subtractions"]),
                "counts_well": row["Count quality"].strip() == "1",
            }
            found[int(row["Subject"].removeprefix("Subject"))] = spell_out_sex(facts)
        except ValueError as error:
            raise ReadError(str(error), path=table, field=row["Subject"]) from error
    return found
