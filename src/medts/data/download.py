"""Resumable, parallel, checksum-verified download of a corpus in its official layout.

PhysioNet and its mirrors list the files of a corpus in ``SHA256SUMS.txt``. Every file is written
beside its final name (``.part``), continued there after a lost connection or a killed process, and
renamed once its SHA-256 is right; a file that is already there and right is not fetched again.
"""

import fnmatch
import hashlib
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from medts.core.errors import ConfigError, MedtsError

if TYPE_CHECKING:
    import requests

    from medts.data.sources.base import SourceCard

SUMS = "SHA256SUMS.txt"
"""The list of files, as `sha256sum` writes it."""

_BLOCK = 1 << 16  # what a lost connection costs at most
_LARGEST_LIST = 256 << 20
_FINAL = (401, 403, 404, 410)
"""HTTP status codes that another attempt does not change."""

Progress = Callable[[Iterable["Future[str | None]"], int], Iterator["Future[str | None]"]]


class DownloadError(MedtsError):
    """A file that a server does not give, or gives with other bytes than its checksum says."""


@dataclass(frozen=True)
class Downloaded:
    """What a download did.

    Args:
        n_files: Files that were wanted.
        n_fetched: Files that were not there yet.
        failed: For each file that is missing or wrong, the reason.
    """

    n_files: int
    n_fetched: int
    failed: dict[str, str]


def files_url(card: "SourceCard") -> tuple[str, str]:
    """Returns the address of a corpus's files, and the folder of them that it uses.

    Raises:
        ConfigError: If its distribution has no list of checksums; with where to get it by hand.
    """
    found = re.match(r"(https://physionet\.org/)content(/\S+?)/?(?: \((\S+)\))?$", card.obtain)
    if found is None:
        raise ConfigError(
            f"{card.title} has no public list of files with checksums",
            field="source",
            remedy=f"Get it by hand: {card.obtain}",
        )
    site, path, part = found.groups()
    return f"{site}files{path}/", part or ""


def download(
    url: str,
    folder: str | Path,
    *,
    only: Iterable[str] = ("*",),
    n_workers: int = 4,
    n_attempts: int = 6,
    timeout_s: float = 30.0,
    progress: Progress = lambda items, total: iter(items),
) -> Downloaded:
    """Downloads the files that ``SHA256SUMS.txt`` below an address lists, and verifies them.

    One file that fails never stops the others; the same call goes on where this one stopped.

    Args:
        url: Address of the folder, such as a mirror's.
        folder: Where the same tree is written.
        only: Shell patterns of paths in the list, such as ``records500/*``.
        n_workers: Connections at the same time.
        n_attempts: Of each file; the pause between them doubles from half a second.
        timeout_s: Seconds without a byte after which a connection counts as lost.
        progress: Wraps the files as they end.

    Raises:
        DownloadError: If the list itself cannot be fetched or names no such file.
    """
    folder, patterns = Path(folder), tuple(only)
    client = _Client(url.rstrip("/") + "/", n_attempts, timeout_s)
    sums = parse_sums(client.text(SUMS), where=client.url + SUMS)
    chosen = {
        path: digest
        for path, digest in sums.items()
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
    }
    if not chosen:
        raise DownloadError(
            f"none of {len(sums)} files fits {', '.join(patterns)}",
            path=client.url + SUMS,
            field="--only",
            remedy=f"Paths look like {next(iter(sums), 'nothing: the list is empty')}",
        )
    n_fetched, failed = 0, {}
    with ThreadPoolExecutor(n_workers) as pool:
        jobs = {
            pool.submit(client.fetch, path, folder / path, digest): path
            for path, digest in chosen.items()
        }
        try:
            for job in progress(as_completed(jobs), len(jobs)):
                try:
                    n_fetched += job.result() is not None
                except (DownloadError, OSError) as error:
                    failed[jobs[job]] = str(error)
        except BaseException:
            client.is_stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
    return Downloaded(len(chosen), n_fetched, dict(sorted(failed.items())))


def parse_sums(text: str, *, where: str = SUMS) -> dict[str, str]:
    """Parses lines of ``sha256sum`` into relative paths with their digests.

    >>> parse_sums("ab" * 32 + "  records/1.dat")
    {'records/1.dat': 'abababababababababababababababababababababababababababababababab'}

    Raises:
        DownloadError: If a line is none of these, or a path leads out of the folder.
    """
    sums = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line.strip())
        if found is None:
            raise DownloadError(f"line {number} is no SHA-256 and path: {line[:80]!r}", path=where)
        digest, path = found.groups()
        path = path.removeprefix("./")
        parts = PurePosixPath(path).parts
        if path.startswith("/") or ".." in parts or re.search(r'[\\:*?"<>|\x00-\x1f]', path):
            raise DownloadError(f"line {number}: unsafe path {path[:80]!r}", path=where)
        sums[path] = digest.lower()
    return sums


class _Client:
    """Fetches files below one address, with a connection of its own for each thread."""

    def __init__(self, url: str, n_attempts: int, timeout_s: float) -> None:
        self.url, self.n_attempts, self.timeout_s = url, n_attempts, timeout_s
        self.is_stopped = threading.Event()
        self._local = threading.local()

    def text(self, path: str) -> str:
        """Returns a small text file."""
        received, error = bytearray(), None
        for attempt in range(self.n_attempts):
            received.clear()
            error = self._receive(path, received.extend, offset=0, largest=_LARGEST_LIST)
            if error is None:
                return received.decode("utf-8", errors="replace")
            self._pause(attempt, error, path)
        raise DownloadError(error or "no attempt was made", path=self.url + path)

    def fetch(self, path: str, target: Path, digest: str) -> str | None:
        """Fetches one file unless it is there and right; returns its path if it was fetched."""
        if target.is_file() and sha256(target) == digest:
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        part, error = target.with_name(target.name + ".part"), None
        for attempt in range(self.n_attempts):
            error = self._resume(path, part)
            if error is None and sha256(part) == digest:
                part.replace(target)
                return path
            if error is None:
                part.unlink()  # whatever it was continued from may have been wrong as well
                error = "the bytes do not have the SHA-256 of the list"
            self._pause(attempt, error, path)
        raise DownloadError(error or "no attempt was made", path=self.url + path)

    def _resume(self, path: str, part: Path) -> str | None:
        """Appends what is missing of a file; returns what went wrong."""
        with part.open("ab") as file:
            return self._receive(
                path, file.write, offset=file.tell(), restart=lambda: file.truncate(0)
            )

    def _receive(
        self,
        path: str,
        write: Callable[[bytes], object],
        *,
        offset: int,
        restart: Callable[[], object] = lambda: None,
        largest: float = float("inf"),
    ) -> str | None:
        """Streams a file from an offset; returns what went wrong, None where nothing did."""
        import requests

        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with self._session().get(
                self.url + quote(path),
                headers={"Accept-Encoding": "identity", **wanted},
                stream=True,
                timeout=self.timeout_s,
            ) as answer:
                if answer.status_code == 416:  # nothing is left after the offset, or never was
                    return None
                if answer.status_code not in (200, 206):
                    return f"HTTP {answer.status_code} {answer.reason}"
                begins = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
                if offset and (begins is None or int(begins[1]) != offset):
                    restart()  # a server without ranges sends the whole file
                left = int(answer.headers.get("Content-Length") or -1)
                size = 0
                for block in answer.iter_content(_BLOCK):
                    if self.is_stopped.is_set():
                        return "stopped"
                    write(block)
                    size += len(block)
                    if size > largest:
                        return f"more than {largest:.0f} bytes"
                return f"{left - size} bytes are missing" if size < left else None
        except requests.RequestException as error:
            self._local.session = None
            return f"{type(error).__name__}: {_first_line(error)}"

    def _session(self) -> "requests.Session":
        import requests

        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def _pause(self, attempt: int, error: str, path: str) -> None:
        """Waits before another attempt (exponential backoff).

        Raises:
            DownloadError: If no attempt can help, or the download was stopped.
        """
        if self.is_stopped.is_set() or any(error.startswith(f"HTTP {code}") for code in _FINAL):
            raise DownloadError(error, path=self.url + path)
        if attempt + 1 < self.n_attempts:
            self.is_stopped.wait(min(0.5 * 2**attempt, 30.0))


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]
