"""What every run does alike: its folder belongs to it, and its bundle says whom it has seen."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.versions import versions
from medts.data.splits import Part, describe, subject_tokens
from medts.data.store import Store


def claim(out: Path, asked: dict[str, Any]) -> None:
    """Writes what the run is to do, or makes sure that the folder holds the same run.

    Raises:
        ConfigError: If it holds another one; the settings that differ are named.
    """
    path = out / "run.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key in asked if found.get(key) != asked[key]]
        if differing:
            raise ConfigError(
                f"this folder holds another run: {', '.join(differing)} differ",
                path=out,
                remedy="Give another --out, or the same settings to continue that run",
            )
        return
    facts = {"versions": versions(), "started": time.strftime("%Y-%m-%dT%H:%M:%S")}
    with write_whole(path) as target:
        target.write_text(json.dumps({**asked, **facts}, indent=1))


def trace(store: Store, train: Part, validation: Part) -> dict[str, Any]:
    """Returns what a `Provenance` says of the records that trained and chose."""
    rows = np.concatenate([train.rows, validation.rows])
    cards = {name: store.corpora[name].card for name in sorted(set(store.corpus_of_row[rows]))}
    return {
        "splits": {"train": describe(store, train), "validation": describe(store, validation)},
        "seen_subjects": tuple(subject_tokens(store.subject_ids[rows])),
        "versions": versions(),
        "corpora": {name: f"{card.title}, {card.licence}" for name, card in cards.items()},
        "synthetic": any(card.synthetic for card in cards.values()),
    }
