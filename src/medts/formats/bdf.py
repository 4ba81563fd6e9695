"""BDF and BDF+: BioSemi's EDF with 24-bit integers; reading is that of EDF."""

from pathlib import Path

from medts.formats.base import Format
from medts.formats.edf_reading import read


def recognises(path: Path) -> bool:
    """Whether the file begins like a BDF header."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"\xffBIOSEMI"


FORMAT = Format("bdf", "BDF", (".bdf",), recognises, read, order=20)
