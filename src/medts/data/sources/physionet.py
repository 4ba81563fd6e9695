"""PhysioNet layouts: WFDB headers below a folder, and the headers of CinC 2020 and 2021.

In the challenges, comments of a header give age, sex and, under ``Dx``, SNOMED CT codes. Codes are
compared as whole tokens: published label tables that searched for ``VB`` as a part of ``1AVB`` hold
hundreds of false positives.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Fact, Record, Statement
from medts.data.sources.base import Entry, Labels
from medts.data.sources.reading import hashed_fold, read_file, refused, spell_out_sex, wrong_folder

_COMMENT = re.compile(r"^#[ \t]*(\w+)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_TEXTS = {"Rx": "medication", "Hx": "history", "Sx": "symptoms"}
_OLDEST_CREDIBLE = 120


def list_headers(folder: Path, pattern: str, *, corpus: str) -> list[Path]:
    """Lists the headers that match and those that ``RECORDS`` promises, present or not.

    Short names come first, so that numbered records are in the order of their numbers.
    """
    headers = set(folder.glob(pattern))
    table = folder / "RECORDS"
    if table.is_file():
        names = table.read_text(encoding="utf-8-sig", errors="replace").split()
        headers |= {folder / f"{name}.hea" for name in names if not name.endswith("/")}
    if not headers:
        raise wrong_folder(f"holds no recording {pattern}", folder, corpus)
    return sorted(headers, key=lambda header: (len(header.stem), header.as_posix()))


def read_comments(header: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """Reads SNOMED CT codes and free texts of a header without touching its signals."""
    if not header.is_file():
        raise ReadError("no such recording", path=header, remedy="Download it again")
    found = dict(_COMMENT.findall(header.read_text(encoding="latin-1")))
    if "Dx" not in found:
        raise ReadError("no line Dx, which holds the findings", path=header, field="Dx")
    codes = tuple(dict.fromkeys(re.split(r"[,\s]+", found["Dx"].strip(", "))))
    codes = tuple(code for code in codes if code.lower() not in ("", "unknown"))
    if odd := next((code for code in codes if not code.isdigit()), None):
        raise ReadError(f"{odd!r} is no SNOMED CT code", path=header, field="Dx")
    facts = {name: found.get(key, "") for key, name in _TEXTS.items()}
    return codes, {k: v for k, v in facts.items() if v.lower() not in ("", "unknown")}


def list_challenge_entries(
    path: Path, *, corpus: str, name: str, labels_of: Callable[[tuple[str, ...]], Labels]
) -> Iterator[Entry]:
    """Lists every recording of a challenge below ``path``, in whatever folders, by id.

    Persons are unknown: each record is its own subject, and a hash of its id gives its fold.

    Args:
        path: Folder of the corpus.
        corpus: Its name in errors.
        name: Name of the source, which the folds depend on.
        labels_of: Labels of each label set, given the codes of a record.
    """
    headers: dict[str, list[Path]] = {}
    for header in list_headers(path, "**/*.hea", corpus=corpus):
        headers.setdefault(header.stem, []).append(header)
    for record_id, found in sorted(headers.items()):
        fold = hashed_fold(name, record_id)
        try:
            if len(found) > 1:
                problem = f"is there {len(found)} times"
                raise ReadError(problem, path=found[1], remedy="Keep one of the copies")
            codes, texts = read_comments(found[0])
        except ReadError as error:
            yield refused(record_id, record_id, fold, error)
            continue
        load = partial(load_challenge_recording, found[0], codes, texts)
        yield Entry(record_id, record_id, fold, load, labels_of(codes))


def load_challenge_recording(header: Path, codes: tuple[str, ...], texts: dict[str, str]) -> Record:
    """Reads a recording, its leads in the standard order, with its codes as statements."""
    record = in_standard_order(read_file(header))
    facts: dict[str, Fact] = {**spell_out_sex(record.facts), **texts}
    age = facts.get("age")
    if isinstance(age, int | float) and not 0 <= age <= _OLDEST_CREDIBLE:
        del facts["age"]
    statements = tuple(Statement(code, "snomed-ct") for code in codes)
    return replace(record, subject_id=record.record_id, statements=statements, facts=facts)


def in_standard_order(record: Record) -> Record:
    """Returns a 12-lead record with its leads in the standard order; others stay as they are.

    By name: MIMIC-IV-ECG has aVF before aVL, and published loaders that went by position swapped
    the two leads of every other corpus.
    """
    streams = {
        name: stream.pick(STANDARD_12_LEADS)
        if set(stream.channels) == set(STANDARD_12_LEADS)
        else stream
        for name, stream in record.streams.items()
    }
    return replace(record, streams=streams)
