"""Shows what `medts.data.folders.inspection` found in a folder, and the command to ingest it."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from medts.core.progress import progress


def show_folder(folder: Path, hints: dict[str, Any], console: Console) -> None:
    """Prints formats, channels, rates, durations, what would be quarantined, and a command."""
    from medts.data.folders.inspection import inspect

    bar = f"reading {folder.name}"
    found = inspect(folder, hints, progress=lambda names, total: progress(names, total, bar))
    table = Table("format", "files", "modality", "Hz", "unit", "seconds", "channels")
    for kind, durations in found.durations_s.items():
        first, last = min(durations.values()), max(durations.values())
        span = f"{first:.4g}" if first == last else f"{first:.4g} to {last:.4g}"
        for number, (modality, rate, unit, channels) in enumerate(kind.streams):
            own = (kind.format, str(len(durations))) if number == 0 else ("", "")
            table.add_row(*own, modality, f"{rate:g}", unit, span, ", ".join(channels))
    if found.durations_s:
        console.print(table)
    for reason, names in found.refused.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        console.print(f"quarantined: {names[0]}{more}: {reason}", markup=False, soft_wrap=True)
    if found.table is not None:
        console.print(f"{found.table.path} names {found.n_named} of the files", soft_wrap=True)
    for line in found.hints:
        console.print(line, markup=False, soft_wrap=True)
    console.print("to ingest it:")
    console.print(f"  {found.command}", markup=False, soft_wrap=True, highlight=False)
