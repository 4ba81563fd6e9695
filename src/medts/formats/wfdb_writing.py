"""Writing WFDB: one header and one signal file, with beats and rhythms in an `.atr` beside them.

Where a stream knows its resolution, the recorder's integers are written back without loss;
otherwise a channel's range is spread over 16 bits. Report, statements and facts other than age
and sex have no place in WFDB.

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
from medts.formats.wfdb import INVALID
from medts.formats.wfdb_annotations import write_annotations

_LIMIT = {"16": 32_767, "32": 2**31 - 1}


def write(record: Record, path: Path) -> None:
    """Writes ``path`` (bare name or ``.hea``), the ``.dat`` and, where needed, the ``.atr``.

    Raises:
        MedtsError: If the record does not fit into one WFDB record.
    """
    import wfdb

    name = path.stem if path.suffix in (".hea", ".dat") else path.name
    if not re.fullmatch(r"[-\w]+", name):
        raise MedtsError(
            f"record name {name!r} has other characters than letters, digits, - and _", path=path
        )
    channels = flatten(record, path)
    rate = frame_rate(channels)
    per_frame = [int(exact_rate(channel.sampling_rate) / rate) for channel in channels]
    n_frames = Fraction(len(channels[0].values), per_frame[0])
    if n_frames.denominator != 1:
        raise MedtsError("the streams do not end on a whole frame", path=path, remedy=REMEDY)
    code = "16" if all(_fits_16_bits(channel) for channel in channels) else "32"
    packed = [_to_integers(channel, code) for channel in channels]
    n_channels = len(channels)
    written = wfdb.Record(
        record_name=name,
        n_sig=n_channels,
        fs=int(rate) if rate.denominator == 1 else float(rate),
        sig_len=int(n_frames),
        e_d_signal=[integers for integers, _, _ in packed],
        file_name=[f"{name}.dat"] * n_channels,
        fmt=[code] * n_channels,
        samps_per_frame=per_frame,
        adc_gain=[gain for _, gain, _ in packed],
        baseline=[baseline for _, _, baseline in packed],
        units=[channel.unit for channel in channels],
        adc_res=[int(code)] * n_channels,
        adc_zero=[0] * n_channels,
        init_value=[int(integers[0]) for integers, _, _ in packed],
        block_size=[0] * n_channels,
        sig_name=[channel.name for channel in channels],
        comments=[f"{key}: {record.facts[key]}" for key in ("age", "sex") if key in record.facts],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder:
        written.checksum = written.calc_checksum(expanded=True)
        written.wrsamp(expanded=True, write_dir=folder)
        if record.annotations:
            finest = max(channel.sampling_rate for channel in channels)
            write_annotations(record.annotations, Path(folder), name, finest)
        else:
            path.with_name(f"{name}.atr").unlink(missing_ok=True)
        for suffix in (".dat", ".atr", ".hea"):
            if (source := Path(folder, name + suffix)).is_file():
                source.replace(path.with_name(name + suffix))


def _fits_16_bits(channel: Channel) -> bool:
    """Whether 16 bits suffice, which they do for range scaling by definition."""
    limits = [
        fits_resolution(channel.values, channel.resolution, limit) for limit in _LIMIT.values()
    ]
    return limits[0] or not limits[1]


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
        # float32 cannot tell steps finer than the second bound, nor the header a larger baseline
        bounds = [64_000 / (high - low)] if high > low else []
        bounds += [2**30 / abs(centre)] if centre != 0 else []
        gain = float(f"{min(bounds, default=1.0):.9g}")
        baseline = -round(centre * gain)
    integers = np.full(values.shape, INVALID[code], dtype=np.int64)
    is_finite = np.isfinite(values)
    integers[is_finite] = np.rint(finite * gain).astype(np.int64) + baseline
    return integers, gain, baseline
