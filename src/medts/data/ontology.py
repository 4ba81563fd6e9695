"""ECG ontology: SCP-ECG statements, SNOMED CT codes, their hierarchy, wordings and negation.

Everything is in the CSV files of `medts.data.tables`; this module only reads them. A `Concept` is
one meaning: an SCP-ECG statement under its official code (``NST_``), a group of them (``MI``,
``sub:AMI``), or a finding that other corpora name (``VTACH``). Concepts point to broader ones, so a
class of one corpus finds its counterpart in another by meaning, never by position or spelling.
"""

import csv
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal

from medts.core.errors import MedtsError, unknown_name
from medts.core.labels import LabelSet

Language = Literal["en", "de"]

STATEMENT_KINDS = ("diagnostic", "form", "rhythm")
"""The kinds of SCP-ECG statement; a statement may be of two, such as ``NDT``."""


@dataclass(frozen=True)
class Concept:
    """One meaning, however a corpus spells it.

    Args:
        code: SCP-ECG code of a statement, otherwise a code of ours.
        kinds: For a statement some of `STATEMENT_KINDS`; otherwise ``superclass``,
            ``subclass``, ``finding``, ``axis``, ``rhythm`` or ``quality``.
        parents: Codes of the next broader concepts.
        phrases_en: English wordings fit for prompts, the plainest first.
        phrases_de: German ones.
        wordings: Abbreviations and fragments of reports in any language; recognised, not used
            as prompts.
        snomed: SNOMED CT codes with this meaning.
        is_statement: True for the 71 SCP-ECG statements of PTB-XL.
        subclass: PTB-XL's diagnostic subclass, as its authors write it; empty where none.
        superclass: PTB-XL's diagnostic class; empty where none.
    """

    code: str
    kinds: tuple[str, ...]
    parents: tuple[str, ...]
    phrases_en: tuple[str, ...]
    phrases_de: tuple[str, ...]
    wordings: tuple[str, ...]
    snomed: tuple[str, ...]
    is_statement: bool = False
    subclass: str = ""
    superclass: str = ""


def statements(kind: str | None = None) -> tuple[Concept, ...]:
    """SCP-ECG statements of PTB-XL, all or of one kind, in the order of its table.

    >>> [statement.code for statement in statements("rhythm")][:3]
    ['SR', 'AFIB', 'STACH']
    """
    return tuple(
        concept
        for concept in concepts().values()
        if concept.is_statement and (kind is None or kind in concept.kinds)
    )


def concept(code: str) -> Concept:
    """Returns a concept by code.

    Raises:
        UnknownNameError: If there is none; the nearest codes are suggested.
    """
    if code not in concepts():
        raise unknown_name("concept", code, concepts())
    return concepts()[code]


def ancestors(code: str) -> tuple[str, ...]:
    """Returns every broader concept, the nearest first.

    >>> ancestors("ASMI"), ancestors("CRBBB")
    (('sub:AMI', 'MI'), ('RBBB', 'CD', 'BBB'))
    """
    return tuple(ancestor for level in list(_levels(code))[1:] for ancestor in level)


def prompts(code: str, language: Language = "en") -> tuple[str, ...]:
    """Returns the wordings that describe a concept, the plainest first.

    >>> prompts("AFIB")[0], prompts("AFIB", "de")[0]
    ('atrial fibrillation', 'Vorhofflimmern')
    """
    found = concept(code)
    return found.phrases_en if language == "en" else found.phrases_de


def by_snomed(code: str) -> Concept | None:
    """SNOMED CT lookup: the concept of a code, or None where the tables lack it."""
    return _snomed_owner().get(code)


def class_concepts(label_set: LabelSet, name: str) -> tuple[str, ...]:
    """Returns the concepts that a class of a label set means; empty where the tables lack it.

    A class that the tables list is looked up there. Otherwise its code system decides, and
    where the set has none, a wording that is spelt like the class.
    """
    listed = _listed_classes().get(label_set.name)
    if listed is not None:
        return listed.get(name.lstrip("("), ())
    if label_set.system == "scp-ecg":
        codes = {statement.code.strip("_"): statement.code for statement in statements()}
        code = codes.get(name.strip("_"))
        return () if code is None else (code,)
    if label_set.system == "snomed-ct":
        known = by_snomed(name)
        return () if known is None else (known.code,)
    code = _phrase_owner().get(plain_spelling(name))
    return () if code is None else (code,)


def with_phrases(label_set: LabelSet) -> LabelSet:
    """Adds the ontology's wordings to the classes that have none of their own."""
    phrases = dict(label_set.phrases)
    for name in label_set.classes:
        if not phrases.get(name) and (codes := class_concepts(label_set, name)):
            phrases[name] = prompts(codes[0])
    return label_set.but(phrases={name: found for name, found in phrases.items() if found})


def map_labels(source: LabelSet, target: LabelSet) -> dict[str, str]:
    """Maps classes of one label set to those of another with the same or a broader meaning.

    A source class without such a counterpart is left out: a class is never mapped to a narrower
    one, for not every ``RBBB`` is a complete block.

    Raises:
        MedtsError: If two target classes fit a source class equally well.
    """
    holders = _holders(target)
    mapping = {}
    for name in source.classes:
        for code in class_concepts(source, name):
            fitting = next(filter(None, _matches(code, holders)), [])
            if len(fitting) > 1:
                problem = f"{source.name} class {name!r} fits {' and '.join(map(repr, fitting))}"
                remedy = "Leave one of them out of the target label set"
                raise MedtsError(problem, field=target.name, remedy=remedy)
            if fitting:
                mapping[name] = fitting[0]
                break
    return mapping


def meanings(label_set: LabelSet) -> dict[str, tuple[str, ...]]:
    """Returns the concepts that fall under each class, its own first.

    A concept falls under the class that is nearest above it, so what is a class itself falls under
    no other. Under "another rhythm" fall the rhythms of SCP-ECG that fall under no other class.

    >>> rhythm = {"name": "ptb-xl/rhythm", "kind": "multi", "system": "scp-ecg"}
    >>> meanings(LabelSet(classes=("BIGU", "SVTAC", "PSVT"), **rhythm))["BIGU"]
    ('BIGU', 'ABIGU', 'VBIGU')
    """
    holders = _holders(label_set)
    found = {name: list(class_concepts(label_set, name)) for name in label_set.classes}
    for code in concepts():
        for name in next(filter(None, _matches(code, holders)), []):
            found[name].append(code)
    taken = {code for codes in found.values() for code in codes}
    for name in holders.get("OTHER", ()):
        found[name] += [one.code for one in statements("rhythm") if one.code not in taken]
    return {name: tuple(dict.fromkeys(codes)) for name, codes in found.items()}


def plain_spelling(text: str) -> str:
    """Normalises spelling: case, umlauts and their substitutes, punctuation.

    >>> (
    ...     plain_spelling("Überdrehter Linkstyp"),
    ...     plain_spelling("ueberdrehter  linkstyp"),
    ...     plain_spelling("ischÄmie"),
    ... )
    ('uberdrehter linkstyp', 'uberdrehter linkstyp', 'ischemie')
    """
    text = text.lower().translate(_UMLAUTS)
    for pair, letter in (("ae", "e"), ("oe", "o"), ("ue", "u")):
        text = text.replace(pair, letter)
    return " ".join(re.findall(r"[a-z0-9å~#]+|,", text))


def mentions(sentence: str) -> set[str]:
    """Finding extraction with negation detection (as NegEx): the concepts that a sentence states.

    A finding called possible or not excluded counts as stated, just as PTB-XL counts a statement
    at any likelihood. Only the narrowest concept named is returned; see `ancestors`.

    >>> sorted(mentions("sinusrhythmus, kein infarkt. Q waves in III, no ST elevation"))
    ['QWAVE', 'SR']
    """
    found: set[str] = set()
    for clause in _CLAUSE_END.split(sentence):
        found |= _clause_mentions(plain_spelling(clause))
    return found


def named(sentence: str) -> set[str]:
    """Finds the concepts whose wordings occur in a sentence, denied or not, or within a wording.

    >>> sorted(named("sinusrhythmus, kein infarkt"))
    ['MI', 'SR']
    >>> sorted(named("voltage criteria for left ventricular hypertrophy"))
    ['HYP', 'LVH', 'VCLVH']
    """
    phrases = [
        token.group()
        for clause in _CLAUSE_END.split(sentence)
        for token in _scanner().finditer(plain_spelling(clause))
        if token.lastgroup == "phrase"
    ]
    known = _phrase_owner()
    within = {part for phrase in phrases for part in _parts_of(phrase)} & known.keys()
    return {_owner_of(phrase) for phrase in phrases} | {known[part] for part in within}


def _parts_of(phrase: str) -> list[str]:
    """Returns every run of words of a phrase."""
    words = phrase.split()
    return [" ".join(words[i:j]) for i, j in itertools.combinations(range(len(words) + 1), 2)]


_UMLAUTS = str.maketrans({"ä": "e", "ö": "o", "ü": "u", "ß": "ss", "á": "ss", "é": "e"})
# á: code page 437 read as Latin-1, as in PTB-XL's reports

_CLAUSE_END = re.compile(r"[;:\n]|\.(?=\s|$)(?!\s*(?:grad|degree))", re.IGNORECASE)

_LEAVES_OPEN = (
    "nicht auszuschliessen|nicht ausgeschlossen|nicht sicher|nicht signifikant|nicht sign"
    "|cannot be excluded|can not be excluded|cannot exclude|not excluded|cannot rule out"
    "|cannot be ruled out|kan ej uteslutas|not necessarily|not significantly|no change"
)
_DENIES_BEFORE = "no|not|without|kein|keine|keinen|keinem|keiner|keines|ohne|nicht|absence of"
_DENIES_BEFORE += "|negative for|ingen|inga|inget|utan|ej"
_DENIES_AFTER = "unlikely|unwahrscheinlich|osannolik|ausgeschlossen|excluded|ruled out|absent"
_DENIES_AFTER += "|not seen|not present|not found|not evident|nicht nachweisbar|nicht vorhanden"
_ENDS_SCOPE = "but|however|although|except|aber|jedoch|sonst|otherwise|men"
_JOINS = "or|nor|and|oder|noch|und|bzw|eller|och"

_REACH_WORDS, _REACH_BACK_WORDS = 6, 4
"""Words over which a negation before a finding reaches, and one after it."""


def _clause_mentions(clause: str) -> set[str]:
    """Scans one clause in plain spelling, keeping track of the scope of negations."""
    found: dict[int, str] = {}
    is_list = re.search(rf",.*\b(?:{_JOINS})\b", clause) is not None
    reach, last, since, is_joined = 0, -1, 0, True
    for token in _scanner().finditer(clause):
        kind, text = token.lastgroup, token.group()
        if kind == "phrase":
            is_denied = reach > 0 and is_joined
            if not is_denied:
                found[token.start()] = _owner_of(text)
                reach = 0
            last, since, is_joined = token.start(), 0, False
        elif kind == "before":
            reach, is_joined = _REACH_WORDS, True
        elif kind == "after":
            if since < _REACH_BACK_WORDS:
                found.pop(last, None)
        elif kind == "ends" or (text == "," and not is_list):
            reach, since = 0, _REACH_BACK_WORDS
        elif kind == "joins" or text == ",":
            is_joined = True
        else:
            reach, since = reach - 1, since + 1
    return set(found.values())


@cache
def _scanner() -> re.Pattern[str]:
    longest_first = sorted(_phrase_owner(), key=len, reverse=True)
    groups = {
        "phrase": rf"(?:{'|'.join(map(re.escape, longest_first))})[sn]?",
        "open": _LEAVES_OPEN,
        "after": _DENIES_AFTER,
        "before": _DENIES_BEFORE,
        "ends": _ENDS_SCOPE,
        "joins": _JOINS,
        "word": r"[^\s,]+",
    }
    named = "|".join(rf"(?P<{name}>(?:{pattern})(?!\S))" for name, pattern in groups.items())
    return re.compile(rf"(?<!\S)(?:{named})|,")


def _owner_of(text: str) -> str:
    owner = _phrase_owner()
    return owner[text] if text in owner else owner[text[:-1]]  # the scanner allows a plural


@cache
def _snomed_owner() -> dict[str, Concept]:
    return {snomed: known for known in concepts().values() for snomed in known.snomed}


@cache
def _phrase_owner() -> dict[str, str]:
    """Maps every wording in plain spelling to its concept; a test holds that none has two."""
    return {
        plain_spelling(phrase): known.code
        for known in concepts().values()
        for phrase in (*known.phrases_en, *known.phrases_de, *known.wordings)
    }


def _holders(label_set: LabelSet) -> dict[str, list[str]]:
    """Maps each concept to the classes that mean it."""
    holders: dict[str, list[str]] = {}
    for name in label_set.classes:
        for code in class_concepts(label_set, name):
            holders.setdefault(code, []).append(name)
    return holders


def _matches(code: str, holders: dict[str, list[str]]) -> Iterator[list[str]]:
    """Yields the classes that mean ``code``, then those one step broader, and so on."""
    for level in _levels(code):
        names = (name for broader in level for name in holders.get(broader, []))
        yield list(dict.fromkeys(names))


def _levels(code: str) -> Iterator[list[str]]:
    """Yields the concept, then its parents, then their parents; each concept once."""
    level, seen = [concept(code).code], {code}
    while level:
        yield level
        parents = (parent for child in level for parent in concepts()[child].parents)
        level = [parent for parent in dict.fromkeys(parents) if parent not in seen]
        seen.update(level)


@cache
def concepts() -> Mapping[str, Concept]:
    """Returns every concept by code: first the statements, in PTB-XL's order."""
    groups, rows = list(read_table("concepts.csv")), list(read_table("statements.csv"))
    group_codes = {row["code"] for row in groups}
    snomed: dict[str, list[str]] = {}
    for row in read_table("snomed.csv"):
        snomed.setdefault(row["concept"], []).append(row["snomed"])

    def build(row: dict[str, str], kinds: tuple[str, ...], parents: list[str]) -> Concept:
        code = row["code"]
        return Concept(
            code=code,
            kinds=kinds,
            parents=tuple(dict.fromkeys(parent for parent in parents if parent not in ("", code))),
            phrases_en=_split(row["english"]),
            phrases_de=_split(row["german"]),
            wordings=_split(row["wordings"]),
            snomed=tuple(snomed.get(code, ())),
            is_statement="diagnostic" in row,
            subclass=row.get("subclass", ""),
            superclass=row.get("superclass", ""),
        )

    known = {}
    for row in rows:
        kinds = tuple(kind for kind in STATEMENT_KINDS if row[kind] == "1")
        own_group = f"sub:{row['subclass']}"
        subclass = own_group if own_group in group_codes else row["subclass"]
        nearest = subclass if subclass not in ("", row["code"]) else row["superclass"]
        known[row["code"]] = build(row, kinds, [row["broader"], nearest])
    for row in groups:
        known[row["code"]] = build(row, (row["kind"],), [row["broader"]])
    return MappingProxyType(known)  # one for all callers


@cache
def _listed_classes() -> dict[str, dict[str, tuple[str, ...]]]:
    """Maps label set and class to concepts, for the sets whose names the tables explain."""
    listed: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in read_table("classes.csv"):
        listed.setdefault(row["label_set"], {})[row["class"]] = _split(row["concepts"])
    listed["cinc-2021/scored"] = {
        row["abbreviation"]: (row["concept"],)
        for row in read_table("snomed.csv")
        if row["is_scored"] == "1"
    }
    for statement in statements("diagnostic"):
        group = f"sub:{statement.subclass}"
        subclass = group if group in concepts() else statement.subclass
        listed.setdefault("ptb-xl/sub", {})[statement.subclass.strip("_")] = (subclass,)
        for name in ("ptb-xl/super", "ptb-xl/super-single"):
            listed.setdefault(name, {})[statement.superclass] = (statement.superclass,)
    return listed


def read_table(name: str) -> Iterator[dict[str, str]]:
    """Yields the rows of a CSV file of `medts.data.tables`."""
    text = files("medts.data.tables").joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split("|") if part)
