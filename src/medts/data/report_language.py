"""Language detection, sentence splitting and phrase-based translation of ECG reports.

All is based on the phrases of `medts.data.report_lexicon`. What the lexicon lacks stays as it was
written, and `Coverage` counts it. No grammar and no machine translation: a report of an ECG is a
list of set phrases.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from medts.core import sentences as core_sentences
from medts.data.ontology import plain_spelling
from medts.data.report_lexicon import (
    NEUTRAL,
    WORD,
    Piece,
    ReportLanguage,
    lexicon,
    pieces,
)

_ENGLISH = "the is are of with this may be to not by than there since at has been were when from"
"""Words of English reports that are in no phrase."""

_LONGEST_ACRONYM = 4


@dataclass(frozen=True)
class Coverage:
    """Coverage of the reports in other languages by the lexicon.

    Args:
        n_words: Words of those reports.
        n_known_words: Those in a phrase, and leads, waves and numbers.
        n_sentences: Sentences of those reports.
        n_known_sentences: Those whose every word is known.
        unknown: The other words with how often they occur, the most frequent first.
    """

    n_words: int
    n_known_words: int
    n_sentences: int
    n_known_sentences: int
    unknown: tuple[tuple[str, int], ...]


def detect_language(text: str) -> ReportLanguage:
    """Language detection: the language of most of the words that the lexicon has.

    Words of several languages (``normal``, ``infarkt``) do not count; a tie, or no such word at
    all, is ``unknown``.

    >>> [detect_language(text) for text in ("sinusrhythmus, normales ekg", "Ritmo sinusal")]
    ['de', 'unknown']
    """
    votes = {"de": 0, "en": 0, "sv": 0}
    for match in WORD.finditer(text.lower()):
        language = _language_of_word().get(plain_spelling(match.group()))
        if language is not None:
            votes[language] += 1
    for piece in pieces(text):
        if piece.phrase is not None and " " in piece.text:
            votes[piece.phrase.language] += 1
    most = max(votes.values())
    leaders = [language for language, count in votes.items() if count == most]
    return "unknown" if most == 0 or len(leaders) > 1 else leaders[0]  # pyright: ignore[reportReturnType]


def split_sentences(text: str) -> tuple[str, ...]:
    """Splits a report into sentences, without their full stops; empty for an empty report.

    They end as in `medts.core.sentences`. A report of one sentence is cut where, by the lexicon, a
    new finding begins.

    >>> split_sentences("QT 0.44 s. T neg. in V4-V6, path. EKG.")
    ('QT 0.44 s', 'T neg. in V4-V6, path. EKG')
    >>> split_sentences("sinusrhythmus linkstyp verdacht auf infarkt mögl. akut")
    ('sinusrhythmus', 'linkstyp', 'verdacht auf infarkt mögl. akut')
    """
    sentences = core_sentences.split_sentences(text)
    if len(sentences) == 1:
        sentences = _at_findings(sentences[0])
    return tuple(sentence.rstrip(" .;!?") for sentence in sentences)


def translate(sentence: str) -> str:
    """Translates the phrases of a sentence that the lexicon has into English, word order kept.

    >>> translate("anteroseptaler infarkt mögl. akut"), translate("t neg in v4,v5")
    ('anteroseptal infarction possibly acute', 'negative T wave in v4,v5')
    """
    text = "".join(piece.gap + piece.english for piece in pieces(sentence))
    return " ".join(text.split())


def without_paperwork(text: str) -> str:
    """Removes the phrases that are not about the recording (boilerplate).

    >>> without_paperwork("normales ekg 4.46    unbestätigter bericht")
    'normales ekg'
    """
    found = pieces(text)
    kept = [each for each in found if each.phrase is None or each.phrase.role != "empty"]
    return text if len(kept) == len(found) else _glue(kept)


def coverage(reports: Iterable[Iterable[str]]) -> Coverage:
    """Counts words and sentences of reports, given as sentences, that the lexicon covers."""
    n_words = n_known = n_sentences = n_known_sentences = 0
    unknown: dict[str, int] = {}
    for sentences in reports:
        for sentence in sentences:
            strange = [
                word
                for piece in pieces(sentence)
                if piece.phrase is None
                for word in WORD.findall(piece.text.lower())
                if not NEUTRAL.fullmatch(word)
            ]
            total = len(WORD.findall(sentence))
            n_words, n_known = n_words + total, n_known + total - len(strange)
            n_sentences, n_known_sentences = n_sentences + 1, n_known_sentences + (not strange)
            for word in strange:
                unknown[word] = unknown.get(word, 0) + 1
    ranked = tuple(sorted(unknown.items(), key=lambda each: (-each[1], each[0])))
    return Coverage(n_words, n_known, n_sentences, n_known_sentences, ranked)


def _at_findings(sentence: str) -> list[str]:
    """Cuts before each finding, or before the words about it, unless they are tied to the last."""
    groups: list[list[Piece]] = [[]]
    has_finding, is_tied = False, True
    for piece in pieces(sentence):
        role = piece.phrase.role if piece.phrase else None
        is_tied = is_tied or bool(re.search(r"[,/\-(:&]", piece.gap))
        if role in ("finding", "before") and has_finding and not is_tied:
            groups.append([])
            has_finding = False
        groups[-1].append(piece)
        has_finding = has_finding or role == "finding"
        is_tied = role in ("before", "joins")
    return [glued for glued in map(_glue, groups) if WORD.search(glued)]


def _glue(found: list[Piece]) -> str:
    return "".join(piece.gap + piece.text for piece in found).strip(" ,;")


@cache
def _language_of_word() -> dict[str, str]:
    """Maps the words that belong to one language alone to it; acronyms (``lvh``) belong to none."""
    acronyms = {key for key in lexicon() if len(key) <= _LONGEST_ACRONYM}
    acronyms = {key for key in acronyms if lexicon()[key].role == "finding"}
    owners: dict[str, set[str]] = {word: {"en"} for word in _ENGLISH.split()}
    for key, phrase in lexicon().items():
        for word in key.split():
            if word not in acronyms and not NEUTRAL.fullmatch(word):
                owners.setdefault(word, set()).add(phrase.language)
    return {word: next(iter(found)) for word, found in owners.items() if len(found) == 1}
