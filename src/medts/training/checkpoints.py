"""Checkpoints of a run: ``last.ckpt`` to resume from, ``best.ckpt`` to keep.

Both hold the whole state as plain tensors and values, and name no path: a run folder may be moved.
A folder belongs to one process at a time, and to nobody before there is something to keep.
"""

import io
import warnings
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from medts.core.errors import MedtsError
from medts.core.files import write_whole
from medts.core.locks import LockHeldError, locked

FORMAT = 1
"""Version of what is in a checkpoint."""


class Checkpoints:
    """The two checkpoints of a run folder.

    Args:
        folder: The run folder; it is not made before something is saved.
        on_claim: Called once before the first checkpoint of this process is written.

    Raises:
        MedtsError: If another process trains in the folder.
    """

    def __init__(self, folder: Path, on_claim: Callable[[], None] | None = None) -> None:
        self.folder, self._on_claim = folder / "checkpoints", on_claim
        self._lock, self._is_locked = ExitStack(), False
        self._is_claimed = False
        self._was_there = self.last.exists() or self.best.exists()
        if self._was_there:
            self._take()

    @property
    def last(self) -> Path:
        """State after the latest epoch, or in the middle of one."""
        return self.folder / "last.ckpt"

    @property
    def best(self) -> Path:
        """State after the epoch that is kept."""
        return self.folder / "best.ckpt"

    def save(self, state: dict[str, Any], *, is_best: bool = False, is_last: bool = True) -> None:
        """Writes a state, whole or not at all; the better one first."""
        if not self._is_claimed:
            self._take()
            if not self._was_there and self.last.exists():
                raise _taken(self.folder)
            if self._on_claim is not None:
                self._on_claim()
            self._is_claimed = True
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        for path, is_wanted in ((self.best, is_best), (self.last, is_last)):
            if is_wanted:
                with write_whole(path) as target:
                    target.write_bytes(buffer.getbuffer())

    def load(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Returns the last and the best state; where one is damaged, the other goes for it.

        Raises:
            MedtsError: If there are checkpoints and none can be read.
        """
        found, damaged = {}, []
        for path in (self.last, self.best):
            if path.exists():
                state = _read(path)
                found |= {path: state} if state else {}
                damaged += [] if state else [path]
        if damaged and not found:
            raise MedtsError(
                "this checkpoint is damaged, or of another version, and there is no other",
                path=damaged[0],
                remedy=f"Remove {self.folder} to train anew",
            )
        last, best = found.get(self.last), found.get(self.best)
        for path in damaged:
            rest = (
                f"training goes on from {self.best.name}, the epoch that was kept"
                if best
                else f"training goes on from {self.last.name}; the best epoch so far is lost"
            )
            warnings.warn(f"{path}: this checkpoint is damaged; {rest}", stacklevel=2)
        return last or best, best

    def load_best(self) -> dict[str, Any]:
        """Returns the best state, after one was saved.

        Raises:
            MedtsError: If it has been damaged since.
        """
        state = _read(self.best) if self.best.exists() else None
        if state is None:
            raise MedtsError(
                "this checkpoint is damaged",
                path=self.best,
                remedy="Remove it; the same command then goes on from last.ckpt",
            )
        return state

    def close(self) -> None:
        """Lets other processes train in the folder."""
        self._lock.close()
        self._is_locked = False

    def _take(self) -> None:
        """Makes the folder and locks it, where the file system has locks."""
        if self._is_locked:
            return
        try:
            self._lock.enter_context(locked(self.folder / ".lock"))
        except LockHeldError as error:
            raise _taken(self.folder, error.strerror or "") from error
        self._is_locked = True


def _taken(folder: Path, holder: str = "") -> MedtsError:
    return MedtsError(
        "another process trains in this folder" + (f": {holder}" if holder else ""),
        path=folder.parent,
        remedy="Wait for it, or give another --out",
    )


def _read(path: Path) -> dict[str, Any] | None:
    """Returns a state; None where its bytes are not those that were written."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:  # whatever torch makes of bytes that are none of ours
        return None
    is_known = isinstance(state, dict) and state.get("format") == FORMAT
    return state if is_known else None
