"""Base class of configs: frozen pydantic values whose fields are documented by their sentences.

The sentence under a field is its help text on the command line and its description in the JSON
schema. Misspelt fields are refused; a variant is built anew, so that it is validated again.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from medts.core.errors import ConfigError, unknown_name

NOT_IDENTITY: JsonDict = {"identity": False}
"""``json_schema_extra`` of a field that changes how long, where or how fast, but not which numbers
come out: a run folder may be continued with another value."""

_Config = TypeVar("_Config", bound="Config")


class Config(BaseModel):
    """A frozen, validated value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )

    def but(self: _Config, **changes: Any) -> _Config:
        """Returns this config with some fields replaced, validated again.

        Two underscores reach a field of a part, as in ``training__epochs=20``; all fields of one
        part are replaced together, so that values may depend on each other.

        Raises:
            UnknownNameError: If there is no such field.
            ConfigError: If a part is replaced whole and in pieces, or has no fields.
        """
        whole: dict[str, Any] = {}
        inside: dict[str, dict[str, Any]] = {}
        for path, value in changes.items():
            name, _, rest = path.partition("__")
            if name not in type(self).model_fields:
                raise unknown_name("setting", name, type(self).model_fields)
            if rest:
                inside.setdefault(name, {})[rest] = value
            else:
                whole[name] = value
        if both := sorted(inside.keys() & whole):
            raise ConfigError(f"{both[0]!r} is replaced whole and in pieces", field=both[0])
        for name, pieces in inside.items():
            part = getattr(self, name)
            if not isinstance(part, Config):
                raise ConfigError(f"{part!r} has no settings of its own", field=name)
            whole[name] = part.but(**pieces)
        return type(self)(**{**dict(self), **whole})
