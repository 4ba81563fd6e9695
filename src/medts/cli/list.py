"""`medts list`: what there is to choose from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import tyro
from rich.table import Table

from medts.cli.console import make_console

Kind = Literal["recipes", "sources", "models", "formats", "label-sets"]


@dataclass(frozen=True)
class List:
    """List recipes, sources, models, formats, or label sets."""

    kind: tyro.conf.Positional[Kind] = "recipes"
    """What to list."""


def run(arguments: Sequence[str]) -> None:
    """Parses and lists."""
    kind = tyro.cli(List, prog="medts list", args=arguments).kind
    table = Table(title=kind, title_justify="left", show_header=False)
    for name, sentence in sorted(_LISTS[kind]().items()):
        table.add_row(name, sentence)
    make_console().print(table)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]


def _recipes() -> dict[str, str]:
    from medts.recipes import recipes

    return {name: _first_line(recipe) for name, recipe in recipes().items()}


def _sources() -> dict[str, str]:
    from medts.data.sources import SOURCES

    return {name: f"{each.card.title} ({each.card.licence})" for name, each in SOURCES.items()}


def _models() -> dict[str, str]:
    from medts.models.settings.base import EncoderSettings

    return {name: _first_line(each) for name, each in EncoderSettings.registry().items()}


def _formats() -> dict[str, str]:
    from medts.formats import FORMATS

    return {name: f"files ending in {', '.join(each.suffixes)}" for name, each in FORMATS.items()}


def _label_sets() -> dict[str, str]:
    from medts.data.sources import SOURCES

    return {
        each.name: f"{each.kind}: {', '.join(each.classes[:8])}"
        + (f", … {len(each)} in all" if len(each) > 8 else "")
        for source in SOURCES.values()
        for each in source().label_sets
    }


_LISTS: dict[Kind, Callable[[], dict[str, str]]] = {
    "recipes": _recipes,
    "sources": _sources,
    "models": _models,
    "formats": _formats,
    "label-sets": _label_sets,
}
