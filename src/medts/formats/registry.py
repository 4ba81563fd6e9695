"""Format detection by content (sniffing, magic bytes) and reading of any recording."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from medts.core.errors import ConfigError, ReadError
from medts.core.records import Record
from medts.core.registry import Plugins, add_plugins, import_all
from medts.formats.base import Format, Hints, head_of


@cache
def formats() -> Plugins[Format]:
    """Returns every format by its key, in the order in which they are tried.

    Ours are the modules of this package with a ``FORMAT``; other packages add theirs by entry
    points of ``medts.formats``.
    """
    own = [m.FORMAT for m in import_all("medts.formats") if hasattr(m, "FORMAT")]
    known = add_plugins("medts.formats", {each.key: each for each in own}, _checked)
    ordered = sorted(known.found.items(), key=lambda item: item[1].order)
    return replace(known, found=dict(ordered))


def _checked(name: str, loaded: Any) -> dict[str, Format]:
    if not isinstance(loaded, Format):
        raise ConfigError(f"entry point {name!r} is no Format of medts.formats")
    return {loaded.key: loaded}


class _Formats(Mapping[str, Format]):
    """`formats`, evaluated on first use, so that importing the package stays quick."""

    def __getitem__(self, key: str) -> Format:
        return formats().found[key]

    def __iter__(self) -> Iterator[str]:
        return iter(formats().found)

    def __len__(self) -> int:
        return len(formats().found)


FORMATS: Mapping[str, Format] = _Formats()
"""Every format by its key, in the order in which they are tried."""


def find_format(path: str | Path) -> Format:
    """Returns the format of a file, detected by its content, never by its name.

    Raises:
        ReadError: If there is no such file, or it is no recording.
    """
    path = Path(path)
    for each in FORMATS.values():
        if each.recognises(path):
            return each
    if path.is_dir():
        raise ReadError("is a folder", path=path, remedy="Name one recording in it")
    if not path.exists():
        raise ReadError("no such file", path=path, remedy="Check the name and the folder")
    if path.stat().st_size == 0:
        raise ReadError("the file is empty", path=path, remedy="Fetch it again")
    named = next((each for each in FORMATS.values() if path.suffix in each.suffixes), None)
    if path.suffix in FORMATS["csv"].suffixes:
        if head_of(path, 2) == b"PK":
            remedy = "Open it in a spreadsheet program and save it as CSV"
            raise ReadError("an Excel workbook or another archive", path=path, remedy=remedy)
        problem = "no row of numbers below a row of names in its first 64 KiB"
        remedy = "Write names with units, such as time_s,I [mV], then one row of numbers per sample"
        raise ReadError(problem, path=path, field="rows", remedy=remedy)
    claim = f"; it is called like {named.name}, but does not begin like it" if named else ""
    known = ", ".join(each.name for each in FORMATS.values())
    remedy = f"Known: {known}. A WFDB signal file needs its .hea beside it"
    raise ReadError(f"not a recording in a known format{claim}", path=path, remedy=remedy)


def read(
    path: str | Path,
    *,
    sampling_rate: float | int | None = None,
    channels: Sequence[str] | None = None,
    unit: str | None = None,
    modality: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Record:
    """Reads a recording of any format into streams in the package's units.

    >>> read("100.hea").streams["ecg"].channels  # doctest: +SKIP
    ('MLII', 'V5')

    Args:
        path: The file; for WFDB also the bare name of the record.
        sampling_rate: Hz (sfreq, fs), for files that lack it.
        channels: The channels to keep, by name; for files that do not name their channels, or
            name two alike, one name for each in the order of the file.
        unit: Unit of those channels that it can measure and whose file names none.
        modality: What every channel measures, where the names mislead or do not show it.
        rename: New names of channels by their old ones; the other hints go by the new ones.

    Raises:
        ReadError: If the file is missing, damaged, unknown, incomplete without the hints, or
            contradicts them.
    """
    names = (channels,) if isinstance(channels, str) else channels
    hints = Hints(
        sampling_rate=None if sampling_rate is None else float(sampling_rate),
        channels=None if names is None else tuple(names),
        unit=unit,
        modality=modality,
        rename=rename,
    )
    path = Path(path)
    try:
        return find_format(path).read(path, hints)
    except OSError as error:
        raise ReadError(error.strerror or str(error), path=error.filename or path) from error
