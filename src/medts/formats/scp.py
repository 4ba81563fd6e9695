"""SCP-ECG (EN 1064, ISO 11073-91064): the European standard's binary file of a resting ECG.

The sections are found by the pointers of section 0 and checked against their headers and CRCs;
`scp_signals` decodes samples, `scp_facts` what is said about them. Names of persons are never read.

Axes: T samples in time.
"""

import binascii
import struct
from pathlib import Path

from medts.core.errors import ReadError
from medts.core.records import Record
from medts.formats.base import Format, Hints
from medts.formats.ecg import ecg_record
from medts.formats.scp_facts import find_facts, find_said
from medts.formats.scp_signals import read_leads

_MARK = b"SCPECG"
_HEADER = struct.Struct("<HHIBB6s")
"""5.2.7: CRC, section, length with this header, two versions, reserved."""

_POINTER = struct.Struct("<HII")
_MOST_POINTERS = 1024
_OF_SIGNALS = (2, 3, 4, 5, 6)


def recognises(path: Path) -> bool:
    """Whether the file begins with a pointer section, marked or at least shaped like one."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(32)
    if len(head) < 32:
        return False
    _, number, length, _, _, reserved = _HEADER.unpack_from(head, 6)
    is_pointer_to_itself = head[22:24] == b"\0\0" and head[24:28] == head[10:14]
    return number == 0 and (
        reserved == _MARK or (16 < length < 16 + 10 * _MOST_POINTERS and is_pointer_to_itself)
    )


def read(path: Path, hints: Hints) -> Record:
    """Reads the rhythm with statements and measurements.

    Raises:
        ReadError: If the file is truncated, its pointers or checksums are wrong, or it is a
            maker's own format under that name.
    """
    data = path.read_bytes()
    sections, wrong = _find_sections(path, data)
    facts = find_facts(sections.get(1, b""))
    if wrong:
        facts["checksum"] = f"wrong in {', '.join(wrong)}"
    channels = read_leads(path, sections)
    return ecg_record(path, channels, hints, facts, find_said(sections))


FORMAT = Format("scp", "SCP-ECG", (".scp", ".ecg"), recognises, read)


def _find_sections(path: Path, data: bytes) -> tuple[dict[int, bytes], list[str]]:
    """Returns the contents of the sections by number, and what has a wrong checksum.

    A wrong checksum of samples is an error, unless that of the whole record is right.
    """
    _, number, length, _, _, mark = _HEADER.unpack_from(data, 6)
    n_bytes = struct.unpack_from("<I", data, 2)[0]
    if n_bytes > len(data) or n_bytes < 6 + length:
        maker = "" if mark == _MARK else "; without the mark SCPECG it is a maker's own format"
        raise ReadError(
            f"the header says {n_bytes} bytes, the file has {len(data)}{maker}",
            path=path,
            field="record length",
            remedy="Fetch the file again, or export it as standard SCP-ECG",
        )
    is_whole = _is_intact(data[:n_bytes])
    wrong = [] if is_whole else ["record"]
    sections: dict[int, bytes] = {}
    n_pointers = min((length - _HEADER.size) // _POINTER.size, _MOST_POINTERS)
    for row in range(n_pointers):
        at = 6 + _HEADER.size + row * _POINTER.size
        number, length, index = _POINTER.unpack_from(data, at)
        if length <= _HEADER.size or number == 0 or number in sections:
            continue
        start = index - 1  # 5.3.3: the first byte of the record is number 1
        found = data[start : start + length] if start >= 0 else b""
        if len(found) < length or _HEADER.unpack_from(found)[1:3] != (number, length):
            if number > max(_OF_SIGNALS):
                continue
            raise ReadError(
                "does not lie where its pointer says",
                path=path,
                field=f"section {number}",
                remedy="The file was edited without its pointers; fetch the original",
            )
        if not _is_intact(found):
            wrong.append(f"section {number}")
            if number in _OF_SIGNALS and not is_whole:
                raise ReadError(
                    "the checksum is wrong",
                    path=path,
                    field=f"section {number}",
                    remedy="Fetch the file again",
                )
        sections[number] = found[_HEADER.size :]
    for number in (3, 6):
        if number not in sections:
            raise ReadError(
                "is missing, so there is no rhythm", path=path, field=f"section {number}"
            )
    return sections, wrong


def _is_intact(data: bytes) -> bool:
    """Whether a CRC-CCITT is right (5.2.2), or zero, as writers that compute none leave it."""
    stated = struct.unpack_from("<H", data)[0]
    return stated in (0, binascii.crc_hqx(data[2:], 0xFFFF))
