"""Recipes by name: every public function here that is annotated to return a `Recipe` is one.

The modules of this package are scanned, so a new recipe needs no line in a list; the first line of
a module is the question that its recipes are for. Another package adds its own by entry points of
``medts.recipes``: such a function, or a module full of them.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from medts.core.errors import ConfigError
from medts.core.registry import Plugins, add_plugins
from medts.recipes.tiny import SUFFIX, tiny
from medts.training.recipe import Recipe

_GROUP = "medts.recipes"


@cache
def all_recipes() -> Plugins[Callable[[], Recipe]]:
    """Returns every recipe by its name, with what other packages add and what is broken."""
    own: dict[str, Callable[[], Recipe]] = {}
    for found in pkgutil.iter_modules(__path__):
        own |= recipes_of(importlib.import_module(f"{__name__}.{found.name}"))
    return add_plugins(_GROUP, own, _added)


def recipes() -> dict[str, Callable[[], Recipe]]:
    """Returns the functions that make recipes, by their names."""
    return dict(all_recipes().found)


def find_recipe(name: str) -> Recipe:
    """Returns a recipe by the name of its function; ``NAME_test`` is the tiny twin of ``NAME``.

    Raises:
        UnknownNameError: If there is none, or its package is broken; the nearest is suggested.
    """
    known = all_recipes()
    base = name.removesuffix(SUFFIX)
    if name not in known.found and base in known.found:
        return tiny(known.find("recipe", base)()).but(name=name)
    return known.find("recipe", name)().but(name=name)


def questions() -> dict[str, dict[str, Callable[[], Recipe]]]:
    """Returns the recipes by the first line of their module, those of other packages by package."""
    known = all_recipes()
    found: dict[str, dict[str, Callable[[], Recipe]]] = {}
    for name, make in known.found.items():
        module = inspect.getdoc(inspect.getmodule(make)) or ""
        heading = module.partition("\n")[0].rstrip(".")
        if name in known.package:
            heading = f"From package {known.package[name]}"
        found.setdefault(heading, {})[name] = make
    return {heading: dict(sorted(found[heading].items())) for heading in sorted(found)}


def is_recipe(thing: object) -> bool:
    """Whether something is a public function without arguments that returns a `Recipe`."""
    return (
        inspect.isfunction(thing)
        and not thing.__name__.startswith("_")
        and thing.__annotations__ == {"return": Recipe}
    )


def recipes_of(module: ModuleType) -> dict[str, Callable[[], Recipe]]:
    """Returns the recipes that a module itself defines, by their names."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and is_recipe(thing)
    }


def _added(name: str, loaded: Any) -> dict[str, Callable[[], Recipe]]:
    if isinstance(loaded, ModuleType):
        found = recipes_of(loaded)
    else:
        found: dict[str, Callable[[], Recipe]] = (
            {loaded.__name__: loaded} if is_recipe(loaded) else {}
        )
    if not found:
        raise ConfigError(f"entry point {name!r} is no recipe, nor a module of recipes")
    return found
