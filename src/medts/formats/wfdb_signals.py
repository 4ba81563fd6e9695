"""WFDB signal files: storage formats 8, 16, 24, 32, 61, 80, 160, 212, 310, 311 and FLAC.

Whole files are decoded at once. No more is ever read or allocated than a file holds: its size is
compared with the header first, and one that is longer or shorter is refused.

Axes: T samples in time.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from medts.core.errors import ReadError
from medts.formats.wfdb_header import NULL_FILE, Header, Signal

_FLAC = ("508", "516", "524")

_PACKING: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("8", "80", *_FLAC), (0, 1)),
    **dict.fromkeys(("16", "61", "160"), (0, 2)),
    "24": (0, 3),
    "32": (0, 4),
    "212": (0, 2, 3),
    "310": (0, 2, 4, 4),
    "311": (0, 2, 3, 4),
}
"""Bytes that 0, 1, 2, … samples take, up to the smallest whole unit; FLAC counts samples."""

_DTYPE = {"16": "<i2", "32": "<i4", "61": ">i2", "8": "i1", "80": "u1", "160": "<u2"}

INVALID = {
    **dict.fromkeys(("80", "508"), -(2**7)),
    **dict.fromkeys(("310", "311"), -(2**9)),
    "212": -(2**11),
    **dict.fromkeys(("16", "61", "160", "516"), -(2**15)),
    **dict.fromkeys(("24", "524"), -(2**23)),
    **dict.fromkeys(("32", "8"), -(2**31)),
}
"""The integer that stands for "not recorded"; format 8 stores none, and only skew leads to it."""

_LONGEST_GAP = 2**28
"""Samples of all channels together: a week of eight channels at 50 Hz."""

_LONGEST_FLAC_BLOCK = 65_535
"""Samples per channel that a block of FLAC, and so a few bytes, can stand for."""


def read_samples(
    header: Header, signals: list[Signal]
) -> tuple[int, list[Int[np.ndarray, "_"] | None]]:
    """Reads the integers of every signal, skew undone, and the number of frames.

    Each signal has its samples per frame; None where nothing of it is stored.
    """
    n_frames = header.n_frames
    found: list[np.ndarray | None] = [None] * len(signals)
    files = dict.fromkeys(each.file for each in signals if each.file != NULL_FILE)
    if not files:
        raise ReadError("the header names no signal file", path=header.path)
    for name in files:
        rows = [row for row, each in enumerate(signals) if each.file == name]
        members = [signals[row] for row in rows]
        _check_agreement(header.path, members)
        path = header.path.parent / name
        if not path.is_file():
            remedy = f"{header.path.name} says it holds the signal"
            raise ReadError("no such file", path=path, remedy=remedy)
        own = header.path.with_suffix(path.suffix)
        if path.stem != own.stem and own.name not in files and own.is_file():
            problem = f"names {name}, although {own.name} is beside it"
            remedy = "If the record was renamed, correct the file name in the header"
            raise ReadError(problem, path=header.path, remedy=remedy)
        n_frames = _count_frames(header, path, members, n_frames)
        frames = _read_frames(path, members, n_frames)
        first = 0
        for row, signal in zip(rows, members, strict=True):
            samples = frames[:, first : first + signal.per_frame].reshape(-1)
            found[row] = _undo_skew(samples, signal)
            first += signal.per_frame
    assert n_frames is not None
    return n_frames, found


def to_physical(
    samples: Int[np.ndarray, "T"], signal: Signal, path: Path
) -> Float[np.ndarray, "T"]:
    """Returns values in the signal's unit, NaN where nothing was recorded."""
    if signal.gain is None:
        problem = "no gain, so the amplitudes are uncalibrated"
        remedy = "State gain and unit, such as 200/mV, if they are known"
        raise ReadError(problem, path=path, field=signal.field, remedy=remedy)
    # In single precision where that rounds the quotient as double precision would: numerator and
    # denominator are exact, and the double has more than twice the digits.
    is_exact = (
        samples.dtype.itemsize <= 2
        and abs(signal.baseline) < 2**23
        and float(np.float32(signal.gain)) == signal.gain
    )
    values = samples.astype(np.float32 if is_exact else np.float64)
    values -= signal.baseline
    is_missing = values == INVALID[signal.code] - signal.baseline  # still whole numbers
    values /= signal.gain
    if is_missing.any():
        values[is_missing] = np.nan
    return values


def not_recorded(n_samples: int, path: Path) -> Float[np.ndarray, "T"]:
    """Returns a gap, of NaN."""
    if n_samples > _LONGEST_GAP:
        raise ReadError(
            f"{n_samples} samples were not recorded, by the header; more than {_LONGEST_GAP} are "
            "taken for an error",
            path=path,
            field="number of samples",
            remedy="Correct the header, or read the segments one by one",
        )
    return np.full(n_samples, np.nan)


def encode(frames: Int[np.ndarray, "T n"], code: str) -> bytes:
    """Returns what a file of format 16 or 32 holds."""
    return frames.astype(_DTYPE[code]).tobytes()


def _check_agreement(path: Path, members: list[Signal]) -> None:
    """Refuses signals of one file that differ in what belongs to the file."""
    first = members[0]
    for each in members[1:]:
        if each.code != first.code:
            raise ReadError(
                f"format {each.code} for {each.file}, which line {first.line} says is in format "
                f"{first.code}",
                path=path,
                field=each.field,
            )
        if each.offset not in (0, first.offset):
            raise ReadError(
                f"byte offset {each.offset} for {each.file}, which line {first.line} says has "
                f"{first.offset}",
                path=path,
                field=each.field,
            )
        if each.code in _FLAC and each.per_frame != first.per_frame:
            problem = "channels of a FLAC file differ in samples per frame"
            raise ReadError(problem, path=path, field=each.field)


def _count_frames(header: Header, path: Path, members: list[Signal], stated: int | None) -> int:
    """Returns the frames of a file after comparing its size with the header."""
    first = members[0]
    if first.code in _FLAC:
        per_frame, n_bytes = first.per_frame, _count_flac(path, len(members))
    else:
        per_frame = sum(each.per_frame for each in members)
        n_bytes = path.stat().st_size
    if first.offset > n_bytes:
        problem = f"byte offset {first.offset} lies behind the end of {path.name}, at {n_bytes}"
        raise ReadError(problem, path=header.path, field=first.field)
    n_bytes -= first.offset
    *partial, unit = _PACKING[first.code]
    n_held = n_bytes * len(partial) / unit / per_frame
    n_frames = int(n_held) if stated is None else stated
    if n_bytes == 0:
        raise ReadError("holds no samples", path=path)
    whole, rest = divmod(n_frames * per_frame, len(partial))
    least = whole * unit + partial[rest]
    most = whole * unit + (unit if rest else 0)  # formats that pack several may be padded
    if n_frames == 0 or not least <= n_bytes <= most:
        other = "" if stated is None else f", the header says {n_frames}"
        problem = f"holds {n_held:g} frames{other}"
        remedy = "Fetch the file again, or correct the header if it is complete"
        raise ReadError(problem, path=path, field="number of samples", remedy=remedy)
    return n_frames


def _read_frames(path: Path, members: list[Signal], n_frames: int) -> Int[np.ndarray, "T n"]:
    first = members[0]
    if first.code in _FLAC:
        return _read_flac(path, first, n_frames)
    n_samples = n_frames * sum(each.per_frame for each in members)
    if first.code in _DTYPE:
        dtype = np.dtype(_DTYPE[first.code])
        flat = np.fromfile(path, dtype, count=n_samples, offset=first.offset)
        if first.code in ("80", "160"):  # offset binary: the middle of the range stands for 0
            half = 2 ** (8 * dtype.itemsize - 1)
            flat = (flat ^ dtype.type(half)).view(dtype.str.replace("u", "i"))
    else:
        flat = _unpack(path, first, n_samples)
    frames = flat.reshape(n_frames, -1)
    return _sum_differences(frames, members) if first.code == "8" else frames


def _unpack(path: Path, first: Signal, n_samples: int) -> Int[np.ndarray, "_"]:
    """Unpacks samples that share bytes; a last unit may be cut short."""
    n_held, unit = len(_PACKING[first.code]) - 1, _PACKING[first.code][-1]
    n_units = -(-n_samples // n_held)
    padded = np.zeros(n_units * unit + 1, np.uint8)
    raw = padded[:-1]
    with path.open("rb") as file:
        file.seek(first.offset)
        file.readinto(raw.data)
    # Shifts to the left drop the bits of the neighbour, those back to the right carry the sign.
    # In place, as fresh memory costs more than arithmetic.
    if first.code == "24":
        wide = np.zeros((n_units, 4), np.uint8)
        wide[:, 1:] = raw.reshape(n_units, unit)
        return wide.reshape(-1).view("<i4") >> 8
    if first.code == "212":
        pairs = np.ndarray((n_units,), "<u4", buffer=padded, strides=(unit,)).copy()
        for start in range(0, n_units, 2**15):  # what fits into the cache
            block = pairs[start : start + 2**15]
            high = (block & 0xF000) << 16
            block &= 0xFF0FFF
            block <<= 4
            block |= high
        samples = pairs.view("<i2")  # two of 16 bits, 4 bits too far left
        samples >>= 4
        return samples[:n_samples]
    flat = np.empty((n_units, n_held), np.int16)
    if first.code == "310":
        low, high = raw.view("<i2").reshape(n_units, 2).T
        flat[:, 0] = (low << 5) >> 6
        flat[:, 1] = (high << 5) >> 6
        flat[:, 2] = ((low >> 11) & 31) | ((high >> 11) << 5)
    else:
        words = raw.view("<i4")
        for place in range(3):
            flat[:, place] = (words << (22 - 10 * place)) >> 22
    return flat.reshape(-1)[:n_samples]


def _sum_differences(
    frames: Int[np.ndarray, "T n"], members: list[Signal]
) -> Int[np.ndarray, "T n"]:
    """Sums the first differences of format 8 up from each signal's initial value."""
    summed = np.empty(frames.shape, np.int64)
    first = 0
    for signal in members:
        places = slice(first, first + signal.per_frame)
        differences = frames[:, places].reshape(-1)
        total = np.cumsum(differences, dtype=np.int64) + signal.initial
        summed[:, places] = total.reshape(-1, signal.per_frame)
        first += signal.per_frame
    return summed


def _undo_skew(samples: Int[np.ndarray, "_"], signal: Signal) -> Int[np.ndarray, "_"]:
    if signal.skew == 0:
        return samples
    shifted = np.full_like(samples, INVALID[signal.code])
    kept = samples[signal.skew * signal.per_frame :]
    shifted[: len(kept)] = kept
    return shifted


def _count_flac(path: Path, n_channels: int) -> int:
    """Returns the samples per channel of a FLAC file."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError where the C library is missing
        problem = "holds compressed signals (FLAC), which need the package soundfile"
        raise ReadError(problem, path=path, remedy="pip install 'medts[wfdb]'") from error
    try:
        info = soundfile.info(str(path))
    except soundfile.SoundFileError as error:
        raise ReadError(f"not a FLAC file: {error}", path=path, remedy="Fetch it again") from error
    if info.format != "FLAC" or info.frames > _LONGEST_FLAC_BLOCK * path.stat().st_size:
        raise ReadError("not a FLAC file", path=path, remedy="Fetch it again")
    if info.channels != n_channels:
        raise ReadError(f"holds {info.channels} channels, the header says {n_channels}", path=path)
    return info.frames


def _read_flac(path: Path, first: Signal, n_frames: int) -> Int[np.ndarray, "T n"]:
    """Decodes FLAC into frames that hold the samples of one channel after those of another."""
    import soundfile

    bits, wanted = int(first.code) - 500, n_frames * first.per_frame
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.subtype not in ("PCM_S8", "PCM_16", "PCM_24")[: (8, 16, 24).index(bits) + 1]:
                problem = f"holds samples of {file.subtype}, too wide for format {first.code}"
                raise ReadError(problem, path=path)
            file.seek(first.offset)
            # In blocks, as libsndfile fails on more than 2²⁴ samples at once; always 32 bits,
            # into which it shifts every sample up.
            blocks = list(file.blocks(2**20, dtype="int32", always_2d=True))
            shift = {"PCM_S8": 24, "PCM_16": 16, "PCM_24": 8}[file.subtype]
    except soundfile.SoundFileError as error:
        remedy = "Fetch it again"
        raise ReadError(f"cannot be decoded: {error}", path=path, remedy=remedy) from error
    samples = np.concatenate([np.empty((0, file.channels), np.int32), *blocks]).astype(np.int32)
    if len(samples) != wanted:
        problem = f"{len(samples)} of {wanted} samples can be decoded"
        raise ReadError(problem, path=path, remedy="Fetch it again")
    frames = (samples >> shift).reshape(n_frames, first.per_frame, -1)
    return frames.transpose(0, 2, 1).reshape(n_frames, -1)
