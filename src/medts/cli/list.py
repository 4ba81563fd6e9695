"""`medts list`: recipes, sources, models and so on, those of plugins and broken ones included."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import tyro
from rich.markup import escape
from rich.table import Table

from medts.cli.console import make_console
from medts.core.registry import Plugins

Kind = Literal["recipes", "sources", "models", "objectives", "formats", "protocols", "label-sets"]


@dataclass(frozen=True)
class List:
    """List recipes, sources, models, objectives, formats, protocols or label sets."""

    kind: tyro.conf.Positional[Kind] = "recipes"
    """What to list."""


def run(arguments: Sequence[str]) -> None:
    """Parses and lists."""
    kind = tyro.cli(List, prog="medts list", args=arguments).kind
    if kind == "recipes":
        _show_recipes()
        return
    listing, console = _LISTS[kind](), make_console()
    table = Table(title=kind, title_justify="left", show_header=False)
    for name, sentence in sorted(listing.found.items()):
        row = (name, escape(sentence))
        table.add_row(*row, *((listing.package.get(name, ""),) if listing.package else ()))
    console.print(table)
    _show_broken(listing.broken)


def _show_broken(broken: Mapping[str, str]) -> None:
    for name, reason in sorted(broken.items()):
        make_console().print(f"cannot be used: {name} ({reason})", markup=False)


def _listing(known: Plugins[Any], sentence: Callable[[Any], str]) -> Plugins[str]:
    rows = {name: sentence(each) for name, each in known.found.items() if name not in known.broken}
    return Plugins(rows, known.broken, known.package)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _show_recipes() -> None:
    from medts.recipes import all_recipes, questions

    console, grouped = make_console(), questions()
    width = max(len(name) for recipes in grouped.values() for name in recipes)
    for question, recipes in grouped.items():
        console.print(f"[bold]{escape(question)}[/]")
        for name, make in recipes.items():
            console.print(f"  {name:{width}}  {_first_line(make)}", markup=False)
    console.print("NAME_test is NAME at toy sizes, for tests", markup=False)
    _show_broken(all_recipes().broken)


def _sources() -> Plugins[str]:
    from medts.data.sources import sources

    return _listing(sources(), lambda each: f"{each.card.title} ({each.card.licence})")


def _models() -> Plugins[str]:
    from medts.models.settings.base import EncoderSettings

    return _listing(EncoderSettings.listed(), _first_line)


def _objectives() -> Plugins[str]:
    from medts.objectives.settings.base import ObjectiveSettings

    return _listing(ObjectiveSettings.listed(), _first_line)


def _formats() -> Plugins[str]:
    from medts.formats import formats

    return _listing(
        formats(), lambda each: f"{each.name}: files ending in {', '.join(each.suffixes)}"
    )


def _protocols() -> Plugins[str]:
    from medts.evaluation.protocols.base import Protocol

    return _listing(Protocol.listed(), _first_line)


def _label_sets() -> Plugins[str]:
    from medts.data.sources import sources

    known = sources()
    rows: dict[str, str] = {}
    package: dict[str, str] = {}
    for name, source in known.found.items():
        for each in source().label_sets:
            more = f", … {len(each)} in all" if len(each) > 8 else ""
            rows[each.name] = f"{each.kind}: {', '.join(each.classes[:8])}{more}"
            package |= {each.name: known.package[name]} if name in known.package else {}
    return Plugins(rows, known.broken, package)


_LISTS: dict[Kind, Callable[[], Plugins[str]]] = {
    "sources": _sources,
    "models": _models,
    "objectives": _objectives,
    "formats": _formats,
    "protocols": _protocols,
    "label-sets": _label_sets,
}
