"""Exclusive file locks of the operating system (flock, LockFile), released when a process ends.

A lock that is held by a file's mere existence would survive a kill; these do not.
"""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_BYTE = 2**30
"""Windows locks bytes; this one is beyond the text, so that others may read who holds it."""


class LockHeldError(OSError):
    """Another process, or another thread of this one, holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Holds an exclusive lock on ``path``; the file is there while the lock is held.

    Yields False, without a lock, on a file system that knows none.

    Raises:
        LockHeldError: If it is held by another; ``strerror`` says by which process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            is_locked = _lock(handle)
            if is_locked and not _is_at(handle, path):
                continue  # the one before us has just removed it
            if is_locked:
                os.ftruncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            try:
                yield is_locked
            finally:
                with suppress(OSError):  # Windows refuses while another has it open
                    path.unlink()
            return
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    """Locks an open file; returns False where the file system knows no locks."""
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(handle, _BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # pyright: ignore
    except OSError as error:
        if error.errno not in _HELD:
            return False
        os.lseek(handle, 0, os.SEEK_SET)
        holder = os.read(handle, 200).decode("utf-8", "replace").strip()
        raise LockHeldError(error.errno, holder or "another process") from error
    os.lseek(handle, 0, os.SEEK_SET)
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
