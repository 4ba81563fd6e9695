"""Recipes: functions that return everything one run needs, found by their own names.

A recipe is a public function without arguments, in a module of this package, that says that it
returns a config with a ``name``; there is no list to edit. Another package adds its own by entry
points of ``medts.recipes``, each of which is such a function or a module full of them.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.registry import Plugins, add_plugins, source_of

_GROUP = "medts.recipes"
_MAYBE_RECIPE = re.compile(r"^def [a-z]\w*\(\) -> ", re.MULTILINE)
"""Modules without a match are not imported: those that carry recipes out import torch."""


@cache
def all_recipes() -> Plugins[Callable[[], Any]]:
    """Returns every recipe by its name, with what other packages add and what is broken."""
    own: dict[str, Callable[[], Any]] = {}
    for found in pkgutil.iter_modules(__path__):
        module = f"{__name__}.{found.name}"
        if not found.ispkg and _MAYBE_RECIPE.search(source_of(module)):
            own |= recipes_of(importlib.import_module(module))
    return add_plugins(_GROUP, own, _added)


def recipes() -> dict[str, Callable[[], Any]]:
    """Returns the functions that make recipes, by their names."""
    return dict(all_recipes().found)


def find_recipe(name: str) -> Any:
    """Returns a recipe by name.

    Raises:
        UnknownNameError: If there is none, or its package is broken; the nearest is suggested.
    """
    return all_recipes().find("recipe", name)()


def is_recipe(thing: object) -> bool:
    """Whether something is a public function without arguments that makes a config with a name."""
    return kind_of(thing) is not None


def kind_of(thing: object) -> type[Config] | None:
    """Returns the class that a recipe function says it makes; None where it is no recipe."""
    if not inspect.isfunction(thing) or thing.__name__.startswith("_"):
        return None
    if inspect.signature(thing).parameters:
        return None
    made = get_type_hints(thing).get("return")
    is_named = isinstance(made, type) and issubclass(made, Config) and "name" in made.model_fields
    return made if is_named else None


def recipes_of(module: ModuleType) -> dict[str, Callable[[], Any]]:
    """Returns the recipes that a module itself defines, by their names."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__ and is_recipe(thing)
    }


def _added(name: str, loaded: Any) -> dict[str, Callable[[], Any]]:
    if isinstance(loaded, ModuleType):
        found = recipes_of(loaded)
    else:
        found: dict[str, Callable[[], Any]] = {loaded.__name__: loaded} if is_recipe(loaded) else {}
    if not found:
        raise ConfigError(f"entry point {name!r} is no recipe, nor a module of recipes")
    return found
