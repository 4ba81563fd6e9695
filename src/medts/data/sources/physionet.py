"""What corpora in PhysioNet's layout share: the list of their recordings, and folds by hash."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.labels import LabelSet
from medts.core.records import Fact
from medts.data.ontology import class_concepts, prompts

_SHARES = {"train": 0.6, "validation": 0.8, "test": 1.0}
"""Where each fold ends on the way from 0 to 1."""

_SEX = {"M": "male", "F": "female"}


def list_headers(folder: Path, pattern: str, *, corpus: str) -> list[Path]:
    """Lists the headers that match and those that ``RECORDS`` promises, present or not.

    Short names come first, so that numbered records are in the order of their numbers.

    Raises:
        ReadError: If there is not one.
    """
    headers = set(folder.glob(pattern))
    table = folder / "RECORDS"
    if table.is_file():
        names = table.read_text(encoding="ascii", errors="replace").split()
        headers |= {folder / f"{name}.hea" for name in names if not name.endswith("/")}
    if not headers:
        raise ReadError(
            f"holds no recording {pattern}",
            path=folder,
            remedy=f"Point to the folder of the official {corpus} distribution",
        )
    return sorted(headers, key=lambda header: (len(header.stem), header.as_posix()))


def hashed_fold(corpus: str, record_id: str, ends: Mapping[str, float] | None = None) -> str:
    """Draws a fold from the id alone: 60 % train, 20 % validation, 20 % test.

    It never depends on which part of the corpus is at hand. Other shares are given by where each
    fold ends on the way from 0 to 1.

    >>> hashed_fold("ludb", "1"), hashed_fold("ludb", "4"), hashed_fold("ludb", "5")
    ('train', 'validation', 'test')
    """
    digest = hashlib.sha256(f"{corpus}/{record_id}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    return next(fold for fold, end in (ends or _SHARES).items() if place < end)


def spell_out_sex(facts: dict[str, Fact]) -> dict[str, Fact]:
    """Returns the facts of a header with ``M`` and ``F`` written as in every other corpus."""
    sex = facts.get("sex")
    return {**facts, "sex": _SEX[sex]} if isinstance(sex, str) and sex in _SEX else facts


def with_phrases(label_set: LabelSet) -> LabelSet:
    """Adds the wordings of every class whose meaning the tables know."""
    meanings = {name: class_concepts(label_set, name) for name in label_set.classes}
    phrases = {name: prompts(codes[0]) for name, codes in meanings.items() if codes}
    return label_set.but(phrases=phrases)
