"""Atomic file writing: a reader never sees half of a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
