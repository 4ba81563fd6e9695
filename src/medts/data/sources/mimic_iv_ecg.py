"""MIMIC-IV-ECG: 12-lead ECGs with the machine's statements as reports, for learning from reports.

`record_list.csv` gives the path of each recording, `machine_measurements.csv` what the cart wrote:
up to eighteen statements, intervals and axes. Statements are joined as MERL and MELP join them;
their limit of four words is `medts.core.reports.ReportSettings.min_words`. The cardiologists'
reports are a part of MIMIC-IV-Note and are not read here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from medts.core.errors import ReadError
from medts.core.records import Fact, Record
from medts.data.sources.base import PHYSIONET, Entry, Source, SourceCard
from medts.data.sources.physionet import in_standard_order
from medts.data.sources.reading import hashed_fold, read_file, read_rows, refused

CORPUS = "MIMIC-IV-ECG"

STATEMENTS = tuple(f"report_{number}" for number in range(18))
_MEASURED = {
    **{f"{name}_ms": name for name in ("rr_interval", "p_onset", "p_end", "qrs_onset")},
    **{f"{name}_ms": name for name in ("qrs_end", "t_end")},
    **{f"{name}_deg": name for name in ("p_axis", "qrs_axis", "t_axis")},
}
"""Facts, and the columns that hold them."""

_NOT_MEASURED = 29999

_FOLD_ENDS = {"train": 0.96, "validation": 0.98, "test": 1.0}


class MimicIvEcg(Source):
    """MIMIC-IV-ECG 1.0 (ODbL 1.0): 800,035 ECGs of 161,352 subjects, 12 leads, 10 s, 500 Hz, mV.

    It has no labels. A hash of the subject gives the fold (96, 2, 2 %).
    """

    name: ClassVar[str] = "mimic-iv-ecg"
    card: ClassVar[SourceCard] = SourceCard(
        title="MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset 1.0",
        licence="Open Data Commons Open Database License 1.0",
        citation=(
            "Gow et al., MIMIC-IV-ECG: Diagnostic Electrocardiogram Matched Subset 1.0. PhysioNet "
            f"(2023), doi:10.13026/4nqg-sb35; {PHYSIONET}"
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

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every row of ``record_list.csv``, in its order; a part of the corpus may be absent.

        Raises:
            ReadError: If a table or one of its columns is missing.
        """
        path = Path(path)
        columns = ("subject_id", "study_id")
        listed = read_rows(
            path / "record_list.csv", (*columns, "path"), corpus=CORPUS, is_ragged=False
        )
        table = path / "machine_measurements.csv"
        measured = read_rows(table, (*columns, *STATEMENTS), corpus=CORPUS, is_ragged=False)
        return _entries(path, listed, {row["study_id"]: row for row in measured})


def join_statements(statements: Sequence[str]) -> str:
    """Joins the machine's statements into one report, as MERL and MELP do; empty if there are none.

    Departures: a statement that ends in a full stop gets no second one, and runs of blanks that
    removed marks leave behind are closed.

    >>> join_statements(["Sinus rhythm", "", "*** Abnormal EKG ***", "Possible infarct."])
    'sinus rhythm. abnormal ecg. possible infarct.'
    """
    found = []
    for statement in statements:
        text = re.sub(r"\bEKG\b", "ECG", statement, flags=re.IGNORECASE)
        text = re.sub(r"\*{3}|=-|=", " ", text)
        text = " ".join(text.split()).strip(". ").lower()
        if text and text != "nan":
            found.append(text)
    return ". ".join(found) + "." if found else ""


def load_recording(
    header: Path, *, record_id: str, subject_id: str, report: str | None, facts: dict[str, Fact]
) -> Record:
    """Reads a recording, leads in the standard order, and adds report and facts of the tables."""
    record = in_standard_order(read_file(header))
    if not any(np.nan_to_num(stream.signal).any() for stream in record.streams.values()):
        raise ReadError("every sample is zero or missing", path=header)
    facts = {**record.facts, **facts}
    return replace(record, record_id=record_id, subject_id=subject_id, report=report, facts=facts)


def _entries(
    path: Path, rows: list[dict[str, str]], measured: Mapping[str, dict[str, str]]
) -> Iterator[Entry]:
    seen: set[str] = set()
    for row in rows:
        subject_id, study_id = row["subject_id"].strip(), row["study_id"].strip()
        record_id = f"{subject_id}_{study_id}"
        fold = hashed_fold("mimic-iv-ecg", subject_id, _FOLD_ENDS)
        header = path / f"{row['path'].strip()}.hea"
        found = measured.get(study_id)
        fault = None
        if record_id in seen:
            problem = f"{record_id} is listed twice"
            fault = ReadError(problem, path=path / "record_list.csv", field="study_id")
            record_id = f"{record_id} (again)"
        elif found is not None and found["subject_id"].strip() != subject_id:
            problem = f"study {study_id} belongs to {subject_id} in record_list.csv"
            table = path / "machine_measurements.csv"
            fault = ReadError(problem, path=table, field="subject_id")
        elif not header.is_file():
            fault = ReadError("no such recording", path=header, remedy="Download it as well")
        seen.add(record_id)
        if fault is not None:
            yield refused(record_id, subject_id, fold, fault)
            continue
        report = join_statements([found[name] for name in STATEMENTS]) if found else ""
        load = partial(
            load_recording,
            header,
            record_id=record_id,
            subject_id=subject_id,
            report=report or None,
            facts=_facts(found or {}),
        )
        yield Entry(record_id, subject_id, fold, load)


def _facts(row: Mapping[str, str]) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        name: row[name].strip() for name in ("bandwidth", "filtering") if row.get(name)
    }
    for name, column in _MEASURED.items():
        text = row.get(column, "").strip()
        if re.fullmatch(r"-?\d+(\.0)?", text) and abs(int(float(text))) != _NOT_MEASURED:
            facts[name] = int(float(text))
    return facts
