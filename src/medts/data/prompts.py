"""Prompts for zero-shot classification: class wordings of the ontology, or a prompt file.

A file is a JSON object from class to one string or a list of them, so MERL's and MELP's
``CKEPE_prompt.json`` is read as it is; there one string holds several findings, separated by
commas. Order and number of classes in a file mean nothing: classes are looked up by name.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medts.core.errors import MedtsError, ReadError, unknown_name
from medts.core.labels import LabelSet
from medts.data.ontology import Language, meanings, plain_spelling, prompts

TEMPLATES = ("{}", "ECG showing {}.", "The recording shows {}.")
"""Patterns around a phrase; ``{}`` is where it goes."""

LONG_WORDS = 64
"""A prompt of more words is longer than most text towers read; it is used, and counted."""


def class_phrases(
    label_set: LabelSet,
    *,
    language: Language = "en",
    n_phrases: int = 5,
    is_narrower_named: bool = True,
) -> dict[str, tuple[str, ...]]:
    """Returns the wordings of every class, then the plainest one of each concept under it.

    Its own are those of the label set, which are English, then the ontology's; possibly none.

    Args:
        label_set: Whose classes are put into words.
        language: Of the phrases.
        n_phrases: Phrases for a class itself at most, the plainest first.
        is_narrower_named: Whether what falls under a class is named too.
    """
    found = {}
    for name, codes in meanings(label_set).items():
        known = list(label_set.phrases.get(name, ())) if language == "en" else []
        known += [phrase for code in codes[:1] for phrase in prompts(code, language)]
        own = list(dict.fromkeys(known))[:n_phrases]
        under = codes[1:] if is_narrower_named else ()
        narrower = [phrase for code in under for phrase in prompts(code, language)[:1]]
        found[name] = tuple(dict.fromkeys([*own, *narrower]))
    return found


def read_prompts(
    path: str | Path, classes: Sequence[str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Reads the prompts of a file, for all of its classes or for some in their own order.

    Raises:
        ReadError: If the file is missing, no JSON object, names a class twice, or holds something
            else than texts.
        UnknownNameError: If it lacks a class.
        MedtsError: If a prompt is empty, or two of the classes have the same prompt.
    """
    path = Path(path)
    if not path.is_file():
        raise ReadError("no such file", path=path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once_each)
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are such
        remedy = 'Write an object such as {"AFIB": "atrial fibrillation"}'
        raise ReadError(str(error), path=path, remedy=remedy) from None
    if not isinstance(content, dict) or not content:
        raise ReadError("not an object from class to prompt, or an empty one", path=path)
    found = {name: _texts(value, path, name) for name, value in content.items()}
    for name in classes or ():
        if name not in found:
            raise unknown_name(f"class of {path.name}", name, found)
    chosen = found if classes is None else {name: found[name] for name in classes}
    check_prompts(chosen, where=path)
    return chosen


def n_long_prompts(prompts: Mapping[str, Sequence[str]], *, words: int = LONG_WORDS) -> int:
    """Counts the prompts of more than so many words; a text tower cuts them."""
    return sum(len(text.split()) > words for texts in prompts.values() for text in texts)


def check_prompts(prompts: Mapping[str, Sequence[str]], *, where: str | Path) -> None:
    """Checks that every class has prompts, none twice and none that another class has."""
    owner: dict[str, str] = {}
    for name, texts in prompts.items():
        if not texts or not all(any(map(str.isalnum, text)) for text in texts):
            raise MedtsError(f"the prompt of {name!r} is empty", path=where, field="prompts")
        for text in texts:
            first = owner.setdefault(plain_spelling(text), name)
            if first != name:
                problem = f"{first!r} and {name!r} have the same prompt {text[:60]!r}"
                remedy = "No model can separate such classes; reword or leave out one of them"
                raise MedtsError(problem, path=where, field="prompts", remedy=remedy)
        if len({plain_spelling(text) for text in texts}) < len(texts):
            raise MedtsError(f"{name!r} has a prompt twice", path=where, field="prompts")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a class that occurs twice, of which JSON itself would keep the last in silence."""
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"class {', '.join(twice)} occurs twice")
    return dict(pairs)


def _texts(value: Any, path: Path, name: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ReadError("neither a text nor a list of texts", path=path, field=name)
    return tuple(" ".join(text.split()) for text in texts)
