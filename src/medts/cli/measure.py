"""`medts measure FILE|DIR …`: rate, variability, intervals, axis, ST and T of ECGs."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from medts.cli.console import make_console
from medts.cli.flags import Reading, ReadingFlags
from medts.core.errors import MedtsError


@dataclass(frozen=True)
class Measure:
    """Measure ECGs: rate, HRV, PR, QRS, QT and QTc, axis, and ST and T by lead."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """Recordings, or folders to search for them."""

    json: bool = False
    """Print JSON, one object per recording."""

    out: Path | None = None
    """CSV file to write, one row a recording; what could not be measured is left empty."""

    reading: Reading = field(default_factory=ReadingFlags)


def run(arguments: Sequence[str]) -> None:
    """Parses and measures; a file that cannot be measured does not stop the others."""
    asked = tyro.cli(Measure, prog="medts measure", args=arguments)
    if not asked.paths:
        raise MedtsError("no recording given", remedy="medts measure FILE|DIR ...")
    hints, rows, n_failed = asked.reading.hints(), [], 0
    for file in _files(asked.paths):
        try:
            row = _measured(file, hints)
        except MedtsError as error:
            n_failed += 1
            print(f"medts: {error}", file=sys.stderr)
            continue
        rows.append(row)
        if asked.json:
            print(json.dumps(row, ensure_ascii=False))
    if asked.out is not None:
        _write(asked.out, rows)
    if not asked.json:
        _show(rows)
    if n_failed:
        raise MedtsError(f"{n_failed} of {n_failed + len(rows)} recordings could not be measured")


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yields the files given, and below a folder those that are recordings, each once."""
    from medts.formats import find_format

    seen = set()
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            try:
                recording = (find_format(file).key, file.with_suffix(""))
            except (MedtsError, OSError):
                continue
            if recording not in seen:  # a WFDB recording has two files
                seen.add(recording)
                yield file


def _measured(file: Path, hints: dict[str, Any]) -> dict[str, Any]:
    from medts.formats import read
    from medts.signal.measure import measure

    record = read(file, **hints)
    found = measure(record)
    numbers = {
        each.name if each.channel is None else f"{each.channel}.{each.name}": round(each.value, 4)
        for each in found.values()
    }
    return {
        "file": str(file),
        "record_id": record.record_id,
        "is_usable": found.quality.is_usable,
        "warnings": [*found.quality.warnings(), *found.quality.words_not_judged()],
        **numbers,
    }


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    from medts.core.files import write_whole

    columns = list(dict.fromkeys(name for row in rows for name in row))
    with write_whole(path) as target, target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({**row, "warnings": "; ".join(row["warnings"])} for row in rows)
    print(f"{len(rows)} recordings: {path}")


_SHOWN = {
    "rate_bpm": "rate, bpm",
    "rmssd_ms": "RMSSD, ms",
    "pr_ms": "PR, ms",
    "qrs_ms": "QRS, ms",
    "qt_ms": "QT, ms",
    "qtc_fridericia_ms": "QTcF, ms",
    "axis_deg": "axis, °",
}


def _show(rows: list[dict[str, Any]]) -> None:
    """Prints what fits a screen; the rest is in the CSV and in JSON."""
    table = Table("recording")
    for heading in _SHOWN.values():
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in rows:
        numbers = [f"{row[name]:.0f}" if name in row else "–" for name in _SHOWN]
        table.add_row(row["record_id"], *numbers, "; ".join(row["warnings"]))
    make_console().print(table)
