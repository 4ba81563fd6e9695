"""Plugin registries: subclasses register themselves, other packages add theirs by entry points.

Our own classes are found by importing every module of a package, those of other packages by the
entry points of a group. An entry point that cannot be imported, or whose name is taken, is listed
as broken with its reason, and only to use that name is an error.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticCustomError, PydanticUndefined

from medts.core.config import Config
from medts.core.errors import ConfigError, MedtsError, UnknownNameError, unknown_name

_Thing = TypeVar("_Thing")
_Class = TypeVar("_Class")
_Kind = TypeVar("_Kind", bound="Registered")


@dataclass(frozen=True)
class Plugins(Generic[_Thing]):
    """Registered things by name, and the names that cannot be used.

    Args:
        found: What can be used.
        broken: Why something cannot, by its name, beginning with the package that adds it.
        package: Installed package of what is not ours, by its name.
    """

    found: Mapping[str, _Thing]
    broken: Mapping[str, str]
    package: Mapping[str, str]

    def find(self, noun: str, name: str) -> _Thing:
        """Returns one of them.

        Raises:
            UnknownNameError: If there is none of that name, or its package is broken.
        """
        if name in self.broken:
            problem = f"{noun} {name!r} cannot be used ({self.broken[name]})"
            raise UnknownNameError(problem, remedy="Repair or uninstall the package that adds it")
        if name not in self.found:
            raise unknown_name(noun, name, self.found)
        return self.found[name]


@cache
def plugins(group: str) -> Plugins[Any]:
    """Loads the entry points of a group, each on its own; a name claimed twice is broken."""
    found: dict[str, Any] = {}
    broken: dict[str, str] = {}
    claims: dict[str, dict[str, EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda each: (each.name, each.value)):
        claims.setdefault(point.name, {})[point.value] = point
    for name, points in claims.items():
        if len(points) > 1:
            broken[name] = f"{' and '.join(map(_package, points.values()))} both add it"
            continue
        (point,) = points.values()
        try:
            found[name] = point.load()
        except Exception as error:  # whatever a foreign module raises on import
            broken[name] = f"{_package(point)}: {type(error).__name__}: {error}"
    package = {name: _package(next(iter(points.values()))) for name, points in claims.items()}
    return Plugins(found, broken, package)


def add_plugins(
    group: str,
    own: Mapping[str, _Thing],
    members: Callable[[str, Any], Mapping[str, _Thing]] = lambda name, thing: {name: thing},
) -> Plugins[_Thing]:
    """Returns our own things with those of other packages; a name claimed twice is broken.

    Args:
        group: Entry-point group of the others.
        own: Ours, by name.
        members: What the entry point of a name adds; it may add several things.
    """
    foreign = plugins(group)
    found, broken, package = dict(own), dict(foreign.broken), {}
    for point, loaded in foreign.found.items():
        try:
            added = members(point, loaded)
        except MedtsError as error:
            broken[point] = f"{foreign.package[point]}: {error}"
            continue
        for name, thing in added.items():
            if found.setdefault(name, thing) is thing:
                package[name] = foreign.package[point]
            else:
                first = package.get(name, "medts")
                broken[name] = f"{first} and {foreign.package[point]} both add it"
    return Plugins(found, broken, package)


def package_of(thing: type) -> str:
    """Returns the installed distribution that a class comes from, or else its module."""
    module = thing.__module__.partition(".")[0]
    if module == __name__.partition(".")[0]:
        return module  # to list all distributions takes a second, for every bundle that is saved
    return packages_distributions().get(module, [module])[0]


def register(members: dict[str, Any], name: str, made: type, *, noun: str) -> None:
    """Adds a class that was just defined to the members of its registry.

    Raises:
        ConfigError: If another class has that name.
    """
    known = members.get(name)
    if known is not None and _address(known) != _address(made):
        problem = f"two {noun}s are called {name!r}: {_address(known)} and {_address(made)}"
        raise ConfigError(problem, remedy="Give one of the two another name")
    members[name] = made


def registered(members: Mapping[str, type[_Class]], group: str) -> Plugins[type[_Class]]:
    """Returns classes that registered themselves when they were defined, by their name.

    The entry points of the group are loaded, which defines those of other packages.
    """
    foreign = plugins(group)
    modules = {name: each.__module__.partition(".")[0] for name, each in members.items()}
    package = {
        name: foreign.package.get(name, module)
        for name, module in modules.items()
        if module != "medts"
    }
    return Plugins(dict(sorted(members.items())), foreign.broken, package)


class Registered(Config):
    """Config that its subclasses extend with a ``kind`` of their own, by which they are found.

    A direct subclass opens a registry; every subclass with a default for ``kind`` is in it as soon
    as it is defined.
    """

    kind: Any  # a str; declared wider, so that members may narrow it to a literal
    """Discriminator among the members of one registry."""

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
        if Registered in cls.__bases__:
            cls._members = {}
        if kind is PydanticUndefined:
            return
        register(cls._members, kind, cls, noun=cls.noun)

    @classmethod
    def listed(cls: type[_Kind]) -> Plugins[type[_Kind]]:
        """Returns every member by its kind, with what other packages add and what is broken."""
        import_all(cls.home)
        return registered(cls._members, cls.group)  # pyright: ignore[reportReturnType]

    @classmethod
    def registry(cls: type[_Kind]) -> dict[str, type[_Kind]]:
        """Returns every member by its kind, those of other packages included."""
        return dict(cls.listed().found)

    @classmethod
    def find(cls: type[_Kind], kind: str) -> type[_Kind]:
        """Returns a member by its kind.

        Raises:
            UnknownNameError: If there is none, or its package is broken; the nearest is suggested.
        """
        return cls.listed().find(cls.noun, kind)


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


@cache
def import_all(package: str) -> tuple[ModuleType, ...]:
    """Imports every module directly in a package and returns them."""
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    return tuple(importlib.import_module(f"{package}.{each.name}") for each in modules)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def _address(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
