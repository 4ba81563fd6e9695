"""Recipes that are compared, as values or by their names with overrides."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from medts.core.errors import ConfigError
from medts.recipes import find_recipe
from medts.training.recipe import Recipe


def recipe_with_overrides(text: str) -> Recipe:
    """Returns a recipe by its name, with fields set by dotted names behind a colon.

    >>> recipe_with_overrides("xresnet1d_test:training.epochs=5").training.epochs
    5

    Raises:
        UnknownNameError: If there is no such recipe or field.
        ConfigError: If a field is not written as NAME=VALUE, or its value is not valid.
    """
    name, _, overrides = text.partition(":")
    recipe = find_recipe(name)
    for each in filter(None, overrides.split(",")):
        path, equals, value = each.partition("=")
        if not (path and equals):
            raise ConfigError(
                f"{each!r} sets no field",
                field=name,
                remedy="Write RECIPE:FIELD=VALUE[,FIELD=VALUE], such as dlinear:training.epochs=5",
            )
        try:
            recipe = recipe.but(**{path.strip().replace(".", "__"): _value(value)})
        except ValidationError as error:
            problem = "; ".join(each["msg"] for each in error.errors())
            raise ConfigError(f"{value!r}: {problem}", field=f"{name}:{path}") from error
    return recipe.but(name=text)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def chosen_recipes(recipes: Sequence[str | Recipe]) -> list[Recipe]:
    """Returns the recipes of a comparison, whose names must differ.

    Raises:
        ConfigError: If one has no name, two have the same, or one learns without labels.
        UnknownNameError: If there is no such recipe or field.
    """
    found = [recipe_with_overrides(each) if isinstance(each, str) else each for each in recipes]
    names = [each.name for each in found]
    if not found or "" in names or len(set(names)) < len(names):
        raise ConfigError(
            f"recipes are named {', '.join(map(repr, names)) or 'nothing'}",
            field="recipes",
            remedy="Give one or more, each with a name of its own: recipe.but(name=...)",
        )
    for each in found:
        if each.objective.learns_from != "labels":
            raise ConfigError(
                f"objective {each.objective.kind!r} learns without labels: nothing to compare",
                field=each.name,
                remedy="Compare recipes that are trained on labels",
            )
    return found
