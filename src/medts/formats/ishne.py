"""ISHNE Holter (Badilini 1998): long ECG of one to twelve leads, interleaved 16-bit integers.

The announced number of samples is often nominal, so that the data decide; -32768 says that a lead
was off. Names are never read.

Axes: T samples in time.
"""

import binascii
import struct
from datetime import datetime
from pathlib import Path

import numpy as np

from medts.core.errors import ReadError
from medts.core.records import Fact, Record
from medts.formats.base import Channel, Format, Hints
from medts.formats.ecg import Said, age_at, ecg_record, isoformat

_MAGIC = b"ISHNE1.0"
_N_HEADER = 522
_LEADS = {
    **dict(enumerate(("vx", "vy", "vz", "I", "II", "III", "aVR", "aVL", "aVF"), 2)),
    **dict(enumerate(("V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI"), 11)),
}
"""Table 1 of the specification; 0 is unknown, 1 bipolar."""

_OFF = -32_768


def recognises(path: Path) -> bool:
    """Whether the file begins with ISHNE's mark."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == _MAGIC


def read(path: Path, hints: Hints) -> Record:
    """Reads all leads.

    Raises:
        ReadError: If the header is impossible or the last frame is cut short.
    """
    data = path.read_bytes()
    if len(data) < _N_HEADER:
        raise ReadError(f"{len(data)} bytes hold no header", path=path, remedy="Fetch it again")
    n_variable, n_announced = struct.unpack_from("<ii", data, 10)
    (n_leads,) = struct.unpack_from("<h", data, 156)
    codes, steps = (struct.unpack_from("<12h", data, at) for at in (158, 206))
    rate = struct.unpack_from("<h", data, 272)[0]
    start = _N_HEADER + n_variable  # more often right than the stored offset
    if not 1 <= n_leads <= 12 or rate <= 0 or not _N_HEADER <= start < len(data):
        raise ReadError(
            f"{n_leads} leads at {rate} Hz from byte {start} of {len(data)}",
            path=path,
            field="header",
            remedy="Fetch the file again",
        )
    n_samples, rest = divmod(len(data) - start, 2 * n_leads)
    if rest or n_samples == 0:
        raise ReadError(
            f"the last sample of {n_leads} leads is cut short", path=path, remedy="Fetch it again"
        )
    frames = np.frombuffer(data, "<i2", n_leads * n_samples, start).reshape(n_samples, n_leads)
    leads = np.ascontiguousarray(frames.T)
    channels = [
        _channel(path, row, codes[row], steps[row], leads[row], float(rate))
        for row in range(n_leads)
    ]
    facts = _facts(data, start)
    if n_announced not in (n_samples, n_samples * n_leads):
        facts["n_samples_announced"] = n_announced
    return ecg_record(path, channels, hints, facts, Said(subject_id=_text(data, 108, 20)))


FORMAT = Format("ishne", "ISHNE Holter", (".ecg",), recognises, read)


def _channel(
    path: Path, row: int, code: int, step_nv: int, raw: np.ndarray, rate: float
) -> Channel:
    name = _LEADS.get(code, f"lead {row + 1}")
    if step_nv <= 0:
        raise ReadError(
            f"a resolution of {step_nv} nV, so the amplitudes are uncalibrated",
            path=path,
            field=f"lead {name}",
        )
    step = step_nv * 1e-6
    values = np.multiply(raw, np.float32(step), dtype=np.float32)  # half of a day of twelve leads
    if raw.min() == _OFF:
        values[raw == _OFF] = np.nan
    return Channel(name, values, rate, "mV", step, modality="ecg")


def _facts(data: bytes, start: int) -> dict[str, Fact]:
    time = _date(data, 138)
    hour, minute, second = struct.unpack_from("<3h", data, 150)
    if time is not None and 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60:
        time = time.replace(hour=hour, minute=minute, second=second)
    facts: dict[str, Fact] = {
        "start": isoformat(time),
        "age": age_at(_date(data, 132), time),
        "sex": {1: "M", 2: "F"}.get(struct.unpack_from("<h", data, 128)[0]),
        "device": _text(data, 232, 40),
    }
    (stated,) = struct.unpack_from("<H", data, 8)
    computed = binascii.crc_hqx(data[10:start], 0xFFFF)
    # The byte order of the checksum is not specified; 0 is none.
    if stated not in (0, computed, (computed & 0xFF) << 8 | computed >> 8):
        facts["checksum"] = "wrong in header"
    return facts


def _text(data: bytes, at: int, size: int) -> str:
    return data[at : at + size].partition(b"\0")[0].decode("latin-1").strip()


def _date(data: bytes, at: int) -> datetime | None:
    day, month, year = struct.unpack_from("<3h", data, at)
    try:
        return datetime(year, month, day)
    except ValueError:
        return None
