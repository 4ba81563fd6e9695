"""Writes a page for every source from its card, so that no fact of a corpus stands twice."""

import re
from typing import Any

from mkdocs.structure.files import File

from medts.core.labels import LabelSet
from medts.data.sources import sources
from medts.data.sources.base import Source

_INTRODUCTION = """# Datasets

In short: a page for each corpus that `medts ingest` reads. No recording is shipped with the
package, and every corpus keeps its own licence. These pages are made from the cards that
`medts list sources` prints.

Missing yours?
[CONTRIBUTING](https://github.com/medts/medts/blob/main/CONTRIBUTING.md#add-a-dataset) says what a
source takes.

| source | corpus | subjects | licence |
|---|---|---|---|
"""


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages as if they lay in ``docs/datasets/``."""
    for name, text in pages().items():
        files.append(File.generated(config, f"datasets/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    """Returns the text of every page by its name, the index among them."""
    found = dict(sorted(sources().found.items()))
    cards = {name: each.card for name, each in found.items()}
    rows = [
        f"| [`{name}`]({name}.md) | {card.title} | {card.subjects} | {card.licence} |"
        for name, card in cards.items()
    ]
    index = _INTRODUCTION + "\n".join(rows) + "\n"
    return {"index": index} | {name: page(source) for name, source in found.items()}


def page(source: type[Source]) -> str:
    """Returns the page of one source."""
    card, label_sets = source.card, source().label_sets
    module = source.__module__.replace(".", "/")
    facts = {
        "licence": card.licence,
        "obtain": _linked(card.obtain),
        "subjects": card.subjects,
        "a record": card.records,
        "beside the signals": card.also,
        "folds and split": card.folds,
        "cite": _linked(card.citation),
        "code": f"[`{module}.py`](https://github.com/medts/medts/blob/main/src/{module}.py)",
    }
    rows = "\n".join(f"| {name} | {text} |" for name, text in facts.items() if text)
    streams = "\n".join(
        f"| `{name.replace(', ', '`, `')}` | {' | '.join(each)} |"
        for name, each in card.streams.items()
    )
    where = "-" if card.synthetic else f"path/to/{source.name}"
    parts = [
        f"# {card.title}",
        "**Nobody was recorded.**" if card.synthetic else "",
        f"| source | `{source.name}` |\n|---|---|\n{rows}",
        f"```bash\nmedts ingest {source.name} {where} stores/{source.name}\n```",
        f"The folder must hold {card.layout}." if card.layout else "",
        f"## Streams\n\n| stream | channels | unit | sampling rate |\n|---|---|---|---|\n{streams}",
        f"## Label sets\n\n{_label_sets(label_sets)}",
        _list(card.notes),
        "## Known faults, and what is done about them" if card.defects else "",
        _list(card.defects),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _label_sets(label_sets: tuple[LabelSet, ...]) -> str:
    if not label_sets:
        return "None."
    rows = [
        f"| `{each.name}` | {each.kind} | {len(each)} | {', '.join(each.classes)} |"
        for each in label_sets
    ]
    return "\n".join(["| name | kind | n | classes |", "|---|---|--:|---|", *rows])


def _list(sentences: tuple[str, ...]) -> str:
    return "\n".join(f"* {each[:1].upper()}{each[1:]}." for each in sentences)


def _linked(text: str) -> str:
    text = re.sub(r"https://[^\s()]+", lambda each: f"<{each[0]}>", text)
    return re.sub(r"doi:(10\.[^\s;,()]+)", r"[doi:\1](https://doi.org/\1)", text)
