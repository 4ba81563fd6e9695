"""Recipes by name: every public function here that returns a `Recipe` is one.

The modules of this package are scanned, so a new recipe needs no line in a list. Other packages add
theirs by entry points of the group ``medts.recipes``: a function, or a module full of them.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from types import ModuleType

from medts.core.registry import add_plugins, not_found, plugins
from medts.training.recipe import Recipe

GROUP = "medts.recipes"
"""Entry-point group of other packages' recipes."""


def find_recipe(name: str) -> Recipe:
    """Returns a recipe by the name of its function.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    known = recipes()
    if name not in known:
        raise not_found("recipe", name, known, GROUP)
    return known[name]().but(name=name)


@cache
def recipes() -> dict[str, Callable[[], Recipe]]:
    """Returns every recipe's function by its name, those of other packages included."""
    own: dict[str, Callable[[], Recipe]] = {}
    for found in pkgutil.iter_modules(__path__):
        own |= recipes_of(importlib.import_module(f"{__name__}.{found.name}"))
    foreign: dict[str, Callable[[], Recipe]] = {}
    for name, added in plugins(GROUP).found.items():
        foreign |= recipes_of(added) if isinstance(added, ModuleType) else {name: added}
    add_plugins(GROUP, own)
    return dict(sorted({**foreign, **own}.items()))


def recipes_of(module: ModuleType) -> dict[str, Callable[[], Recipe]]:
    """Returns the recipes that a module defines: public functions without arguments."""
    return {
        name: each
        for name, each in inspect.getmembers(module, inspect.isfunction)
        if each.__module__ == module.__name__
        and not name.startswith("_")
        and each.__annotations__ == {"return": Recipe}
    }
