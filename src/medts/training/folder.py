"""Run folder: identity of a run, resume or refuse, and provenance of its bundle."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.versions import versions
from medts.data.recordings import Recordings
from medts.data.seen import merge_seen, seen_in
from medts.data.splits import Part, describe
from medts.inference.folder import MANIFEST
from medts.inference.manifest import Provenance
from medts.nn.settings import TextConfig


def claim(out: Path, request: Config, *, data_digest: str) -> Callable[[], None]:
    """Makes sure that a folder holds the same run or none, and returns what writes ``run.json``.

    Nothing is written before that is called, which `medts.training.fit.fit` does when there is
    something to keep: a run that fails at once leaves the folder as it was. Fields marked
    ``identity: False`` (how long, where and how fast) are no part of a run's identity. A folder of
    an earlier version lacks settings that came later; they count as their defaults.

    Raises:
        ConfigError: If it holds another run, whose settings that differ are named, or cannot be
            written.
    """
    path = out / "run.json"
    _check_writable(out)
    wanted = {**request.model_dump(mode="json"), "data_digest": data_digest}
    facts = {"versions": versions(), "started": time.strftime("%Y-%m-%dT%H:%M:%S")}
    if path.is_file():
        found = _completed(_read(path), type(request))
        _check_same(out, found, request, wanted)
        facts = {name: found[name] for name in facts if name in found}
    elif any((out / name).exists() for name in ("checkpoints", "bundle", "model")):
        raise ConfigError(
            "this folder holds a run, but no run.json of it",
            path=out,
            remedy="Give another --out",
        )

    def write() -> None:
        with write_whole(path) as target:
            target.write_text(json.dumps({**wanted, **facts}, indent=1), encoding="utf-8")

    return write


def is_finished(made: Path, request: Config) -> bool:
    """Whether what a run was for is there, and the request is for no longer run than made it.

    Args:
        made: Folder of the bundle, or of the language model with its ``provenance.json``.
        request: The same run as the folder's, after `claim`; it may have another length.
    """
    written = next((p for p in (made / MANIFEST, made / "provenance.json") if p.is_file()), None)
    if written is None:
        return False
    content = _read(written)
    settings = _completed(content.get("provenance", content).get("settings", {}), type(request))
    lengths = _marked(request, "lengthens", is_set=True)
    for names in lengths:
        found, wanted = _at(settings, names), _at(request.model_dump(mode="json"), names)
        if found is not None and (wanted is None or wanted > found):
            return False
    return True


def identity(request: BaseModel, dumped: dict[str, Any]) -> dict[str, Any]:
    """Returns a dump of a request without what is no part of its identity."""
    left_out = set(_marked(request, "identity", is_set=False))

    def kept(values: Any, names: tuple[str, ...]) -> Any:
        if not isinstance(values, dict):
            return values
        return {
            key: kept(value, (*names, key))
            for key, value in values.items()
            if (*names, key) not in left_out
        }

    return kept(dumped, ())


def _marked(
    config: BaseModel, mark: str, *, is_set: bool, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yields the path of every field, however deep, whose schema has a mark."""
    for name, info in type(config).model_fields.items():
        extra, value = info.json_schema_extra, getattr(config, name)
        if isinstance(extra, dict) and extra.get(mark) is is_set:
            yield (*names, name)
        elif isinstance(value, BaseModel):
            yield from _marked(value, mark, is_set=is_set, names=(*names, name))


def _at(values: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _check_same(out: Path, found: dict[str, Any], request: Config, wanted: dict[str, Any]) -> None:
    given = {key: found.get(key) for key in wanted}
    differing = list(_differences(identity(request, given), identity(request, wanted)))
    if differing:
        raise ConfigError(
            f"this folder holds another run: {', '.join(differing[:5])}"
            f"{f' and {len(differing) - 5} more' if len(differing) > 5 else ''} differ",
            path=out,
            remedy="Give another --out, or the same settings to continue that run",
        )


def _check_writable(out: Path) -> None:
    """Makes sure, before hours of training, that the folder can be made and written to."""
    nearest = next(each for each in (out, *out.absolute().parents) if each.exists())
    problem = None
    if not nearest.is_dir():
        problem = "this is a file, not a folder"
    elif not os.access(nearest, os.W_OK | os.X_OK):
        problem = "this folder cannot be written to"
    if problem:
        raise ConfigError(problem, path=nearest, field="out", remedy="Give another --out")


def _read(path: Path) -> dict[str, Any]:
    """Returns the object in a file of JSON.

    Raises:
        ConfigError: If it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # neither UTF-8 nor JSON
        raise ConfigError(
            f"this is no JSON: {error}", path=path, remedy="Give another --out"
        ) from error
    if not isinstance(found, dict):
        raise ConfigError("this is no description of a run", path=path, remedy="Give another --out")
    return found


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    """Yields the dotted names of the settings that differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in dict.fromkeys((*wanted, *found)):
            inner = f"{name}.{key}".removeprefix(".")
            yield from _differences(found.get(key), wanted.get(key), inner)
    elif found != wanted:
        yield name


def _completed(found: dict[str, Any], kind: type[Config]) -> dict[str, Any]:
    """Returns a folder's description of its run, with defaults for settings that it lacks."""
    given = {key: value for key, value in found.items() if key in kind.model_fields}
    try:
        return {**found, **kind.model_validate(given).model_dump(mode="json")}
    except ValidationError:
        return found


def trace(store: Recordings, train: Part, validation: Part, recipe: Config) -> dict[str, Any]:
    """Returns the provenance of the records that trained and chose.

    Whoever a text encoder of the recipe has read the reports of counts as seen too.
    """
    rows = np.concatenate([train.rows, validation.rows])
    cards = {name: store.corpora[name].card for name in sorted(set(store.corpus_of_row[rows]))}
    corpora = {name: f"{card.title}, {card.licence}" for name, card in cards.items()}
    seen = seen_in(store, train.rows, validation.rows)
    for text in text_encoders(recipe):
        path = Path(text.name) / "provenance.json"
        if path.is_file():
            read = Provenance.model_validate_json(path.read_text(encoding="utf-8"))
            seen = merge_seen(seen, read.seen)
            corpora = read.corpora | corpora
    return {
        "splits": {"train": describe(store, train), "validation": describe(store, validation)},
        "seen": seen,
        "versions": versions(),
        "corpora": corpora,
        "synthetic": any(card.synthetic for card in cards.values()),
    }


def text_encoders(config: Any) -> Iterator[TextConfig]:
    """Yields every language model that a config names, however deep."""
    if isinstance(config, TextConfig):
        yield config
    elif isinstance(config, BaseModel):
        for name in type(config).model_fields:
            yield from text_encoders(getattr(config, name))
    elif isinstance(config, Mapping):
        yield from (found for each in config.values() for found in text_encoders(each))
    elif isinstance(config, tuple | list):
        yield from (found for each in config for found in text_encoders(each))
