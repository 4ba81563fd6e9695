"""Sentence splitting of clinical reports, with abbreviations, ordinals and decimals.

ECG reports are telegraphic. A full stop ends a sentence unless it stands in a number ("0.12 s"),
after an abbreviation ("z.B.", "neg.") or in an ordinal ("1. Grades"); line breaks, semicolons and
exclamation and question marks end one too. Pieces without a letter or digit are no sentences. A
report without a full stop, as a third of PTB-XL's are, is one sentence here; its findings are
separated by `medts.data.report_language`.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

ABBREVIATIONS = frozenset(
    {
        *("abn", "ant", "anter", "approx", "biphas", "bzw", "ca", "cf", "comp", "d.h", "dr", "e.g"),
        *("eg", "evtl", "fig", "ggf", "hochlat", "i.e", "ie", "incl", "inf", "inkl", "inkompl"),
        *("insb", "intraventr", "kompl", "lat", "moegl", "mögl", "neg", "nr", "o.g", "pat", "path"),
        *("patholog", "pos", "post", "prob", "prof", "resp", "s.o", "sept", "sign", "sog"),
        *("supraventr", "u.a", "unbest", "unvollst", "v", "v.a", "ventr", "vermutl", "vgl", "vs"),
        *("wahrsch", "z", "z.b", "z.n", "z.t", "z.zt", "zn"),
    }
)
"""Abbreviations in lower case, without their last full stop, which ends no sentence."""

_END = re.compile(r"[!?;\n]+|\.+(?=\s|$)|(?<=[^\W\d_]{4})\.+(?=[^\W\d_]{4})")
"""Where a sentence may end; a full stop between two words without a blank may be one."""

_WORD_BEFORE = re.compile(r"(?:[^\W\d_][\w.]*|\d+)$")
_ORDINAL = re.compile(r"\s*(?:grad|degree)", re.IGNORECASE)


def split_sentences(text: str) -> tuple[str, ...]:
    """Splits a text into sentences, each with its full stop; empty only for a text without words.

    >>> split_sentences("Sinus rhythm. PR 0.12 s, approx. normal.. T neg. in V4")
    ('Sinus rhythm.', 'PR 0.12 s, approx. normal..', 'T neg. in V4')
    """
    pieces, start = [], 0
    for found in _END.finditer(text):
        if _ends_sentence(text, found):
            pieces.append(text[start : found.end()])
            start = found.end()
    pieces.append(text[start:])
    trimmed = (" ".join(piece.split()) for piece in pieces)
    return tuple(piece for piece in trimmed if any(map(str.isalnum, piece)))


def join_sentences(sentences: Sequence[str]) -> str:
    """Joins sentences without full stops, such that `split_sentences` finds them again.

    Where a full stop would be that of an abbreviation, a semicolon stands for it.

    >>> join_sentences(["sinus rhythm", "t neg", "left axis"])
    'sinus rhythm. t neg; left axis.'
    """
    parts = [
        f"{this}." if split_sentences(f"{this}. {after}")[0] == f"{this}." else f"{this};"
        for this, after in pairwise([*sentences, ""])
    ]
    return " ".join(parts)


def _ends_sentence(text: str, end: re.Match[str]) -> bool:
    if end[0] != ".":
        return True
    word = _WORD_BEFORE.search(text, max(0, end.start() - 20), end.start())
    if word is None or not text[end.end() :].strip():
        return True
    name = word[0].lower()
    if name.isdigit():
        return _ORDINAL.match(text, end.end()) is None
    is_initial = len(name.rpartition(".")[2]) == 1 and "." in name
    return name not in ABBREVIATIONS and not is_initial
