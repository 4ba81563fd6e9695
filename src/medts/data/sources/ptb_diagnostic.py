"""PTB Diagnostic ECG Database: 15-lead ECGs, healthy control or myocardial infarction.

`patient001/s0010_re.hea` and so on, one folder per person; ``.dat`` holds the twelve standard
leads, ``.xyz`` the three of Frank. Comments of the header give age, sex and, in words, the reason
for admission, which is the label; of persons admitted for something else there is none.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Record
from medts.data.ontology import prompts
from medts.data.sources.base import ODC_BY, PHYSIONET, Entry, Source, SourceCard
from medts.data.sources.physionet import list_headers
from medts.data.sources.reading import hashed_fold, read_file, refused, spell_out_sex

CLASSES = {
    "Healthy control": ("ECG of a healthy person", "healthy heart"),
    "Myocardial infarction": prompts("MI"),
}

_COMMENT = re.compile(r"^#[ \t]*(.+?)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_FACTS = {
    "Reason for admission": "reason_for_admission",
    "Acute infarction (localization)": "acute_infarction",
    "Former infarction (localization)": "former_infarction",
    "Additional diagnoses": "additional_diagnoses",
    "Smoker": "smoker",
    "ECG date": "recording_date",
}


class PtbDiagnostic(Source):
    """PTB Diagnostic 1.0.0 (ODC-By 1.0): 549 ECGs of 290 subjects, 15 leads, ½–2 min, 1 kHz, mV."""

    name: ClassVar[str] = "ptb-diagnostic"
    card: ClassVar[SourceCard] = SourceCard(
        title="PTB Diagnostic ECG Database 1.0.0",
        licence=ODC_BY,
        citation=(
            "Bousseljot et al., Nutzung der EKG-Signaldatenbank CARDIODAT der PTB über das "
            "Internet. Biomedizinische Technik 40, S317 (1995), doi:10.1515/bmte.1995.40.s1.317; "
            f"{PHYSIONET}"
        ),
        obtain="https://physionet.org/content/ptbdb/1.0.0/",
        subjects="290",
        records="549 ECGs of half a minute to two",
        streams={
            "ecg": ("12 leads and 3 of Frank", "mV", "1000 Hz"),
        },
        also="age, sex, reason for admission and other diagnoses as facts",
        folds=(
            "a hash of the subject puts all of a person's records into train, validation or "
            "test (60, 20 and 20 %)"
        ),
        notes=(
            "papers call it PTB; it shares no recording with PTB-XL",
            "the class is the reason for admission; who came for another reason takes no part",
        ),
        defects=(
            "recordings state no unit; as in the WFDB standard, they are in mV",
            "22 persons have no clinical summary; their records have no label",
            "the label is a person's disease, not a reading of the recording: an "
            "infarction may have left no trace in it",
            "published splits cut the sorted list of each class at 55 and 70 %; here a "
            "hash of the subject decides, whatever part of the corpus is at hand",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )
    label_sets = (
        LabelSet(
            name="ptb-diagnostic/infarction", classes=tuple(CLASSES), kind="single", phrases=CLASSES
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists every recording, by person and name."""
        corpus = "PTB Diagnostic ECG Database"
        headers = list_headers(Path(path), "patient*/*.hea", corpus=corpus)
        return (_entry(header) for header in sorted(headers, key=lambda each: each.as_posix()))


def _entry(header: Path) -> Entry:
    subject_id = header.parent.name
    record_id = f"{subject_id}/{header.stem}"
    fold = hashed_fold("ptb-diagnostic", subject_id)
    if not header.is_file():
        error = ReadError("no such recording", path=header, remedy="Download it again")
        return refused(record_id, subject_id, fold, error)
    found = dict(_COMMENT.findall(header.read_text(encoding="latin-1")))
    facts = {name: found.get(key, "") for key, name in _FACTS.items()}
    facts = {k: v for k, v in facts.items() if v.lower() not in ("", "n/a", "unknown")}
    reason = facts.get("reason_for_admission", "").lower()
    label = next(((name,) for name in CLASSES if name.lower() == reason), None)
    load = partial(load_recording, header, record_id=record_id, subject_id=subject_id, facts=facts)
    return Entry(record_id, subject_id, fold, load, {"infarction": label})


def load_recording(
    header: Path, *, record_id: str, subject_id: str, facts: dict[str, str]
) -> Record:
    """Reads a recording and adds what its header has on the person."""
    record = read_file(header)
    facts_of_both = {**spell_out_sex(record.facts), **facts}
    return replace(record, record_id=record_id, subject_id=subject_id, facts=facts_of_both)
