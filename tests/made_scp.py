"""A small encoder of SCP-ECG (EN 1064) for tests: every compression that the standard has.

It is written from the standard's text and shares nothing with the reader.
"""

import binascii
import struct
from dataclasses import dataclass, field

import numpy as np

DEFAULT = "default"


@dataclass
class Scp:
    """What to write; samples are integers in steps of ``step_nv``."""

    samples: np.ndarray
    leads: tuple[int, ...] = (1, 2)
    interval_us: int = 2000
    step_nv: int = 2500
    order: int = 0
    tables: object = None  # None, DEFAULT, or lists of (prefix bits, value, extra bits, switch to)
    firsts: tuple[int, ...] = ()
    factor: int = 1
    zones: tuple[tuple[int, int], ...] = ()
    beat: np.ndarray | None = None
    fiducial: int = 0
    beats: tuple[tuple[int, int, int], ...] = ()
    tags: dict[int, bytes] = field(default_factory=dict)
    more: dict[int, bytes] = field(default_factory=dict)


def encode(scp: Scp) -> bytes:
    """Returns the whole record."""
    firsts = scp.firsts or (1,) * len(scp.leads)
    contents: dict[int, bytes] = {}
    tags = b"".join(struct.pack("<BH", k, len(v)) + v for k, v in scp.tags.items())
    contents[1] = tags + b"\xff\0\0"
    if scp.tables is not None:
        contents[2] = encode_tables(scp.tables)
    n = scp.samples.shape[1]
    flags = (scp.beat is not None) | 4
    contents[3] = struct.pack("<BB", len(scp.leads), flags) + b"".join(
        struct.pack("<IIB", first, first + n - 1, lead)
        for first, lead in zip(firsts, scp.leads, strict=True)
    )
    if scp.zones or scp.beat is not None:
        length_ms = 0 if scp.beat is None else scp.beat.shape[1] * scp.interval_us // 1000
        contents[4] = struct.pack("<HHH", length_ms, scp.fiducial, len(scp.beats) or len(scp.zones))
        rows = scp.beats or [(a, a, b) for a, b in scp.zones]
        contents[4] += b"".join(struct.pack("<HIII", 0, *row) for row in rows)
        contents[4] += b"".join(struct.pack("<II", *zone) for zone in scp.zones)
    residual = scp.samples.astype(np.int64).copy()
    if scp.beat is not None:
        for first, fiducial, last in scp.beats:
            for sample in range(first, last + 1):
                residual[:, sample - 1] -= scp.beat[:, scp.fiducial - fiducial + sample - 1]
    if scp.beat is not None or scp.factor > 1:
        beat = np.zeros((len(scp.leads), 1), np.int64) if scp.beat is None else scp.beat
        contents[5] = encode_data(beat, scp, scp.interval_us, 0)
    stored = [decimate(row, scp.factor, scp.zones) for row in residual]
    contents[6] = encode_data(stored, scp, scp.interval_us * scp.factor, int(scp.factor > 1))
    return assemble({**contents, **scp.more})


def without_checksums(record: bytes) -> bytes:
    """Returns a record whose writer computed no checksum, so that damage goes deeper."""
    data = bytearray(record)
    data[:2] = data[6:8] = bytes(2)
    for at in range(22, 22 + 10 * 12, 10):
        _, length, index = struct.unpack_from("<HII", data, at)
        if length:
            data[index - 1 : index + 1] = bytes(2)
    return bytes(data)


def assemble(contents: dict[int, bytes]) -> bytes:
    """Puts sections behind a table of pointers, with lengths and checksums."""
    pointers, sections = b"", b""
    n_pointers = 12
    at = 6 + 16 + 10 * n_pointers + 1
    for number in range(1, n_pointers):
        content = contents.get(number)
        if content is None:
            pointers += struct.pack("<HII", number, 0, 0)
            continue
        content += bytes(len(content) % 2)
        sections_part = section(number, content)
        pointers += struct.pack("<HII", number, len(sections_part), at)
        sections += sections_part
        at += len(sections_part)
    own = struct.pack("<HII", 0, 16 + 10 * n_pointers, 7)
    body = section(0, own + pointers, b"SCPECG") + sections
    whole = struct.pack("<I", len(body) + 6) + body
    return struct.pack("<H", binascii.crc_hqx(whole, 0xFFFF)) + whole


def section(number: int, content: bytes, mark: bytes = bytes(6)) -> bytes:
    body = struct.pack("<HIBB6s", number, 16 + len(content), 20, 20, mark) + content
    return struct.pack("<H", binascii.crc_hqx(body, 0xFFFF)) + body


def decimate(row: np.ndarray, factor: int, zones: tuple[tuple[int, int], ...]) -> list[int]:
    """Averages groups of samples outside the zones; a group never reaches into a zone."""
    kept, group = [], []
    for number, value in enumerate(row.tolist(), 1):
        is_protected = factor == 1 or any(first <= number <= last for first, last in zones)
        if is_protected and group:
            kept.append(round(sum(group) / len(group)))
            group = []
        if is_protected:
            kept.append(value)
            continue
        group.append(value)
        if len(group) == factor:
            kept.append(round(sum(group) / len(group)))
            group = []
    return [*kept, round(sum(group) / len(group))] if group else kept


def encode_data(rows: object, scp: Scp, interval_us: int, bimodal: int) -> bytes:
    streams = [encode_lead(np.asarray(row, np.int64), scp) for row in rows]
    head = struct.pack("<HHBB", scp.step_nv, interval_us, scp.order, bimodal)
    sizes = b"".join(struct.pack("<H", len(stream) % 65536) for stream in streams)
    return head + sizes + b"".join(streams)


def encode_lead(row: np.ndarray, scp: Scp) -> bytes:
    values = row.tolist()
    if scp.order == 1:
        values = [values[0], *np.diff(row).tolist()]
    elif scp.order == 2:
        values = [*values[:2], *np.diff(row, 2).tolist()]
    if scp.tables is None:
        return struct.pack(f"<{len(values)}h", *values)
    if scp.tables == DEFAULT:
        bits = "".join(map(default_bits, values))
    else:
        bits = own_bits(values, scp.tables)
    bits += "0" * (-len(bits) % 16)  # to whole words, as encoders do
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def default_bits(value: int) -> str:
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("1" if value < 0 else "0")
    if -128 <= value < 128:
        return "1111111110" + f"{value & 0xFF:08b}"
    return "1111111111" + f"{value & 0xFFFF:016b}"


def own_bits(values: list[int], tables: list) -> str:
    """Encodes with tables of (bits, value, extra bits, table to switch to)."""
    bits, current = "", 0
    for value in values:
        for _ in range(2):
            rows = tables[current]
            exact = next((b for b, v, n, to in rows if to is None and n == 0 and v == value), None)
            if exact is not None:
                bits += exact
                break
            escape = next(((b, n) for b, _, n, to in rows if to is None and n), None)
            if escape is not None:
                bits += escape[0] + f"{value & ((1 << escape[1]) - 1):0{escape[1]}b}"
                break
            prefix, current = next((b, to) for b, _, _, to in rows if to is not None)
            bits += prefix
        if any(to is not None for *_, to in tables[current]) and current != 0:
            prefix, current = next((b, to) for b, _, _, to in tables[current] if to is not None)
            bits += prefix
    return bits


def encode_tables(tables: object) -> bytes:
    if tables == DEFAULT:
        return struct.pack("<H", 19999)
    out = struct.pack("<H", len(tables))
    for rows in tables:
        out += struct.pack("<H", len(rows))
        for bits, value, extra, to in rows:
            base = value if to is None else to + 1
            code = int(bits[::-1], 2)
            out += struct.pack("<BBBhI", len(bits), len(bits) + extra, to is None, base, code)
    return out
