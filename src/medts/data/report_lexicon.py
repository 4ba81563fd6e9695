"""Phrase lexicon of ECG reports in German, English and Swedish, and its longest matches in a text.

The lexicon joins ``report_phrases.csv`` of `medts.data.tables` with the German and English wordings
of the ontology. Every phrase has a language, its English, and a role, by which a sentence may
begin in a report without full stops. Phrases are matched longest first, in plain spelling: case,
umlauts and hyphens do not matter.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from medts.core.sentences import ABBREVIATIONS
from medts.data.ontology import concepts, plain_spelling, read_table

ReportLanguage = Literal["de", "en", "sv", "unknown"]
Role = Literal["finding", "before", "after", "joins", "empty"]
"""``finding`` and ``before`` (a word about the finding that follows) may open a sentence; ``after``
belongs to what it follows; ``joins`` ties what follows to it; ``empty`` is boilerplate."""

NEUTRAL = re.compile(
    r"v?\d+|i{1,3}|av[rlf]|v|[pqrstu]|rs+r?|qs|qrs|st|qt|pr|pq|ecg|mv|mm|ms|bpm|date|name|id|contact"
)
"""Leads, waves, numbers and what masks leave: the same in every language."""

WORD = re.compile(r"[^\W_]+(?:#[^\W_]+)*")
_WITHIN = re.compile(r"[ \t\-/.()&]*")
"""What may stand between the words of a phrase."""

_SHORT = frozenset(map(plain_spelling, ABBREVIATIONS))
"""Abbreviations in plain spelling; a full stop behind them belongs to them."""


@dataclass(frozen=True)
class Phrase:
    """One entry of the lexicon; ``english`` is empty where it stays as written."""

    language: ReportLanguage
    english: str
    role: Role


@dataclass(frozen=True)
class Piece:
    """A phrase of the lexicon, or a word that is in none, with the marks that stand before it."""

    gap: str
    text: str
    phrase: Phrase | None = None

    @property
    def english(self) -> str:
        """The piece in English, or as it was written."""
        return self.text if self.phrase is None else self.phrase.english or self.text


def pieces(text: str) -> list[Piece]:
    """Covers a text by the longest phrases of the lexicon, from left to right.

    Nothing is lost: gaps and texts in turn are the whole text.
    """
    lowered = text.lower() if len(text.lower()) == len(text) else text
    words = list(WORD.finditer(lowered))
    plain = [plain_spelling(word.group()) for word in words]
    found: list[Piece] = []
    at, end = 0, 0
    while at < len(words):
        phrase, n_words = _longest(plain, words, lowered, at)
        start, last = words[at].start(), words[at + n_words - 1].end()
        follows, within = lowered[last : last + 1], lowered[start:last]
        is_short = plain[at + n_words - 1] in _SHORT or "." in within
        if (follows == ")" and "(" in within) or (follows == "." and is_short):
            last += 1
        found.append(Piece(text[end:start], text[start:last], phrase))
        at, end = at + n_words, last
    return [*found, Piece(text[end:], "")]


def _longest(
    plain: list[str], words: list[re.Match[str]], text: str, at: int
) -> tuple[Phrase | None, int]:
    """Returns the longest phrase that begins at a word, and its number of words."""
    best: tuple[Phrase | None, int] = (None, 1)
    key: list[str] = []
    for n_words in range(1, min(_longest_phrase(), len(words) - at) + 1):
        if n_words > 1:
            gap = text[words[at + n_words - 2].end() : words[at + n_words - 1].start()]
            if not _WITHIN.fullmatch(gap.replace(",", "")):
                break
            key += [","] * gap.count(",")
        key.append(plain[at + n_words - 1])
        phrase = lexicon().get(" ".join(key))
        if phrase is not None:
            best = (phrase, n_words)
    return best


@cache
def lexicon() -> dict[str, Phrase]:
    """Maps phrases in plain spelling, word by word, to what they are."""
    found: dict[str, Phrase] = {}
    for known in concepts().values():
        english = known.phrases_en[0] if known.phrases_en else ""
        for wording in known.phrases_en:
            found[_key(wording)] = Phrase("en", "", "finding")
        for wording in known.phrases_de:
            found[_key(wording)] = Phrase("de", english, "finding")
    for row in read_table("report_phrases.csv"):
        phrase = Phrase(row["language"], row["english"], row["role"])  # pyright: ignore[reportArgumentType]
        for wording in row["phrase"].split("|"):
            found[_key(wording)] = phrase
    return found


@cache
def _longest_phrase() -> int:
    return max(len(key.replace(", ", "").split()) for key in lexicon())


def _key(wording: str) -> str:
    marks = re.findall(r"[^\W_]+(?:#[^\W_]+)*|,", wording.lower())
    return " ".join(mark if mark == "," else plain_spelling(mark) for mark in marks)
