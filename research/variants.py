"""Variants: a recipe with overrides, or one that reads the streams and windows of another.

An ablation is a base recipe and the settings it differs in, written as on the command line:
``{"encoder.attention": "full"}``.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from medts.core.config import Config
from medts.core.errors import ConfigError, unknown_name
from medts.models.settings.base import EncoderSettings
from medts.recipes import find_recipe
from medts.training.recipe import Recipe

_Config = TypeVar("_Config", bound=Config)


def find_variant(name: str, overrides: Mapping[str, Any], reads: str = "") -> Recipe:
    """Returns a recipe by name with some settings replaced, on the streams of ``reads`` if given.

    Raises:
        UnknownNameError: If there is no such recipe or setting.
        ConfigError: If a value is not valid.
    """
    recipe = override(find_recipe(name), overrides)
    return reading(recipe, find_recipe(reads)) if reads else recipe


def override(config: _Config, overrides: Mapping[str, Any]) -> _Config:
    """Returns a config in which the settings at dotted paths are replaced, validated again.

    All paths of one part are replaced together, so that values may depend on each other.

    >>> from medts.training.settings import Training
    >>> override(Training(), {"epochs": 3}).epochs
    3

    Raises:
        UnknownNameError: If a path leads nowhere.
        ConfigError: If a value is not valid, or a part is replaced whole and in pieces.
    """
    changes: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for path, value in overrides.items():
        name, _, rest = path.partition(".")
        if name not in type(config).model_fields:
            raise unknown_name("setting", path, type(config).model_fields)
        if rest:
            inside.setdefault(name, {})[rest] = value
        else:
            changes[name] = value
    if both := sorted(inside.keys() & changes):
        raise ConfigError(f"{both[0]!r} is replaced whole and in pieces", field=both[0])
    for name, deeper in inside.items():
        part = getattr(config, name)
        if not isinstance(part, Config):
            raise ConfigError(f"{part!r} has no settings of its own", field=name)
        changes[name] = override(part, deeper)
    try:
        return config.but(**changes)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        problem = "; ".join(each["msg"] for each in error.errors())
        raise ConfigError(problem, field=fields or ", ".join(overrides)) from error


def reading(recipe: Recipe, other: Recipe) -> Recipe:
    """Returns ``recipe`` on what ``other`` reads, so that the two can be compared.

    Encoder, objective and training stay; preprocessing, windows and channels are the other's.

    Raises:
        ConfigError: If the encoder reads one stream and the other recipe has several.
    """
    return recipe.but(
        encoder=reads_like(recipe.encoder, other),
        preprocessing=other.preprocessing,
        windowing=other.windowing,
    )


def reads_like(encoder: EncoderSettings, other: Recipe) -> EncoderSettings:
    """Returns an encoder's config with the streams, channels and window of a recipe's encoder.

    Raises:
        ConfigError: If the encoder reads one stream and the recipe has several.
    """
    streams, fields = other.encoder.inputs(), type(encoder).model_fields
    changes: dict[str, object] = {}
    if "streams" in fields:
        changes["streams"] = streams
    else:
        if len(streams) > 1:
            raise ConfigError(
                f"{encoder.kind} reads one stream, and {other.name} has {', '.join(streams)}",
                field="reads",
                remedy="Compare encoders that read several streams",
            )
        ((name, stream),) = streams.items()
        changes |= {"stream": name, "channels": stream.channels}
        if "window" in fields:
            # such encoders are built for one length of window
            spec = other.preprocessing.streams[name]
            changes["window"] = round(other.windowing.window_s * spec.sampling_rate)
    return encoder.but(**changes)
