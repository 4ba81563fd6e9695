"""What corpora in the layout of the PhysioNet challenges of 2020 and 2021 share.

Each recording is a ``.hea`` and a ``.mat`` in WFDB; comments of the header give age, sex and, under
``Dx``, SNOMED CT codes. Codes are compared as whole tokens, never as parts of a text: published
label tables that searched for ``VB`` in ``1AVB`` hold hundreds of false positives.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Fact, Record, Statement
from medts.data.sources.base import Entry, refuse
from medts.data.sources.physionet import hashed_fold, list_headers, spell_out_sex

SYSTEM = "snomed-ct"

_COMMENT = re.compile(r"^#[ \t]*(\w+)[ \t]*:[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_OLDEST_CREDIBLE = 120

Labels = dict[str, tuple[str, ...] | None]


@dataclass(frozen=True)
class HeaderComments:
    """What the comments of a header say; empty where they say nothing or ``Unknown``."""

    codes: tuple[str, ...]
    facts: dict[str, str]


def read_comments(header: Path) -> HeaderComments:
    """Reads the codes and free texts of a header without touching its signals.

    Raises:
        ReadError: If there is no header, it has no line ``Dx``, or a code is no number.
    """
    if not header.is_file():
        raise ReadError("no such recording", path=header, remedy="Download it again")
    found = dict(_COMMENT.findall(header.read_text(encoding="latin-1")))
    if "Dx" not in found:
        raise ReadError("no line Dx, which holds the findings", path=header, field="Dx")
    codes = tuple(dict.fromkeys(re.split(r"[,\s]+", found["Dx"].strip(", "))))
    codes = tuple(code for code in codes if code and code.lower() != "unknown")
    odd = next((code for code in codes if not code.isdigit()), None)
    if odd is not None:
        raise ReadError(f"{odd!r} is no SNOMED CT code", path=header, field="Dx")
    texts = {"Rx": "medication", "Hx": "history", "Sx": "symptoms"}
    facts = {name: found.get(key, "") for key, name in texts.items()}
    return HeaderComments(
        codes, {k: v for k, v in facts.items() if v.lower() not in ("", "unknown")}
    )


def list_entries(
    path: Path, *, corpus: str, name: str, labels_of: Callable[[tuple[str, ...]], Labels]
) -> Iterator[Entry]:
    """Lists every recording below ``path``, in whatever folders, by id.

    Persons are unknown: each record is its own subject, and a hash of its id draws its fold.

    Args:
        path: Folder of the corpus.
        corpus: What to call it in errors.
        name: Name of the source, which the folds depend on.
        labels_of: Labels of each label set, given the codes of a record.

    Raises:
        ReadError: If ``path`` holds no recording.
    """
    headers: dict[str, list[Path]] = {}
    for header in list_headers(path, "**/*.hea", corpus=corpus):
        headers.setdefault(header.stem, []).append(header)
    for record_id, found in sorted(headers.items()):
        fold = hashed_fold(name, record_id)
        try:
            if len(found) > 1:
                raise ReadError(
                    f"is there {len(found)} times", path=found[1], remedy="Keep one of the copies"
                )
            comments = read_comments(found[0])
        except ReadError as error:
            yield Entry(record_id, record_id, fold, partial(refuse, error))
            continue
        load = partial(load_recording, found[0], comments)
        yield Entry(record_id, record_id, fold, load, labels_of(comments.codes))


def load_recording(header: Path, comments: HeaderComments) -> Record:
    """Reads a recording, its leads in the standard order, with its codes as statements.

    Raises:
        ReadError: If it cannot be read.
    """
    from medts.formats import read  # its readers load slowly, and listing needs none of them

    record = in_standard_order(read(header))
    facts: dict[str, Fact] = {**spell_out_sex(record.facts), **comments.facts}
    age = facts.get("age")
    if isinstance(age, int | float) and not 0 <= age <= _OLDEST_CREDIBLE:
        del facts["age"]
    return replace(
        record,
        subject_id=record.record_id,
        statements=tuple(Statement(code, SYSTEM) for code in comments.codes),
        facts=facts,
    )


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
