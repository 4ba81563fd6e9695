"""Base class of configs: frozen pydantic values whose fields are documented by their sentences.

The sentence under a field is its help text on the command line and its description in the JSON
schema. Misspelt fields are refused; a variant is built anew, so that it is validated again.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

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
        """Returns this config with some fields replaced, validated again."""
        return type(self)(**{**dict(self), **changes})
