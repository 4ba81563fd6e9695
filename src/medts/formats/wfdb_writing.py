"""Writing WFDB: one header and one signal file, with beats and rhythms in an `.atr` beside them.

Where a stream has its resolution, the recorder's integers are written back without loss;
otherwise a channel's range is spread over 16 bits, or over 32 if a spike makes 16 too coarse.
Report, statements and facts other than age and sex have no place in WFDB.

Axes: T samples in time.
"""

import re
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Int

from medts.core.errors import MedtsError
from medts.core.records import Record
from medts.formats.base import Channel
from medts.formats.layout import REMEDY, exact_rate, fits_resolution, flatten, frame_rate
from medts.formats.wfdb_annotations import encode_annotations
from medts.formats.wfdb_signals import INVALID, encode

_LIMIT = {"16": 32_767, "32": 2**31 - 1}
_N_STEPS = {"16": 64_000, "32": 2**30}
"""Integers that a range is spread over where the resolution is unknown."""


def write(record: Record, path: Path) -> None:
    """Writes ``path`` (bare name or ``.hea``), the ``.dat`` and, where needed, the ``.atr``.

    Raises:
        MedtsError: If the record does not fit into one WFDB record.
    """
    name = path.stem if path.suffix in (".hea", ".dat") else path.name
    if not re.fullmatch(r"[-\w]+", name):
        problem = f"record name {name!r} has other characters than letters, digits, - and _"
        raise MedtsError(problem, path=path)
    channels = flatten(record, path)
    rate = frame_rate(channels)
    per_frame = [int(exact_rate(channel.sampling_rate) / rate) for channel in channels]
    n_frames = Fraction(len(channels[0].values), per_frame[0])
    if n_frames.denominator != 1:
        raise MedtsError("the streams do not end on a whole frame", path=path, remedy=REMEDY)
    for channel in channels:
        _check(channel, path)
    code = "16" if all(_fits_16_bits(channel) for channel in channels) else "32"
    lines = [f"{name} {len(channels)} {_spell(rate)} {n_frames}"]
    columns: list[Int[np.ndarray, "T n"]] = []
    for channel, size in zip(channels, per_frame, strict=True):
        samples, gain, baseline = _to_integers(channel, code)
        columns.append(samples.reshape(int(n_frames), size))
        checksum = int(samples.sum()) % 2**16
        lines.append(
            f"{name}.dat {code}x{size} {gain}({baseline})/{channel.unit} {code} 0 "
            f"{samples[0]} {checksum} 0 {channel.name}"
        )
    lines += [f"# {key}: {record.facts[key]}" for key in ("age", "sex") if key in record.facts]
    files = {
        ".dat": encode(np.concatenate(columns, axis=1), code),
        ".hea": ("\n".join(lines) + "\n").encode(),
    }
    if record.annotations:
        finest = max(channel.sampling_rate for channel in channels)
        files[".atr"] = encode_annotations(
            record.annotations, finest, float(n_frames / rate), path.with_name(f"{name}.atr")
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        for suffix, data in files.items():
            Path(folder, name + suffix).write_bytes(data)
        if ".atr" not in files:
            path.with_name(f"{name}.atr").unlink(missing_ok=True)
        for suffix in files:
            Path(folder, name + suffix).replace(path.with_name(name + suffix))


def _spell(rate: Fraction) -> str:
    return str(int(rate)) if rate.denominator == 1 else repr(float(rate))


def _check(channel: Channel, path: Path) -> None:
    """Refuses what would come back as something else."""
    if not channel.name.isprintable():
        problem = "a channel name with line breaks or the like"
    elif np.isinf(channel.values).any():
        problem = "infinite values"
    else:
        return
    problem = f"WFDB cannot hold {problem}"
    raise MedtsError(problem, path=path, field=f"channel {channel.name}", remedy=REMEDY)


def _fits_16_bits(channel: Channel) -> bool:
    """Whether 16 bits suffice: without loss, or with steps far below what the signal does.

    One spike can make the range so wide that the rest of the channel would become a flat line.
    """
    values = channel.values[np.isfinite(channel.values)]
    fits_16, fits_32 = (
        fits_resolution(values, channel.resolution, limit) for limit in _LIMIT.values()
    )
    if fits_16 or fits_32 or values.size == 0:
        return fits_16 or not fits_32
    low, lower, upper, high = np.percentile(values, (0, 25, 75, 100))
    return bool(high - low <= _N_STEPS["16"] / 100 * (upper - lower))


def _to_integers(channel: Channel, code: str) -> tuple[Int[np.ndarray, "T"], float, int]:
    """Returns integers, gain and baseline: ``value = (integer - baseline) / gain``."""
    values = channel.values
    finite = values[np.isfinite(values)]
    gain, baseline = 1.0, 0
    if channel.resolution is not None and fits_resolution(values, channel.resolution, _LIMIT[code]):
        gain = float(f"{1 / channel.resolution:.12g}")
    elif finite.size:
        low, high = float(finite.min()), float(finite.max())
        centre = (low + high) / 2
        # float32 has no steps finer than the second bound, nor the header a larger baseline
        bounds = [_N_STEPS[code] / (high - low)] if high > low else []
        bounds += [2**30 / abs(centre)] if centre != 0 else []
        gain = float(f"{min(bounds, default=1.0):.9g}")
        baseline = -round(centre * gain)
    integers = np.full(values.shape, INVALID[code], dtype=np.int64)
    is_finite = np.isfinite(values)
    integers[is_finite] = np.rint(finite * gain).astype(np.int64) + baseline
    return integers, gain, baseline
