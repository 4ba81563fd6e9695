"""XLI, the compression of Philips Sierra XML: LZW codes of ten bits, then second differences.

Every lead is a chunk: its length, a seed, and codes. Decompressed bytes are the high halves of all
words, then the low halves.

Axes: T samples in time.
"""

import struct
from pathlib import Path

import numpy as np
from jaxtyping import Int

from medts.core.errors import ReadError

_HEADER = struct.Struct("<ihh")
_N_BITS = 10
_LAST_CODE = (1 << _N_BITS) - 2


def decode(path: Path, data: bytes, n_samples: int, n_leads: int) -> list[Int[np.ndarray, "T"]]:
    """Decompresses the leads, each of which must hold ``n_samples``.

    Raises:
        ReadError: If a chunk is cut short, its codes are impossible, or it holds less.
    """
    leads: list[np.ndarray] = []
    at = 0
    for row in range(1, n_leads + 1):
        where = f"lead {row} of the XLI data"
        if len(data) < at + _HEADER.size:
            raise ReadError("is missing", path=path, field=where)
        size, _, seed = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        if not 0 < size <= len(data) - at:
            raise ReadError(
                f"{size} bytes do not fit the {len(data) - at} left", path=path, field=where
            )
        words = _unpack(_inflate(path, where, data[at : at + size], 2 * n_samples + 64))
        if words.size < n_samples:
            raise ReadError(f"{words.size} samples instead of {n_samples}", path=path, field=where)
        leads.append(_undo_differences(words, seed)[:n_samples])
        at += size
    return leads


def _inflate(path: Path, where: str, data: bytes, most: int) -> bytes:
    """Undoes LZW; stops at the end code, and refuses to grow beyond ``most`` bytes."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    n_codes = bits.size // _N_BITS
    weights = 1 << np.arange(_N_BITS - 1, -1, -1)
    codes = (bits[: n_codes * _N_BITS].reshape(n_codes, _N_BITS) @ weights).tolist()
    strings = [bytes((byte,)) for byte in range(256)]
    parts: list[bytes] = []
    n_bytes, previous = 0, b""
    for code in codes:
        if code > _LAST_CODE:
            break
        if code < len(strings):
            found = strings[code]
        elif code == len(strings) and previous:
            found = previous + previous[:1]  # the string that is just being added
        else:
            raise ReadError(f"code {code} before its string", path=path, field=where)
        if previous and len(strings) <= _LAST_CODE:
            strings.append(previous + found[:1])
        parts.append(found)
        n_bytes += len(found)
        if n_bytes > most:
            raise ReadError(f"more than {most} bytes", path=path, field=where)
        previous = found
    return b"".join(parts)


def _unpack(data: bytes) -> Int[np.ndarray, "T"]:
    """Joins the high and the low halves of signed words."""
    data += bytes(len(data) % 2)
    high, low = np.frombuffer(data, np.uint8).astype(np.uint16).reshape(2, -1)
    return (high << 8 | low).view(np.int16).astype(np.int64)


def _undo_differences(words: Int[np.ndarray, "T"], seed: int) -> Int[np.ndarray, "T"]:
    """Sums second differences: x[n] = 2 x[n-1] - x[n-2] - d[n-1], where d is a word less 64."""
    if words.size < 3:
        return words
    errors = np.append(seed, words[2:-1] - 64)
    slope = np.cumsum(np.append(words[1] - words[0], -errors))
    summed = np.append(words[0], words[0] + np.cumsum(slope))
    return summed.astype(np.int16).astype(np.int64)
