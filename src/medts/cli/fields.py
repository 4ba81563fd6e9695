"""Flags from a recipe: every field of the chosen one, with its sentence as help."""

from collections.abc import Sequence
from dataclasses import field, make_dataclass
from typing import Annotated, Any, TypeVar

import tyro
from pydantic import BaseModel

from medts.core.errors import ConfigError

_Recipe = TypeVar("_Recipe", bound=BaseModel)


def with_fields_of(kind: type, recipe: BaseModel) -> Any:
    """Returns the dataclass ``kind`` with a recipe's own fields as further flags."""
    fields = Annotated[type(recipe), tyro.conf.arg(name="")]
    made = make_dataclass(
        kind.__name__, [("recipe", fields, field(default=recipe))], bases=(kind,), frozen=True
    )
    made.__doc__ = kind.__doc__
    return tyro.conf.configure(tyro.conf.AvoidSubcommands)(made)


def recipe_name(
    verb: str, arguments: Sequence[str], *, example: str
) -> tuple[str | None, list[str]]:
    """Takes the recipe, which decides the flags, off the arguments; prints help without one.

    Raises:
        ConfigError: If the first argument is a flag.
    """
    if not arguments or list(arguments) in (["-h"], ["--help"]):
        print(
            f"usage: medts {verb} RECIPE --data STORE [STORE ...] [--labels CORPUS/SET] --out RUN"
        )
        print(f"recipes: `medts list recipes` shows them; one is {example}")
        print(f"`medts {verb} RECIPE --help` shows every flag of a recipe")
        return None, []
    if arguments[0].startswith("-"):
        remedy = f"medts {verb} RECIPE --data ..."
        raise ConfigError(f"expected a recipe, got {arguments[0]!r}", remedy=remedy)
    return arguments[0], list(arguments[1:])
