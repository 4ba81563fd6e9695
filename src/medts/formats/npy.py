"""NPY and NPZ: NumPy's arrays; an NPZ written here holds a whole record, and nothing is lost.

Such an NPZ has one array ``<stream>.signal`` per stream and all else as JSON in ``record``. An NPZ
from elsewhere needs ``signal`` and may have ``sampling_rate``, ``channels``, ``unit`` and
``modality``; a bare NPY needs the caller's hints. Arrays are channels by time; pickles are never
opened.

Axes: C channels, T samples in time.
"""

import io
import json
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, ReadError
from medts.core.files import write_whole
from medts.core.records import Annotation, Measurement, Record, Statement, Stream
from medts.formats.base import Channel, Format, Hints, check_renamed, gather, head_of, settle_rate

_STATED = ("channels", "sampling_rate", "modality", "unit", "start_s", "derived")
_NAMES = ("channels", "derived")
_MOST_RATIO, _MOST_SMALL = 200, 64 * 2**20
"""An archive may not announce more than this multiple of its size, or some small amount."""


def recognises(path: Path) -> bool:
    """Whether the file is an NPY array or a zip archive whose first member is one."""
    head = head_of(path, 512)
    if head.startswith(b"\x93NUMPY"):
        return True
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return head.startswith(b"PK\x03\x04") and name.endswith(b".npy")


def read(path: Path, hints: Hints) -> Record:
    """Reads an array, or a record written by `write`.

    Raises:
        ReadError: If the file is damaged, holds objects, lies with its axes, or lacks what the
            hints do not add.
    """
    arrays = _load(path)
    if "record" in arrays:
        return _read_record(path, arrays, hints)
    if "signal" not in arrays:
        problem = f"no array 'signal' among {', '.join(sorted(arrays))}"
        remedy = "Save the channels by time as signal, with sampling_rate, channels and unit"
        raise ReadError(problem, path=path, remedy=remedy)
    stated = settle_rate(path, _scalar(path, arrays, "sampling_rate"), hints)
    names = [str(name) for name in np.atleast_1d(arrays.get("channels", []))]
    if not names and hints.channels is None:
        problem = "the array has no channel names"
        remedy = "Pass channels= with one name per row"
        raise ReadError(problem, path=path, field="channels", remedy=remedy)
    signal = _check_axes(path, arrays["signal"], len(names or hints.channels or ()))
    unit = str(arrays.get("unit", ""))
    channels = [
        Channel(name, signal[row], stated, unit)
        for row, name in enumerate(names or [""] * len(signal))
    ]
    modality = str(arrays.get("modality", "")) or None
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, replace(hints, modality=hints.modality or modality)),
    )


def write(record: Record, path: Path) -> None:
    """Writes the whole record as NPZ."""
    fields = {
        "record_id": record.record_id,
        "subject_id": record.subject_id,
        "report": record.report,
        "statements": [asdict(statement) for statement in record.statements],
        "annotations": [asdict(annotation) for annotation in record.annotations],
        "measurements": [each.model_dump() for each in record.measurements],
        "facts": record.facts,
        "streams": {
            name: {
                **{field: getattr(stream, field) for field in _STATED},
                "resolution": None if stream.resolution is None else stream.resolution.tolist(),
            }
            for name, stream in record.streams.items()
        },
    }
    arrays = {f"{name}.signal": stream.signal for name, stream in record.streams.items()}
    with write_whole(path) as target, target.open("wb") as file:
        np.savez(file, allow_pickle=False, record=np.array(json.dumps(fields)), **arrays)


FORMAT = Format("npy", "NPY or NPZ", (".npz", ".npy"), recognises, read, write, order=30)


def _load(path: Path) -> dict[str, Any]:
    """Returns the arrays of a file by name; an NPY holds one, called ``signal``."""
    data = path.read_bytes()
    try:
        if data.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                n_bytes = sum(member.file_size for member in archive.infolist())
            if n_bytes > max(_MOST_RATIO * len(data), _MOST_SMALL):
                raise ValueError(f"{n_bytes} bytes in an archive of {len(data)}, a zip bomb")
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        return {"signal": loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except Exception as error:  # whatever NumPy's parser of headers and the archive raise
        remedy = "Save plain numbers, not objects; fetch the file again if it is cut short"
        raise ReadError(f"the arrays cannot be read: {error}", path=path, remedy=remedy) from error


def _scalar(path: Path, arrays: dict[str, Any], name: str) -> float | None:
    value = arrays.get(name)
    if value is None:
        return None
    if value.size != 1 or value.dtype.kind not in "iuf" or not 0 < float(value.item()) < np.inf:
        raise ReadError("not one positive number", path=path, field=name)
    return float(value.item())


def _check_axes(path: Path, signal: Any, n_channels: int) -> Float[np.ndarray, "C T"]:
    """Returns the array as floats; axes are never swapped in silence."""
    if signal.dtype.kind not in "iuf":
        raise ReadError(f"{signal.dtype} values are no signal", path=path, field="signal")
    array = signal[None] if signal.ndim == 1 else signal
    if array.ndim == 2 and len(array) == n_channels:
        return array.astype(np.float64)
    if array.ndim == 2 and array.shape[1] == n_channels:
        problem = f"shape {array.shape} looks like (time, channels) for {n_channels} channel names"
        remedy = "Transpose the array to (channels, time)"
        raise ReadError(problem, path=path, field="signal", remedy=remedy)
    problem = f"shape {signal.shape} does not fit {n_channels} channel names"
    remedy = "Give an array of (channels, time) and one name per channel"
    raise ReadError(problem, path=path, field="signal", remedy=remedy)


def _read_record(path: Path, arrays: dict[str, Any], hints: Hints) -> Record:
    try:
        fields = json.loads(str(arrays["record"]))
        streams = {
            name: Stream(
                signal=arrays[f"{name}.signal"],
                **{field: stated[field] for field in _STATED if field not in _NAMES},
                channels=tuple(stated["channels"]),
                derived=tuple(stated["derived"]),
                resolution=None if stated["resolution"] is None else np.array(stated["resolution"]),
            )
            for name, stated in fields["streams"].items()
        }
        record = Record(
            record_id=fields["record_id"],
            streams=streams,
            subject_id=fields["subject_id"],
            report=fields["report"],
            statements=tuple(Statement(**each) for each in fields["statements"]),
            annotations=tuple(Annotation(**each) for each in fields["annotations"]),
            measurements=tuple(Measurement(**each) for each in fields["measurements"]),
            facts=fields["facts"],
        )
    except (KeyError, TypeError, AttributeError, MedtsError, json.JSONDecodeError) as error:
        raise ReadError(f"the record is damaged: {error!r}", path=path) from error
    return _apply_hints(path, record, hints)


def _apply_hints(path: Path, record: Record, hints: Hints) -> Record:
    """Applies hints to a complete record: picks channels, refuses hints that contradict it."""
    for field in ("sampling_rate", "unit", "modality"):
        wanted = getattr(hints, field)
        found = sorted({getattr(stream, field) for stream in record.streams.values()})
        if wanted is not None and wanted not in found:
            problem = f"{field}={wanted} was given, but the record has {', '.join(map(str, found))}"
            raise ReadError(problem, path=path, field=field, remedy=f"Leave {field}= out")
    check_renamed(path, [name for s in record.streams.values() for name in s.channels], hints)
    record = replace(
        record,
        streams={
            name: replace(stream, channels=tuple(map(hints.renamed, stream.channels)))
            for name, stream in record.streams.items()
        },
    )
    if hints.channels is None:
        return record
    streams = {
        name: stream.pick(tuple(each for each in hints.channels if each in stream.channels))
        for name, stream in record.streams.items()
        if set(hints.channels) & set(stream.channels)
    }
    missing = set(hints.channels) - {each for s in streams.values() for each in s.channels}
    if missing:
        raise ReadError(f"no channel {', '.join(sorted(missing))}", path=path, field="channels")
    return replace(record, streams=streams)
