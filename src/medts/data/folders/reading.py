"""Reading a file of a folder with hints where it is silent; remedies name flags."""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from medts.core.channels import canonical_channel
from medts.core.errors import MedtsError, ReadError
from medts.core.records import Record
from medts.data.folders.settings import READING, flag_of
from medts.data.sources.reading import read_file

_KEYWORD = re.compile(rf"\b({'|'.join(READING)})=(?: \(--[\w-]+\)| (\()--[\w-]+; )?")
"""A keyword of `medts.read`, and the flag that some remedies put into brackets after it."""

Hints = tuple[tuple[str, Any], ...]
"""Reading hints that can be compared and pickled."""


def read_with(file: Path, hints: Hints) -> Record:
    """Reads a file with hints where it is silent; what it says itself counts.

    Of renamed channels those count that the file has.

    Raises:
        ReadError: If it cannot be read; the remedy names flags.
    """
    given = {name: dict(value) if name == "rename" else value for name, value in hints}
    try:
        return read_file(file, **given)
    except MedtsError as error:
        with suppress(MedtsError):  # the first error tells more
            return _read_weaker(file, given, error)
        remedy = _KEYWORD.sub(_flag, error.remedy or "") or None
        path = error.path or file
        raise ReadError(error.problem, path=path, field=error.field, remedy=remedy) from error


def _flag(found: re.Match[str]) -> str:
    return flag_of(found[1]) + (f" {found[2]}" if found[2] else "")


def _read_weaker(file: Path, hints: dict[str, Any], error: MedtsError) -> Record:
    """Reads a file without the hints that it contradicts or has no channel for.

    Raises:
        MedtsError: If that is no help either.
    """
    if error.field == "rename":
        plain = read_file(file, **_without(hints, "rename", "channels"))
        found = {name for stream in plain.streams.values() for name in stream.channels}
        renamed = {k: v for k, v in hints["rename"].items() if canonical_channel(k) in found}
        return read_file(file, **{**hints, "rename": renamed})
    silent = _without(hints, "unit", "sampling_rate")
    if silent == hints:
        raise error
    return read_file(file, **silent)


def _without(hints: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in hints.items() if name not in names}


def frozen(hints: Mapping[str, Any]) -> Hints:
    """Returns reading hints as a value that can be compared and pickled."""
    given = {name: value for name, value in hints.items() if value is not None}
    return tuple((name, _frozen(value)) for name, value in given.items())


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(value.items())
    return tuple(value) if isinstance(value, list) else value
