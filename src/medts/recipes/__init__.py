"""Recipes: functions that return everything one run needs. A new one adds one line here."""

from collections.abc import Callable

from medts.core.errors import unknown_name
from medts.recipes.base import Recipe
from medts.recipes.xresnet1d import xresnet1d, xresnet1d101, xresnet1d_small, xresnet1d_test

RECIPES: dict[str, Callable[[], Recipe]] = {
    "xresnet1d": xresnet1d,
    "xresnet1d101": xresnet1d101,
    "xresnet1d_small": xresnet1d_small,
    "xresnet1d_test": xresnet1d_test,
}


def find_recipe(name: str) -> Recipe:
    """Returns a recipe by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
