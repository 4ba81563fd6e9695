"""A run's folder belongs to one run: what it was asked for is written before it starts."""

import json
import time
from pathlib import Path
from typing import Any

from medts.core.errors import ConfigError
from medts.core.files import write_whole
from medts.core.versions import versions


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
