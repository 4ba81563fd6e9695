"""MIMIC-IV-ECG in its official layout: 12-lead ECGs with the machine's statements as reports.

`record_list.csv` says where each recording is, `machine_measurements.csv` what the cart wrote:
up to eighteen statements, intervals and axes. Statements are joined as MERL and MELP join them.
The cardiologists' reports are a part of MIMIC-IV-Note and are not read here.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Fact, Record
from medts.data.sources.base import Entry, Source, SourceCard, refuse, require_file
from medts.data.sources.challenge_headers import in_standard_order
from medts.data.sources.physionet import hashed_fold

CORPUS = "MIMIC-IV-ECG"

STATEMENTS = tuple(f"report_{number}" for number in range(18))
_MEASURED = {
    "rr_interval": "rr_interval_ms",
    "p_onset": "p_onset_ms",
    "p_end": "p_end_ms",
    "qrs_onset": "qrs_onset_ms",
    "qrs_end": "qrs_end_ms",
    "t_end": "t_end_ms",
    "p_axis": "p_axis_deg",
    "qrs_axis": "qrs_axis_deg",
    "t_axis": "t_axis_deg",
}
_NOT_MEASURED = 29999

_FOLD_ENDS = {"train": 0.96, "validation": 0.98, "test": 1.0}


class MimicIvEcg(Source):
    """MIMIC-IV-ECG 1.0 (ODbL 1.0): 800,035 ECGs of 161,352 subjects, 12 leads, 10 s, 500 Hz, mV.

    Obtain it from PhysioNet. It is made for learning from reports and has no labels. A hash of the
    subject puts all of a person's records into ``train``, ``validation`` or ``test`` (96, 2, 2 %).

    The report is what the machine said: its statements in lower case, joined with full stops.
    Reports of fewer than four words, which MERL and MELP leave out, are kept; leave them out with
    `medts.core.reports.ReportSettings.min_words`.
    """

    name: ClassVar[str] = "mimic-iv-ecg"
    card: ClassVar[SourceCard] = SourceCard(
        title="MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset 1.0",
        licence="Open Data Commons Open Database License 1.0",
        citation=(
            "Gow et al., MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset 1.0. PhysioNet "
            "(2023), doi:10.13026/4nqg-sb35; "
            "Goldberger et al., PhysioNet. Circulation 101(23), e215-e220 (2000)"
        ),
        obtain="https://physionet.org/content/mimic-iv-ecg/1.0/",
        subjects="161,352",
        records="800,035 ECGs of 10 s",
        streams={
            "ecg": ("12 leads", "mV", "500 Hz"),
        },
        also="the machine's statements as report, its intervals and axes as facts",
        folds=(
            "a hash of the subject puts all of a person's records into train, validation or "
            "test (96, 2 and 2 %)"
        ),
        layout="`record_list.csv`, `machine_measurements.csv` and `files/`",
        notes=(
            "it has no labels: it is for learning from reports",
            "the report joins `report_0` to `report_17` as MERL and MELP do: lower case, "
            "EKG written ECG, marks removed, full stops between; they leave out reports "
            "of fewer than four words, which is a setting here (`min_words`)",
        ),
        defects=(
            "aVF stands before aVL; leads are brought into the standard order by name, "
            "where published code, which goes by position, swaps the leads of every other "
            "corpus",
            "reports are by the machine: about 180,000 distinct ones for 800,000 records, "
            "and more than half say nothing about the shape of the waves",
            "29999 stands for a measurement that the machine could not make; it becomes missing",
            "recordings that are zero or not a number throughout are quarantined",
            "dates were shifted for each person and tell nothing",
            "equal reports should count as each other's positives",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    @property
    def label_sets(self) -> tuple[LabelSet, ...]:
        """None: the corpus has reports, not labels."""
        return ()

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every row of ``record_list.csv``, in its order; a part of the corpus may be absent.

        Raises:
            ReadError: If a table or one of its columns is missing.
        """
        path = Path(path)
        records = require_file(path / "record_list.csv", corpus=CORPUS)
        measurements = require_file(path / "machine_measurements.csv", corpus=CORPUS)
        found = {
            row["study_id"]: row
            for row in _read(measurements, ("subject_id", "study_id", *STATEMENTS))
        }
        return _entries(path, _read(records, ("subject_id", "study_id", "path")), found)


def join_statements(statements: Sequence[str]) -> str:
    """Joins what the machine said into one report, as MERL and MELP do; empty where it is silent.

    Departures: a statement that ends in a full stop gets no second one, and runs of blanks that
    removed marks leave behind are closed.

    >>> join_statements(["Sinus rhythm", "", "*** Abnormal EKG ***", "Possible infarct."])
    'sinus rhythm. abnormal ecg. possible infarct.'
    """
    said = []
    for statement in statements:
        text = re.sub(r"\bEKG\b", "ECG", statement, flags=re.IGNORECASE)
        text = re.sub(r"\*{3}|=-|=", " ", text)
        text = " ".join(text.split()).strip(". ").lower()
        if text and text != "nan":
            said.append(text)
    return ". ".join(said) + "." if said else ""


def load_recording(
    header: Path, *, record_id: str, subject_id: str, report: str | None, facts: dict[str, Fact]
) -> Record:
    """Reads a recording, its leads in the standard order, and adds what the tables say.

    Raises:
        ReadError: If it cannot be read, or holds no signal.
    """
    from medts.formats import read  # its readers load slowly, and listing needs none of them

    record = in_standard_order(read(header))
    if not any(np.nan_to_num(stream.signal).any() for stream in record.streams.values()):
        raise ReadError("every sample is zero or missing", path=header)
    return replace(
        record,
        record_id=record_id,
        subject_id=subject_id,
        report=report,
        facts={**record.facts, **facts},
    )


def _entries(
    path: Path, rows: Iterator[dict[str, str]], measured: Mapping[str, dict[str, str]]
) -> Iterator[Entry]:
    seen: set[str] = set()
    for row in rows:
        subject_id, study_id = row["subject_id"].strip(), row["study_id"].strip()
        record_id = f"{subject_id}_{study_id}"
        fold = hashed_fold("mimic-iv-ecg", subject_id, _FOLD_ENDS)
        header = path / f"{row['path'].strip()}.hea"
        said = measured.get(study_id)
        problem = None
        if record_id in seen:
            problem = ReadError(
                f"{record_id} is listed twice", path=path / "record_list.csv", field="study_id"
            )
            record_id = f"{record_id} (again)"
        elif said is not None and said["subject_id"].strip() != subject_id:
            problem = ReadError(
                f"study {study_id} belongs to {subject_id} in record_list.csv",
                path=path / "machine_measurements.csv",
                field="subject_id",
            )
        elif not header.is_file():
            problem = ReadError("no such recording", path=header, remedy="Download it as well")
        seen.add(record_id)
        if problem is not None:
            yield Entry(record_id, subject_id, fold, partial(refuse, problem))
            continue
        load = partial(
            load_recording,
            header,
            record_id=record_id,
            subject_id=subject_id,
            report=join_statements([said[name] or "" for name in STATEMENTS]) or None
            if said
            else None,
            facts=_facts(said or {}),
        )
        yield Entry(record_id, subject_id, fold, load)


def _facts(row: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        name: row[name].strip() for name in ("bandwidth", "filtering") if row.get(name)
    }
    for column, name in _MEASURED.items():
        text = (row.get(column) or "").strip()
        if re.fullmatch(r"-?\d+(\.0)?", text) and abs(int(float(text))) != _NOT_MEASURED:
            facts[name] = int(float(text))
    return facts


def _read(table: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yields the rows of a table that has certain columns."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise ReadError(f"no column {', '.join(missing)}", path=table, field="header")
            for number, row in enumerate(reader, start=2):
                if None in row.values():
                    raise ReadError("the row has too few cells", path=table, field=f"row {number}")
                yield row
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"not a CSV table in UTF-8: {error}", path=table) from error
