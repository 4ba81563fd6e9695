"""Atomic file writing: a reader never sees half of a file. Text of tables with its encoding."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medts.core.errors import ReadError


def read_table_text(path: Path) -> str:
    """Reads a text table in UTF-8 or UTF-16, with or without a byte order mark (BOM).

    Raises:
        ReadError: If it is in another encoding, which nothing in a file names.
    """
    data = path.read_bytes()
    try:
        is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        problem = f"not in UTF-8: byte {data[error.start]:#04x}"
        remedy = "Save it again as CSV in UTF-8"
        raise ReadError(problem, path=path, field=f"row {row}", remedy=remedy) from error


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Atomic write: yields a temporary path that replaces ``path`` once it is fully written.

    If the body raises, ``path`` stays as it was. An `OSError`, such as that of a full disk, names
    ``path``.

    >>> with write_whole("metrics.json") as target:  # doctest: +SKIP
    ...     target.write_text("{}")
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(final)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(final)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
