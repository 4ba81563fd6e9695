"""The base of every config: a frozen value whose fields are documented by their sentences.

The sentence under a field is its help text on the command line and its description in the JSON
schema. Misspelt fields are refused; a variant is built anew, so that it is validated again.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from medts.core.errors import ConfigError

NOT_IDENTITY: JsonDict = {"identity": False}
"""``json_schema_extra`` of a field that says how long, where or how fast, but not which numbers
come out: a run folder may be continued with another value."""

_Config = TypeVar("_Config", bound="Config")


class Config(BaseModel):
    """A frozen, validated value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    def but(self: _Config, **changes: Any) -> _Config:
        """Returns this config with some fields replaced, validated again.

        A double underscore reaches into a nested config: ``but(training__epochs=20)``.

        Raises:
            ConfigError: If a path goes through a field that holds no config.
        """
        whole = {name: value for name, value in changes.items() if "__" not in name}
        nested: dict[str, dict[str, Any]] = {}
        for path, value in changes.items():
            name, inside, rest = path.partition("__")
            if inside:
                nested.setdefault(name, {})[rest] = value
        for name, within in nested.items():
            held = whole.get(name, getattr(self, name, None))
            if not isinstance(held, Config):
                raise ConfigError(f"{name} holds no settings of its own", field=name)
            whole[name] = held.but(**within)
        return type(self)(**{**dict(self), **whole})
