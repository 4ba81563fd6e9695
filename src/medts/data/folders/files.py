"""Recordings below a folder, and the file that a cell of a label table means.

A recording is a file that a format recognises; of a WFDB record it is the header. A name in a
table may lack its suffix or folders, or hold further folders; what fits two files is refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from medts.core.errors import ReadError
from medts.data.folders.settings import FILE_NAME

_NO_RECORDINGS = (
    *(".md", ".txt", ".pdf", ".html", ".json", ".yaml", ".yml", ".toml", ".ini", ".log", ".py"),
    *(".png", ".jpg", ".jpeg", ".svg", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".parquet"),
)
"""Suffixes of files that stand beside recordings; not recognised, they are passed over."""


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Args:
        folder: The folder.
        files: Recordings by their path below it, those included that no format recognises.
        format_of: Name of the format of each; empty where none recognises it.
    """

    folder: Path
    files: Mapping[str, Path]
    format_of: Mapping[str, str]

    def find(self, cell: str) -> list[str]:
        """Returns the recordings that a cell can mean: one, none, or several.

        >>> files = {"a/1.edf": Path("a/1.edf"), "b/1.edf": Path("b/1.edf")}
        >>> Listing(Path(), files, {}).find("a/1")
        ['a/1.edf']
        """
        *parents, name = _parts(cell) or [""]
        fits = [
            path
            for path in self._by_name.get(name, ())
            if _is_tail(_parts(path)[:-1], parents) or _is_tail(parents, _parts(path)[:-1])
        ]
        exact = [path for path in fits if _parts(path)[:-1] == parents]
        return exact or fits

    def doubled(self) -> list[list[str]]:
        """Returns recordings that have the same name but for their suffix."""
        return [paths for paths in self._by_id.values() if len(paths) > 1]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Recordings by the names that a table may call them."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            name = _parts(path)[-1]
            stem = name.removesuffix(PurePosixPath(name).suffix)
            own = {name, stem}
            if self.format_of.get(path) == "WFDB":
                own |= {f"{stem}.dat", f"{stem}.mat"}
            for each in own:
                found.setdefault(each, []).append(path)
        return found

    @cached_property
    def _by_id(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.files:
            found.setdefault(id_of(path), []).append(path)
        return found


def id_of(path: str) -> str:
    """Returns the record id of a file: its path below the folder, without the suffix.

    >>> id_of("ward/0001.edf")
    'ward/0001'
    """
    return path.removesuffix(PurePosixPath(path).suffix)


def list_files(folder: Path, pattern: str = "**/*", *, labels: Path | None = None) -> Listing:
    """Finds the recordings below a folder.

    Args:
        folder: Where they are.
        pattern: Which files count.
        labels: The table of labels, which is no recording.

    Raises:
        ReadError: If there is no such folder, or it has no such file.
    """
    from medts.formats import FORMATS, find_format

    if not folder.is_dir():
        raise ReadError("no such folder", path=folder, remedy="Check the name")
    if Path(pattern).is_absolute():
        remedy = "Write it from the folder on, such as *.edf"
        raise ReadError(f"{pattern!r} begins above the folder", field="--pattern", remedy=remedy)
    files: dict[str, Path] = {}
    format_of: dict[str, str] = {}
    strangers: dict[str, Path] = {}
    held, segments = set[str](), set[Path]()
    for path in _walk(folder, pattern):
        if labels is not None and path.samefile(labels):
            continue
        name = path.relative_to(folder).as_posix()
        try:
            found = find_format(path)
        except ReadError:
            if path.suffix and path.suffix.lower() not in _NO_RECORDINGS:
                strangers[name] = path
            continue
        if found.key == "csv" and not path.suffix:
            continue  # such as the list RECORDS
        if found.key == "wfdb":
            held.add(id_of(name))
            if path.suffix != ".hea":
                continue
            segments |= _segments(path)
        files[name], format_of[name] = path, found.name
    for name in [name for name, path in files.items() if path in segments]:
        del files[name], format_of[name]
    beside = held | {id_of(name) for name in files}
    for name, path in strangers.items():
        if id_of(name) not in beside:  # files of one name are one recording in several files
            beside.add(id_of(name))
            files[name], format_of[name] = path, ""
    if not files:
        problem = f"holds no recording {pattern}" if pattern != "**/*" else "holds no recording"
        remedy = f"Known formats: {', '.join(each.name for each in FORMATS.values())}"
        raise ReadError(problem, path=folder, remedy=remedy)
    return Listing(folder, dict(sorted(files.items())), format_of)


def _walk(folder: Path, pattern: str) -> Iterator[Path]:
    """Yields files in a stable order, hidden ones and those of stores left out."""
    stores: dict[Path, bool] = {}
    for path in sorted(folder.rglob(pattern.removeprefix("**/"))):
        inner = path.relative_to(folder)
        if any(part.startswith(".") for part in inner.parts) or path.name == FILE_NAME:
            continue
        if path.is_file() and not any(_is_store(folder / up, stores) for up in inner.parents):
            yield path


def _is_store(folder: Path, known: dict[Path, bool]) -> bool:
    if folder not in known:
        known[folder] = folder.suffix == ".partial" or (folder / "corpus.json").is_file()
    return known[folder]


def _segments(header: Path) -> set[Path]:
    """Returns the headers of the pieces of a multi-segment WFDB record."""
    from medts.formats.wfdb_header import load

    text = load(header)
    if text is None or not text.is_multi_segment:
        return set()
    return {header.with_name(f"{line.split()[0]}.hea") for line in text.lines[1:] if line.split()}


def _parts(name: str) -> list[str]:
    parts = name.replace("\\", "/").casefold().split("/")
    return [part for part in parts if part not in ("", ".", "..")]


def _is_tail(short: list[str], long: list[str]) -> bool:
    return len(short) <= len(long) and long[len(long) - len(short) :] == short
