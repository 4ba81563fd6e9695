"""What every run does alike: its folder belongs to it, and its bundle says whom it has seen."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from medts.core.config import Config
from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.versions import versions
from medts.data.seen import merge_seen, seen_in
from medts.data.splits import Part, describe
from medts.data.store import Store
from medts.inference.manifest import Provenance
from medts.nn.settings import TextConfig


def claim(out: Path, request: Config, *, data_digest: str) -> None:
    """Writes what the run is to do, or makes sure that the folder holds the same run.

    A folder of an earlier version lacks settings that came later; they count as their defaults.

    Raises:
        ConfigError: If it holds another one; the settings that differ are named.
    """
    path = out / "run.json"
    asked = {**request.model_dump(mode="json"), "data_digest": data_digest}
    if path.is_file():
        found = _completed(json.loads(path.read_text(encoding="utf-8")), type(request))
        differing = list(_differences({key: found.get(key) for key in asked}, asked))
        if differing:
            raise ConfigError(
                f"this folder holds another run: {', '.join(differing[:5])}"
                f"{f' and {len(differing) - 5} more' if len(differing) > 5 else ''} differ",
                path=out,
                remedy="Give another --out, or the same settings to continue that run",
            )
        return
    facts = {"versions": versions(), "started": time.strftime("%Y-%m-%dT%H:%M:%S")}
    with write_whole(path) as target:
        target.write_text(json.dumps({**asked, **facts}, indent=1))


def _differences(found: Any, asked: Any, name: str = "") -> Iterator[str]:
    """Yields the dotted names of the settings that differ."""
    if isinstance(found, dict) and isinstance(asked, dict):
        for key in dict.fromkeys((*asked, *found)):
            inner = f"{name}.{key}".removeprefix(".")
            yield from _differences(found.get(key), asked.get(key), inner)
    elif found != asked:
        yield name


def _completed(found: dict[str, Any], kind: type[Config]) -> dict[str, Any]:
    """Returns what a folder says of its run, with defaults for settings it does not know."""
    known = {key: value for key, value in found.items() if key in kind.model_fields}
    try:
        return {**found, **kind.model_validate(known).model_dump(mode="json")}
    except ValidationError:
        return found


def trace(store: Store, train: Part, validation: Part, recipe: Config) -> dict[str, Any]:
    """Returns what a `Provenance` says of the records that trained and chose.

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
