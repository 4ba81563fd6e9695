"""Report preprocessing: cleaning, de-identification, translation, sentences, redaction of classes.

The steps, each a function of its own: `clean_report` removes what is no finding (the codes that
annotators left behind, paperwork, transmission marks), `hide_persons` masks names, dates and
numbers that could identify somebody, `medts.data.report_language` finds language, sentences and
English, `without_classes` removes sentences that name the classes to be learnt. `prepare` does it
all for a corpus.

A report that cannot be used becomes None in its place and is counted under a reason; one that is
too long is cut, and counted too. Lists never shift.

Axes: n reports, distinct or not.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.core.sentences import join_sentences
from medts.data.ontology import ancestors, class_concepts, named
from medts.data.report_grades import are_grades, states_grade
from medts.data.report_language import (
    Coverage,
    coverage,
    detect_language,
    split_sentences,
    translate,
    without_paperwork,
)
from medts.data.report_lexicon import ReportLanguage


@dataclass(frozen=True)
class Report:
    """A report that can be used.

    Args:
        text: Its sentences, joined so that `medts.core.sentences` finds them again.
        sentences: At least one.
        language: What it was written in.
        source: The text as it came.
    """

    text: str
    sentences: tuple[str, ...]
    language: ReportLanguage
    source: str


@dataclass(frozen=True)
class PreparedReports:
    """The reports of a corpus, and an account of what was done.

    Args:
        reports: One per report that came in; None where it was left out.
        excluded: Why, and how many.
        languages: Kept reports by language.
        masked: Names, dates and numbers found, by kind.
        leaks_removed: Reports that carried annotators' codes, which were cut off.
        n_cut: Reports of more words than are read.
        coverage: Coverage of the reports in other languages than English by the lexicon.
    """

    reports: tuple[Report | None, ...]
    excluded: dict[str, int]
    languages: dict[str, int]
    masked: dict[str, int]
    leaks_removed: int
    n_cut: int
    coverage: Coverage

    @property
    def texts(self) -> list[str | None]:
        """The text of each report; None where it was left out."""
        return [None if report is None else report.text for report in self.reports]

    @property
    def account(self) -> dict[str, Any]:
        """What was left out, cut, masked and translated, in numbers that JSON can hold."""
        coverage = self.coverage
        return {
            "n_records": len(self.reports),
            "n_distinct": len({text for text in self.texts if text is not None}),
            "excluded": self.excluded,
            "languages": self.languages,
            "masked": self.masked,
            "leaks_removed": self.leaks_removed,
            "n_cut": self.n_cut,
            "words_covered": f"{coverage.n_known_words} of {coverage.n_words}",
            "sentences_covered": f"{coverage.n_known_sentences} of {coverage.n_sentences}",
        }


_LEAKS = re.compile(r"\bedit:.*|consensus label derived from:.*", re.IGNORECASE | re.DOTALL)
_MARKS = re.compile(r"\*{2,}|=-|=|<[^<>]{0,40}>|\\[nr]|[\x00-\x08\x0b-\x1f\x7f\ufffd]")

_MONTHS = "jan(uar|uary)?|feb(ruar|ruary)?|m(ä|ae)rz|mar(ch)?|apr(il)?|ma[iy]|jun[ie]?|jul[iy]?"
_MONTHS += "|aug(ust)?|sep(t|tember)?|o[ck]t(ober)?|nov(ember)?|de[cz](ember)?"
_SURNAMES = r"[A-ZÄÖÜ][\w'-]+(?:\s[A-ZÄÖÜ][\w'-]+)?"
_PERSONAL = {
    "contact": r"[\w.+-]+@[\w-]+\.\w+|(?<!\w)\+\d[\d /-]{7,}\d",
    "date": r"\b\d{4}-\d\d?-\d\d?\b"
    r"|(?<!\d)(?<!\d[.,])\b\d\d?(?:[/:-]\d\d?[.,/:-]|\.\d\d?\.)(?:19|20)?\d\d\b"
    rf"|\b\d\d?\.? (?i:{_MONTHS})\.? (?:19|20)\d\d\b"
    rf"|\b(?i:{_MONTHS}) \d\d?,? (?:19|20)\d\d\b",
    "id": r"\b(?i:mrn|id|ssn|fallnr|fallnummer|patientennummer|pat\.?-?nr)\b[\s.:#]*\w*\d\w*"
    r"|\b\d{6,}\b",
    "name": r"\b(?:(?:(?i:dr|prof|mrs|herrn?|frau|gez|nurse|schwester|signed by|confirmed by"
    r"|referred by|befundet von|patient name)\b[.:]*|(?i:mr|ms)\.)\s+(?:med\.\s+)?)+"
    rf"(?:{_SURNAMES}|[a-zäöü][\w'-]{{2,}})|\b(?:Mr|MR|Ms)\s+{_SURNAMES}",
}
"""What may identify a person, each kind with its pattern, in the order of the search. "ms" without
a full stop is a unit, "mr" a leaking valve, unless a capital follows."""

_MASKS = {kind: re.compile(pattern) for kind, pattern in _PERSONAL.items()}


def clean_report(text: str) -> str:
    """Returns a report without codes, paperwork and marks, in lower case; empty if nothing is left.

    Annotators of PTB-XL left their codes behind (``Edit: NORM 100``), which would leak the labels.
    Upper-case umlauts in lower-case text, decomposed letters and runs of blanks are mended, and
    the end of a line ends a sentence.

    >>> clean_report("sinusrhythmus  LinkshypertrophÍe? Edit: LVH 80, (LVH 100)")
    'sinusrhythmus linkshypertrophíe?'
    >>> clean_report("normales ekg 4.46     unbestÄtigter bericht")
    'normales ekg'
    """
    text = _LEAKS.sub(" ", unicodedata.normalize("NFC", text))
    text = _MARKS.sub(" ", text).lower().strip()
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        lines = [join_sentences([line.rstrip(" .;") for line in lines])]
    text = " ".join(without_paperwork("".join(lines)).split())
    return text if re.search(r"[^\W\d_]", text) else ""


def hide_persons(text: str) -> tuple[str, dict[str, int]]:
    """De-identification: replaces names, dates and identifying numbers by their kind, and counts.

    A net, not a proof: it finds what follows a title or looks like a date, and a name alone
    escapes it. Reports of a hospital need its own check before they leave it.

    >>> hide_persons("compared with 3:3:92, Dr. Weber agrees")
    ('compared with [date], [name] agrees', {'date': 1, 'name': 1})
    """
    counts: dict[str, int] = {}
    for kind, pattern in _MASKS.items():
        text, n_found = pattern.subn(f"[{kind}]", text)
        if n_found:
            counts[kind] = n_found
    return text, counts


def without_classes(sentences: Sequence[str], label_set: LabelSet) -> tuple[str, ...]:
    """Redaction: the sentences that name no class of a label set; possibly none.

    A sentence names a class if it names its concept, a narrower one or a broader one, denied or
    not: "no ST elevation" reveals the class as much as "ST elevation" does. The ontology has
    English, German and some Swedish wordings; others stay. Where the classes are grades, or one is
    the normal ECG, sentences with a verdict on the ECG go.
    """
    meant = {code for name in label_set.classes for code in class_concepts(label_set, name)}
    if are_grades(label_set.classes) or "NORM" in meant:
        sentences = tuple(each for each in sentences if not states_grade(each))
    broader = {above for code in meant for above in ancestors(code)}

    def is_about(code: str) -> bool:
        return code in meant or code in broader or not meant.isdisjoint(ancestors(code))

    return tuple(each for each in sentences if not any(map(is_about, named(each))))


def distinct(texts: Sequence[str | None]) -> tuple[list[str], Int[np.ndarray, "n"]]:
    """Deduplication: each text once, in order of appearance, and for every input its place there.

    The place of None is -1. Two records with the same place are each other's positives.

    >>> distinct(["a", None, "b", "a"])
    (['a', 'b'], array([ 0, -1,  1,  0]))
    """
    place: dict[str, int] = {}
    places = [-1 if text is None else place.setdefault(text, len(place)) for text in texts]
    return list(place), np.array(places, dtype=np.int64)


def prepare(texts: Sequence[str | None], settings: ReportSettings | None = None) -> PreparedReports:
    """Cleans, masks, translates, redacts and splits the reports of a corpus, one result per report.

    Raises:
        ConfigError: If reports are to be redacted, and the ontology has none of the label sets, or
            if nothing is left of the text that stands in for them.
    """
    settings = settings or ReportSettings()
    _check_hidden(settings)
    texts = _given(texts, settings)
    reports: list[Report | None] = []
    excluded, languages, masked = Counter(), Counter(), Counter()
    foreign: list[tuple[str, ...]] = []
    for source in texts:
        found, counts = _prepare_one(source or "", settings)
        masked.update(counts)
        if isinstance(found, str):
            excluded[found] += 1
            reports.append(None)
            continue
        report, as_written = found
        languages[report.language] += 1
        if report.language in ("de", "sv"):
            foreign.append(as_written)
        reports.append(report)
    if settings.stands_in and excluded:
        problem = f"{settings.stands_in!r} cannot stand in for reports: {', '.join(excluded)}"
        remedy = "Use a word that names no class"
        raise ConfigError(problem, field="reports.stands_in", remedy=remedy)
    return PreparedReports(
        reports=tuple(reports),
        excluded=dict(excluded),
        languages=dict(languages),
        masked=dict(masked),
        leaks_removed=sum(_LEAKS.search(text or "") is not None for text in texts),
        n_cut=sum(_cut(text or "", settings.max_words) != (text or "") for text in texts),
        coverage=coverage(foreign),
    )


def as_read(texts: Sequence[str | None], settings: ReportSettings | None) -> tuple[str | None, ...]:
    """Returns reports as a model reads them, in their places; as written without settings.

    Each text is prepared once per process.
    """
    if settings is None:
        return tuple(texts)
    texts = _given(texts, settings)
    known = _known_readings(settings.model_dump_json())
    new = [text for text in dict.fromkeys(texts) if text is not None and text not in known]
    known |= dict(zip(new, prepare(new, settings).texts, strict=True))
    return tuple(None if text is None else known[text] for text in texts)


def _given(texts: Sequence[str | None], settings: ReportSettings) -> Sequence[str | None]:
    """Returns the reports, or for each of them, and for none, the text that stands in for it."""
    return [settings.stands_in] * len(texts) if settings.stands_in else texts


def _cut(text: str, max_words: int) -> str:
    """Returns the first words of a text, with what is between them as it was."""
    words = text.split(maxsplit=max_words)
    return text.removesuffix(words[-1]) if len(words) > max_words else text


@cache
def _known_readings(settings: str) -> dict[str, str | None]:
    """Keeps what was read under some settings: reports repeat, and corpora are opened often."""
    del settings
    return {}


def _check_hidden(settings: ReportSettings) -> None:
    if settings.is_redacted and not settings.hidden_classes_of:
        problem = "reports are to be redacted, but no label set has the classes to hide"
        remedy = "Train with labels, or set is_redacted to False"
        raise ConfigError(problem, field="reports.hidden_classes_of", remedy=remedy)
    for label_set in settings.hidden_classes_of:
        is_known = any(class_concepts(label_set, name) for name in label_set.classes)
        if not (is_known or are_grades(label_set.classes)):
            problem = f"the ontology has no class of {label_set.name}: nothing would be redacted"
            remedy = "Add its classes to the tables of the ontology"
            raise ConfigError(problem, field="reports.hidden_classes_of", remedy=remedy)


def _prepare_one(
    source: str, settings: ReportSettings
) -> tuple[tuple[Report, tuple[str, ...]] | str, dict[str, int]]:
    """Returns the report and its sentences as written, or the reason why there is none."""
    whole, source = source, _cut(source, settings.max_words)
    blotted, counts = hide_persons(_LEAKS.sub(" ", source))
    text = clean_report(blotted if settings.hides_persons else source)
    if not text:
        return ("says nothing" if re.search(r"[^\W\d_]", source) else "empty"), counts
    if len(text.split()) < settings.min_words:
        return "too short", counts
    language = detect_language(text)
    if language == "unknown" and not settings.keep_unknown:
        return "unknown language", counts
    as_written = split_sentences(text)
    sentences = as_written
    if settings.hidden_classes_of and source != whole:
        sentences = sentences[:-1]  # half a sentence may name a class in words that nobody lists
    for label_set in settings.hidden_classes_of:
        sentences = without_classes(sentences, label_set)
    if settings.translate and language in ("de", "sv"):
        sentences = tuple(translate(sentence).lower() for sentence in sentences)
        # Twice: the ontology has wordings in either language that it misses in the other.
        for label_set in settings.hidden_classes_of:
            sentences = without_classes(sentences, label_set)
    if not sentences:
        return "says only what is hidden", counts
    return (Report(join_sentences(sentences), sentences, language, whole), as_written), counts
