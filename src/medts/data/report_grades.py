"""Report grades: normal, otherwise normal, borderline or abnormal ECG, as stated in the report.

Verdicts on the whole ECG as readers and machines write them in German, English and Swedish.
MedualTime's released code trains on four coarse classes that it does not define (arXiv:2406.06620);
these are our reading of them. A verdict on a part of the ECG (*abnormales T*) does not count; of
several the gravest does.
"""

import re
from collections.abc import Sequence

GRADES = ("normal", "otherwise_normal", "borderline", "abnormal")
"""From the mildest to the gravest."""

_ECG = r"(?:e[ck]g|electrocardiogram|elektrokardiogramm?|ecg-fynd)\b"
_WORDINGS = {
    "abnormal": (
        rf"\bpath(?:\.|olog\w*)\s*{_ECG}",
        rf"\b(?:abnorm\w*|onormal\w*|patologisk\w*)\s+{_ECG}",
    ),
    "borderline": (
        rf"\b(?:grenzwertig\w*|borderline|gränsfall\w*)\s+(?:normal\w*\s+)?{_ECG}",
        r"\bgrenzbefund\b",
    ),
    "otherwise_normal": (rf"\b(?:sonst|ansonsten|otherwise|i övrigt)\s+normal\w*\s+{_ECG}",),
    "normal": (rf"\bnormal\w*\s+{_ECG}",),
}
_PATTERNS = {name: re.compile("|".join(forms)) for name, forms in _WORDINGS.items()}
_DENIED = re.compile(r"\b(?:kein|keine|no|not an?|inget)\s+$")


def are_grades(classes: Sequence[str]) -> bool:
    """Whether all classes of a label set are grades."""
    return set(classes) <= set(GRADES)


def states_grade(sentence: str) -> bool:
    """Whether a sentence holds a verdict, denied or not."""
    text = " ".join(sentence.lower().split())
    return any(pattern.search(text) for pattern in _PATTERNS.values())


def grade_of(report: str | None) -> str | None:
    """Returns the verdict that a report states; None where it states none.

    >>> grade_of("Sinusrhythmus. Sonst normales EKG")
    'otherwise_normal'
    >>> grade_of("sinus rhythm. st-t abnormal") is None
    True
    """
    text = " ".join((report or "").lower().split())
    for name, pattern in _PATTERNS.items():
        for found in pattern.finditer(text):
            if not _DENIED.search(text[: found.start()]):
                return name
    return None
