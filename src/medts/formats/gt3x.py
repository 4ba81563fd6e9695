"""ActiGraph GT3X: an archive of `info.txt` and `log.bin`, seconds of acceleration with checksums.

Record types ACTIVITY2 (26: 16 bits) and ACTIVITY (0: 12 bits) are read. Where the device slept
(idle sleep mode), the time is NaN; ActiLife's export repeats the last sample there. The subject's
name is never read.

Axes: T samples in time.
"""

import re
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from jaxtyping import Int

from medts.core.errors import ReadError
from medts.core.records import Fact, Record
from medts.formats.base import Channel, Format, Hints, gather, settle_rate

_SEPARATOR, _ACTIVITY, _ACTIVITY2 = 0x1E, 0, 26
_RECORD = struct.Struct("<BBIH")
"""Separator, type, seconds since 1970 by the local clock, bytes of payload."""

_MOST_BYTES, _MOST_RATIO = 2 * 2**30, 200
_MOST_SPREAD = 100
"""Sleep may not stretch a recording to more than this multiple of its waking seconds."""


def recognises(path: Path) -> bool:
    """Whether the file is an archive with ActiGraph's two members."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(4) != b"PK\3\4":
            return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {"info.txt", "log.bin"} <= set(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):  # zipfile's of odd archives
        return False


def read(path: Path, hints: Hints) -> Record:
    """Reads the acceleration of every second that was recorded.

    Raises:
        ReadError: If the archive is damaged, or a record of the log is cut short or garbled.
    """
    info = _read_info(_read_member(path, "info.txt").decode("utf-8", "replace"))
    rate = settle_rate(path, _number(path, info, "sample rate"), hints)
    scale = _number(path, info, "acceleration scale")
    seconds, parts = _read_log(path, _read_member(path, "log.bin"))
    if not parts:
        raise ReadError("holds no acceleration", path=path, field="log.bin")
    places = np.rint((np.array(seconds) - seconds[0]) * rate).astype(np.int64)
    sizes = np.array([part.shape[1] for part in parts])
    end = int((places + sizes).max())
    if places.min() < 0 or end > _MOST_SPREAD * max(int(sizes.sum()), round(86_400 * rate)):
        raise ReadError(
            f"the clock of the log runs from {min(seconds)} to {max(seconds)}",
            path=path,
            field="log.bin",
        )
    signal = np.full((3, end), np.nan, np.float32)
    for place, part in zip(places.tolist(), parts, strict=True):
        signal[:, place : place + part.shape[1]] = part
    signal /= np.float32(scale)
    channels = [
        Channel(name, row, rate, "g", 1.0 / scale, "acc")
        for name, row in zip(("acc_x", "acc_y", "acc_z"), signal, strict=True)
    ]
    facts: dict[str, Fact] = {
        "start": datetime.fromtimestamp(seconds[0], UTC).replace(tzinfo=None).isoformat(),
        "manufacturer": "ActiGraph",
        "device": info.get("device type", ""),
        "software": info.get("firmware", ""),
    }
    return Record(path.stem, gather(path, channels, hints), facts=facts)


FORMAT = Format("gt3x", "ActiGraph GT3X", (".gt3x",), recognises, read, order=25)


def _read_member(path: Path, name: str) -> bytes:
    """Reads a member of the archive whose announced size is credible."""
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name)
            most = min(_MOST_BYTES, _MOST_RATIO * max(member.compress_size, 1024))
            with archive.open(member) as file:
                data = file.read(most + 1)
    except Exception as error:  # whatever archive and decompressor raise
        raise ReadError(
            f"the archive is damaged: {error}", path=path, field=name, remedy="Fetch it again"
        ) from error
    if len(data) > most:
        raise ReadError(f"more than {most} bytes, a zip bomb", path=path, field=name)
    return data


def _read_info(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _number(path: Path, info: dict[str, str], key: str) -> float:
    text = info.get(key, "")
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", text) or float(text) <= 0:
        raise ReadError(f"{key!r} is {text!r}, no positive number", path=path, field="info.txt")
    return float(text)


def _read_log(path: Path, log: bytes) -> tuple[list[int], list[Int[np.ndarray, "3 T"]]]:
    """Returns the second and the samples of every record of acceleration."""
    seconds: list[int] = []
    parts: list[np.ndarray] = []
    at = 0
    while at < len(log):
        head = log[at : at + _RECORD.size].ljust(_RECORD.size, b"\0")
        separator, kind, second, size = _RECORD.unpack(head)
        end = at + _RECORD.size + size + 1
        if end > len(log) or separator != _SEPARATOR:
            raise ReadError(
                f"the record at byte {at} is cut short or garbled",
                path=path,
                field="log.bin",
                remedy="Download it again",
            )
        # A payload of one byte says that the device goes to sleep.
        if kind in (_ACTIVITY, _ACTIVITY2) and size > 1:
            if int(np.bitwise_xor.reduce(np.frombuffer(log, np.uint8, end - at, at))) != 0xFF:
                raise ReadError(
                    f"the checksum of the record at byte {at} is wrong", path=path, field="log.bin"
                )
            payload = log[at + _RECORD.size : end - 1]
            parts.append(_wide(payload) if kind == _ACTIVITY2 else _packed(payload))
            seconds.append(second)
        at = end
    return seconds, parts


def _wide(payload: bytes) -> Int[np.ndarray, "3 T"]:
    """Reads 16-bit samples of x, y, z."""
    return np.frombuffer(payload, "<i2", len(payload) // 6 * 3).reshape(-1, 3).T


def _packed(payload: bytes) -> Int[np.ndarray, "3 T"]:
    """Reads 12-bit samples of y, x, z, the high bits first, without gaps."""
    raw = np.frombuffer(payload, np.uint8, len(payload) // 9 * 9).astype(np.int16).reshape(-1, 3)
    pairs = np.stack([raw[:, 0] << 4 | raw[:, 1] >> 4, (raw[:, 1] & 15) << 8 | raw[:, 2]], 1)
    samples = (pairs.ravel() ^ 0x800) - 0x800  # extends the sign
    return samples.reshape(-1, 3)[:, [1, 0, 2]].T
