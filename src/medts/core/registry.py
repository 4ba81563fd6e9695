"""Registries that stay open: a subclass registers itself, another package adds one by entry point.

Our own classes are found by importing every module of a package, those of other packages by the
entry points of a group; there is no list to edit. An entry point that cannot be imported never
takes the others along: it is kept with its reason, and naming it raises that reason.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError, PydanticUndefined

from medts.core.config import Config
from medts.core.errors import ConfigError, UnknownNameError, unknown_name

_Kind = TypeVar("_Kind", bound="Registered")


@dataclass(frozen=True)
class Plugins:
    """What other packages add to one group.

    Args:
        found: What each entry point loads, by its name.
        broken: Why an entry point could not be loaded, by its name.
    """

    found: Mapping[str, Any]
    broken: Mapping[str, str]


@cache
def plugins(group: str) -> Plugins:
    """Loads the entry points of a group, each on its own.

    Raises:
        ConfigError: If two packages give one name different things.
    """
    found: dict[str, Any] = {}
    broken: dict[str, str] = {}
    origin: dict[str, EntryPoint] = {}
    for each in sorted(entry_points(group=group), key=lambda point: (point.name, point.value)):
        first = origin.setdefault(each.name, each)
        if first.value != each.value:
            raise ConfigError(
                f"{_package(first)} and {_package(each)} both add {each.name!r} to {group}",
                field=group,
                remedy="Uninstall one of the two packages",
            )
        try:
            found[each.name] = each.load()
        except Exception as error:  # whatever a foreign module raises on import
            broken[each.name] = f"{_package(each)}: {type(error).__name__}: {error}"
    return Plugins(found, broken)


def add_plugins(group: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Returns our own things with those of other packages.

    Raises:
        ConfigError: If another package takes one of our names.
    """
    added = plugins(group).found
    if taken := sorted(own.keys() & added.keys()):
        raise ConfigError(
            f"another package adds {taken[0]!r} to {group}, which is a name of medts",
            field=group,
            remedy="Rename its entry point",
        )
    return {**own, **added}


def not_found(noun: str, name: str, known: Mapping[str, Any], group: str) -> UnknownNameError:
    """Builds the error for a name that a registry lacks: misspelt, or of a broken package."""
    reason = plugins(group).broken.get(name)
    if reason is None:
        return unknown_name(noun, name, known)
    return UnknownNameError(
        f"{noun} {name!r} cannot be imported ({reason})",
        remedy="Repair or reinstall the package that adds it",
    )


def package_of(thing: object) -> str:
    """Returns the installed distribution that a class or function comes from, or its module."""
    module = getattr(thing, "__module__", "").partition(".")[0]
    return packages_distributions().get(module, [module])[0]


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


class Registered(Config):
    """Config that its subclasses extend with a ``kind`` of their own, by which they are found.

    A direct subclass without a default for ``kind`` opens a registry; every subclass with one is
    in it as soon as it is defined.
    """

    kind: Any  # a str; declared wider, so that members may narrow it to a literal
    """Tells the members of one registry apart."""

    noun: ClassVar[str] = ""
    """What one member is called in errors."""

    home: ClassVar[str] = ""
    """Package whose modules define our own members."""

    group: ClassVar[str] = ""
    """Entry-point group of other packages' members."""

    _members: ClassVar[dict[str, type["Registered"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Registers a subclass under its kind.

        Raises:
            ConfigError: If another class has that kind.
        """
        kind = cls.model_fields["kind"].default
        if kind is PydanticUndefined:
            cls._members = {}
            return
        known = cls._members.get(kind)
        if known is not None and _address(known) != _address(cls):
            raise ConfigError(
                f"two {cls.noun}s are called {kind!r}: {_address(known)} and {_address(cls)}",
                field="kind",
                remedy="Give one of the two another kind",
            )
        cls._members[kind] = cls

    @classmethod
    def registry(cls: type[_Kind]) -> dict[str, type[_Kind]]:
        """Returns every member by its kind, those of other packages included."""
        _import_all(cls.home)
        plugins(cls.group)
        return dict(sorted(cls._members.items()))  # pyright: ignore[reportReturnType]

    @classmethod
    def find(cls: type[_Kind], kind: str) -> type[_Kind]:
        """Returns a member by its kind.

        Raises:
            UnknownNameError: If there is none; the nearest is suggested.
        """
        known = cls.registry()
        if kind not in known:
            raise not_found(cls.noun, kind, known, cls.group)
        return known[kind]


def by_kind(base: type[Registered]) -> Callable[[Any], Any]:
    """Returns a validator that builds the member of a registry which a mapping's kind names."""

    def parsed(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        try:
            return base.find(str(value.get("kind"))).model_validate(dict(value))
        except ValidationError as error:
            raise PydanticCustomError("settings", "{reason}", {"reason": in_words(error)}) from None
        except UnknownNameError as error:
            raise PydanticCustomError("kind", "{reason}", {"reason": str(error)}) from None

    return parsed


def in_words(error: ValidationError) -> str:
    """Names each field of a config that is wrong, with the value that was given."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']} (given {each['input']!r})"
        for each in error.errors()
    )


def _address(kind: type[BaseModel]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@cache
def _import_all(package: str) -> None:
    for found in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{found.name}")
