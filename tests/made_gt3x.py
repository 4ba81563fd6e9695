"""A small ActiGraph archive for tests."""

import io
import struct
import zipfile

import numpy as np

INFO = """Serial Number: X
Device Type: Link
Firmware: 1.7.2
Sample Rate: {rate}
Acceleration Scale: 256.0
Subject Name: Clark
"""


def record(kind: int, second: int, payload: bytes) -> bytes:
    body = struct.pack("<BBIH", 0x1E, kind, second, len(payload)) + payload
    return body + bytes((0xFF ^ int(np.bitwise_xor.reduce(np.frombuffer(body, np.uint8))),))


def packed(samples) -> bytes:
    """Returns 12-bit samples of y, x, z."""
    values = np.asarray(samples)[[1, 0, 2]].T.ravel() & 0xFFF
    bits = "".join(f"{value:012b}" for value in values)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def encode(log: bytes, *, rate=30, method=zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("info.txt", INFO.format(rate=rate))
        archive.writestr("log.bin", log)
    return out.getvalue()


def simple(samples, seconds, kind=26) -> bytes:
    """Returns a log with one record for each second."""
    parts = [record(6, seconds[0], b"{}")]
    for second, part in zip(seconds, samples, strict=True):
        payload = packed(part) if kind == 0 else np.asarray(part, "<i2").T.tobytes()
        parts += [record(kind, second, payload), record(26, second, b"\1")]
    return b"".join(parts)
