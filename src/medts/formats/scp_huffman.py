"""Huffman coding of SCP-ECG (EN 1064, 5.5 and Annex C): the default table, own tables, switching.

A stream is decoded by looking up every bit position at once, and then walking from code to code:
the walk alone is sequential.

Axes: T samples in time, N bit positions.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt32

from medts.core.errors import ReadError

_DEFAULT = 19_999
_CODE = struct.Struct("<BBBhI")
_MOST_TABLES, _N_WINDOW = 32, 24
_LONGEST_PREFIX = 20
_BLOCK = 1 << 13
"""Bytes looked at together; bounds memory for recordings of any length."""


@dataclass(frozen=True)
class Code:
    """One row of a Huffman table.

    Args:
        n_prefix: Bits that are matched.
        n_bits: Bits of the whole code; what follows the prefix is a signed number.
        base: Value of the code.
        prefix: Its bits, the first one being the highest.
        is_value: False for a code that switches to table ``base``, counted from 1.
    """

    n_prefix: int
    n_bits: int
    base: int
    prefix: int
    is_value: bool = True


@dataclass(frozen=True)
class Table:
    """A lookup from the next bits to the row of ``codes`` that they begin with; -1 for none."""

    codes: tuple[Code, ...]
    n_window: int
    row_of: Int[np.ndarray, "W"]


def make_table(codes: Sequence[Code]) -> Table:
    """Builds the lookup; of two rows that match the same bits the first counts."""
    n_window = max(code.n_prefix for code in codes)
    row_of = np.full(1 << n_window, -1, np.int32)
    for row in reversed(range(len(codes))):
        spare = n_window - codes[row].n_prefix
        row_of[codes[row].prefix << spare : (codes[row].prefix + 1) << spare] = row
    return Table(tuple(codes), n_window, row_of)


def default_codes() -> list[Code]:
    """Returns the default table (C.3.7): small steps by unary codes, others as 8 or 16 bits."""
    codes = [Code(1, 1, 0, 0)]
    for size in range(1, 9):
        ones = (1 << size) - 1
        codes += [
            Code(size + 2, size + 2, value, (ones << 2) | is_negative)
            for value, is_negative in ((size, 0), (-size, 1))
        ]
    return [*codes, Code(10, 18, 0, 0b1111111110), Code(10, 26, 0, 0b1111111111)]


def read_tables(path: Path, section: bytes) -> list[Table]:
    """Reads section 2.

    Raises:
        ReadError: If a table is cut short or cannot be one.
    """
    (count,) = struct.unpack_from("<H", section) if len(section) >= 2 else (0,)
    if count == _DEFAULT:
        return [make_table(default_codes())]
    tables: list[Table] = []
    at = 2
    for number in range(1, min(count, _MOST_TABLES + 1) + 1):
        (n_codes,) = struct.unpack_from("<H", section, at) if len(section) >= at + 2 else (0,)
        at += 2
        end = at + n_codes * _CODE.size
        if n_codes == 0 or end > len(section) or number > _MOST_TABLES:
            break
        rows = _CODE.iter_unpack(section[at:end])
        tables.append(make_table([_code(path, number, *row) for row in rows]))
        at = end
    if not tables or len(tables) != count:
        raise ReadError(
            f"{count} tables are announced, {len(tables)} are there",
            path=path,
            field="section 2 (Huffman tables)",
        )
    return tables


def _code(
    path: Path, number: int, n_prefix: int, n_bits: int, mode: int, base: int, stored: int
) -> Code:
    if not 1 <= n_prefix <= _LONGEST_PREFIX or not n_prefix <= n_bits <= n_prefix + 32:
        raise ReadError(
            f"a code of {n_prefix} bits in all {n_bits} is not read",
            path=path,
            field=f"section 2, Huffman table {number}",
        )
    bits = f"{stored & ((1 << n_prefix) - 1):0{n_prefix}b}"  # 5.5.3: the first bit is the lowest
    return Code(n_prefix, n_bits, base, int(bits[::-1], 2), is_value=mode != 0)


def decode(
    path: Path, where: str, data: bytes, n_samples: int, tables: list[Table]
) -> tuple[Int[np.ndarray, "T"], int]:
    """Decodes a stream of codes; returns the values and the number of bytes they took.

    Raises:
        ReadError: If the stream ends early or holds bits that begin no code.
    """
    found: list[np.ndarray] = []
    n_found, at, table = 0, 0, 0
    while n_found < n_samples:
        first = at >> 3
        block = data[first : first + _BLOCK + 8]
        is_last = first + len(block) == len(data)
        limit = 8 * (len(block) if is_last else _BLOCK)
        values, at_end, table = _decode_block(
            block, at - 8 * first, limit, n_samples - n_found, tables, table
        )
        at = 8 * first + at_end
        found.append(values)
        n_found += len(values)
        if n_found < n_samples and (is_last or at_end < limit):
            raise ReadError(
                f"the samples end after {n_found} of {n_samples}: no code at bit {at}",
                path=path,
                field=where,
                remedy="Fetch the file again",
            )
    values = np.concatenate(found) if found else np.zeros(0, np.int64)
    return values, (at + 7) >> 3


def _decode_block(
    block: bytes, at: int, limit: int, n_samples: int, tables: list[Table], table: int
) -> tuple[Int[np.ndarray, "T"], int, int]:
    """Walks codes from bit ``at`` until ``limit``; returns values, place and table in use."""
    windows = _windows(block)
    places: list[int] = []
    if len(tables) == 1 and all(code.is_value for code in tables[0].codes):
        following = _following(windows, tables[0]).tolist()
        while len(places) < n_samples and at < limit and following[at] > at:
            places.append(at)
            at = following[at]
        return _values(block, windows, np.array(places, np.int64), tables[0]), at, table
    used: list[int] = []
    lists = [_following(windows, each).tolist() for each in tables]
    while len(places) < n_samples and at < limit and lists[table][at] > at:
        row = tables[table].row_of[windows[at] >> (_N_WINDOW - tables[table].n_window)]
        code, end = tables[table].codes[row], lists[table][at]
        if code.is_value:
            places.append(at)
            used.append(table)
        elif 1 <= code.base <= len(tables):
            table = code.base - 1
        else:
            break
        at = end
    values = np.empty(len(places), np.int64)
    for number in set(used):
        chosen = np.array(used) == number
        values[chosen] = _values(block, windows, np.array(places)[chosen], tables[number])
    return values, at, table


def _windows(block: bytes) -> UInt32[np.ndarray, "N"]:
    """Returns the next bits from every bit position, the first one being the highest."""
    padded = np.frombuffer(block + bytes(3), np.uint8).astype(np.uint32)
    n = len(block)
    words = padded[:n] << 24 | padded[1 : n + 1] << 16 | padded[2 : n + 2] << 8 | padded[3 : n + 3]
    return ((words[:, None] << np.arange(8, dtype=np.uint32)) >> (32 - _N_WINDOW)).ravel()


def _following(windows: UInt32[np.ndarray, "N"], table: Table) -> Int[np.ndarray, "N"]:
    """Returns where the next code begins, for every bit position; the same place for no code."""
    n_bits = np.array([*(code.n_bits for code in table.codes), 0])  # the last one for row -1
    at = np.arange(windows.size)
    following = at + n_bits[table.row_of][windows >> (_N_WINDOW - table.n_window)]
    return np.where(following > windows.size, at, following)


def _values(
    block: bytes, windows: UInt32[np.ndarray, "N"], places: Int[np.ndarray, "P"], table: Table
) -> Int[np.ndarray, "P"]:
    """Returns the values of the codes that begin at some bit positions."""
    rows = table.row_of[windows[places] >> (_N_WINDOW - table.n_window)]
    values = np.array([code.base for code in table.codes])[rows]
    n_more = np.array([code.n_bits - code.n_prefix for code in table.codes])[rows]
    wide = np.flatnonzero(n_more)
    if wide.size == 0:
        return values
    starts = places[wide] + np.array([code.n_prefix for code in table.codes])[rows[wide]]
    padded = np.frombuffer(block + bytes(8), np.uint8)
    taken = padded[(starts >> 3)[:, None] + np.arange(8)].view(">i8")[:, 0].astype(np.int64)
    values[wide] += (taken << (starts & 7)) >> (64 - n_more[wide])
    return values
