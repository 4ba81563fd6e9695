"""Reading any recording: the format is found by content, never by the file's name."""

from collections.abc import Sequence
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.records import Record
from medts.formats import csv, edf, eeglab, npy, wfdb, wfdb_writing
from medts.formats.base import Format, Hints

FORMATS: dict[str, Format] = {
    "wfdb": Format("WFDB", (".hea", ".dat"), wfdb.recognises, wfdb.read, wfdb_writing.write),
    "edf": Format("EDF", (".edf", ".rec"), edf.recognises, edf.read, edf.write),
    "npy": Format("NPY or NPZ", (".npz", ".npy"), npy.recognises, npy.read, npy.write),
    "eeglab": Format("EEGLAB", (".set",), eeglab.recognises, eeglab.read, eeglab.write),
    "csv": Format("CSV", (".csv", ".tsv", ".txt"), csv.recognises, csv.read, csv.write),
}
"""In the order in which they are tried; a WFDB header is text, so CSV comes last."""


def find_format(path: str | Path) -> Format:
    """Returns the format that a file's content speaks.

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
    claim = f"; it is called like {named.name}, but does not begin like it" if named else ""
    known = ", ".join(each.name for each in FORMATS.values())
    raise ReadError(
        f"not a recording in a known format{claim}",
        path=path,
        remedy=f"Known: {known}. A WFDB signal file needs its .hea beside it",
    )


def read(
    path: str | Path,
    *,
    sampling_rate: float | int | None = None,
    channels: Sequence[str] | None = None,
    unit: str | None = None,
    modality: str | None = None,
) -> Record:
    """Reads a recording of any known format into streams in the package's units.

    >>> read("100.hea").streams["ecg"].channels  # doctest: +SKIP
    ('MLII', 'V5')

    Args:
        path: The file; for WFDB also the bare name of the record.
        sampling_rate: Hz, for files that do not say it.
        channels: The channels to keep, by name; for files that do not name their channels, or
            name two alike, one name for each in the order of the file.
        unit: Unit of those channels that it can measure and whose file names none.
        modality: What every channel measures, where the names do not say it or mislead.

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
    )
    path = Path(path)
    return find_format(path).read(path, hints)
