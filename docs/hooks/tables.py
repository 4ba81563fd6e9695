"""Puts tables into pages that state `<!-- rooms -->` or `<!-- recipes: PREFIX ... -->`."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_ROOMS = re.compile(r"<!-- rooms -->")
_RECIPES = re.compile(r"<!-- recipes: (.*?) -->")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills the places of a page."""
    markdown = _ROOMS.sub(lambda _: "\n".join(rooms()), markdown)
    return _RECIPES.sub(lambda each: "\n".join(recipes(*each[1].split())), markdown)


def floors() -> list[list[str]]:
    """Returns the rooms of every floor, top first, as the import contract has them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    return [layer.split(" | ") for layer in layers]


def rooms() -> Iterator[str]:
    """Lists the rooms as rows: floor, what lives there, files and lines as they are now."""
    yield from ("| floor | room | what lives there | files | lines |", "|--:|---|---|--:|--:|")
    stack = floors()
    for number, floor in zip(range(len(stack), 0, -1), stack, strict=True):
        for room in floor:
            path = ROOT / "src" / "medts" / room
            files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
            first = path / "__init__.py" if path.is_dir() else files[0]
            texts = [each.read_text(encoding="utf-8") for each in files]
            about = (ast.get_docstring(ast.parse(first.read_text("utf-8"))) or "").split("\n")[0]
            lines = sum(len(text.splitlines()) for text in texts)
            name = f"[`{room}`](api/{room}.md)" if path.is_dir() else f"`{room}`"
            yield f"| {number} | {name} | {about} | {len(files)} | {lines:,} |"


def recipes(*prefixes: str) -> Iterator[str]:
    """Lists the recipes whose names begin so, with the first line of each docstring."""
    from medts.recipes import all_recipes

    yield from ("| recipe | what it is |", "|---|---|")
    for name, recipe in sorted(all_recipes().found.items()):
        if name.startswith(prefixes) and "_test" not in name:
            yield f"| `{name}` | {(recipe.__doc__ or '').strip().partition(chr(10))[0]} |"
