"""EEGLAB `.set` files (MATLAB 5 structures) through SciPy, samples inside or in an `.fdt`.

The `.set` holds one variable ``EEG``, or the fields of it as variables. Its field ``data`` is an
array of channels by time, or the name of a file of 32-bit floats in which the channels of one
moment are neighbours. The format has no unit: by its convention voltages are in µV. Files of
MATLAB 7.3, which are HDF5, and datasets cut into epochs are refused.

Axes: C channels, T samples in time.
"""

import struct
import warnings
import zlib
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from jaxtyping import Float

from medts.core.errors import MedtsError, ReadError
from medts.core.files import write_whole
from medts.core.montage import guess_modality
from medts.core.records import Annotation, Record
from medts.core.units import UNIT_OF, canonical_unit, conversion_factor
from medts.formats.base import Channel, Format, Hints, gather, head_of, settle_rate
from medts.formats.layout import REMEDY, flatten

_MAGIC, _MAGIC_HDF5 = b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"
_BYTE_ORDERS = (b"IM", b"MI")
_VOLTS = ("V", "mV", "µV", "nV")

_DAMAGE = (
    *(ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, ArithmeticError),
    *(MemoryError, NotImplementedError, RuntimeError, AssertionError, struct.error, zlib.error),
)
"""What SciPy raises for a file that is cut short or altered, besides an error of its own."""


def recognises(path: Path) -> bool:
    """Whether the file begins like one of MATLAB 5 to 7.3; what it holds is seen on reading."""
    head = head_of(path, 128)
    is_five = head.startswith(_MAGIC) and head[126:128] in _BYTE_ORDERS
    return is_five or head.startswith(_MAGIC_HDF5)


def read(path: Path, hints: Hints) -> Record:
    """Reads the samples of a continuous dataset, and its events as annotations.

    Raises:
        ReadError: If the file is damaged, of MATLAB 7.3, no dataset, or cut into epochs; if its
            ``.fdt`` is missing or of another size; if names and units do not suffice.
    """
    dataset = _dataset(path)
    n_trials = _count(path, dataset, "trials") if "trials" in dataset else 1
    if np.ndim(dataset["data"]) > 2:
        n_trials = np.shape(dataset["data"])[-1]
    if n_trials != 1:
        problem = f"the dataset is cut into {n_trials} epochs"
        remedy = "Save the continuous recording in EEGLAB, before epochs are extracted"
        raise ReadError(problem, path=path, field="trials", remedy=remedy)
    sampling_rate = settle_rate(path, _number(path, dataset, "srate"), hints)
    shape = _count(path, dataset, "nbchan"), _count(path, dataset, "pnts")
    signal = _signal(path, dataset["data"], shape)
    places = _structures(path, dataset, "chanlocs")
    if len(places) not in (0, len(signal)):
        problem = f"{len(places)} channels are described, {len(signal)} recorded"
        raise ReadError(problem, path=path, field="chanlocs")
    names = [_text(place.get("labels")) for place in places] or [""] * len(signal)
    units = [_text(place.get("unit")) for place in places] or [""] * len(signal)
    channels = [
        Channel(name, values, sampling_rate, unit or _conventional_unit(hints.renamed(name), hints))
        for name, values, unit in zip(names, signal, units, strict=True)
    ]
    return Record(
        record_id=path.stem,
        streams=gather(path, channels, hints),
        annotations=_annotations(path, dataset, sampling_rate),
    )


def write(record: Record, path: Path) -> None:
    """Writes signals, in µV where they are voltages, and annotations into a `.set` alone.

    Raises:
        MedtsError: If there are several rates, or streams start or end at different times.
    """
    from scipy.io import savemat

    channels = flatten(record, path)
    rates = sorted({channel.sampling_rate for channel in channels})
    if len(rates) > 1:
        raise MedtsError(
            f"EEGLAB holds one sampling rate, not {', '.join(f'{rate:g}' for rate in rates)} Hz",
            path=path,
            remedy=REMEDY,
        )
    is_volt = [canonical_unit(channel.unit) in _VOLTS for channel in channels]
    factors = [
        conversion_factor(channel.unit, "µV") if volt else 1.0
        for channel, volt in zip(channels, is_volt, strict=True)
    ]
    signal = np.stack([each.values * by for each, by in zip(channels, factors, strict=True)])
    places = [
        (channel.name, "uV" if volt else channel.unit)
        for channel, volt in zip(channels, is_volt, strict=True)
    ]
    events = [
        (each.label, each.time_s * rates[0] + 1.0, each.duration_s * rates[0])
        for each in record.annotations
    ]
    dataset = {
        "setname": record.record_id,
        "nbchan": float(len(signal)),
        "trials": 1.0,
        "pnts": float(signal.shape[1]),
        "srate": rates[0],
        "xmin": 0.0,
        "xmax": (signal.shape[1] - 1) / rates[0],
        "data": signal.astype(np.float32),
        "chanlocs": _structure_array(("labels", "unit"), places),
        "event": _structure_array(("type", "latency", "duration"), events),
        **{f"ica{each}": [] for each in ("act", "winv", "sphere", "weights", "chansind")},
    }
    with write_whole(path) as target, target.open("wb") as file:
        savemat(file, {"EEG": dataset})


FORMAT = Format("eeglab", "EEGLAB", (".set",), recognises, read, write, order=40)


def load_matlab(path: Path, *, simplify: bool) -> dict[str, Any]:
    """Returns the variables of a MATLAB file by name; nothing in one is ever run.

    Args:
        path: The file.
        simplify: Structures become dictionaries, and axes of length one vanish.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if head_of(path, len(_MAGIC_HDF5)) == _MAGIC_HDF5:
        problem = "files of MATLAB 7.3 (HDF5) are not supported"
        remedy = "Save it again in MATLAB or EEGLAB with the option -v6 or -v7"
        raise ReadError(problem, path=path, field="header", remedy=remedy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variable stored twice, or of a class of MATLAB's own
        try:
            return loadmat(path, simplify_cells=simplify)
        except (*_DAMAGE, MatReadError) as error:
            problem = f"cannot be read as a MATLAB file: {error}"
            remedy = "Fetch it again if it is cut short"
            raise ReadError(problem, path=path, remedy=remedy) from error


def _dataset(path: Path) -> dict[str, Any]:
    """Returns the fields of the dataset, wherever they are."""
    found = load_matlab(path, simplify=True)
    dataset = found.get("EEG", found)
    if not isinstance(dataset, dict) or "data" not in dataset:
        names = ", ".join(sorted(name for name in found if not name.startswith("__")))
        problem = f"a MATLAB file, but no EEGLAB dataset; it holds {names or 'nothing'}"
        remedy = "Save one dataset in EEGLAB, or the signal as .npz"
        raise ReadError(problem, path=path, field="EEG", remedy=remedy)
    return dataset


def _signal(path: Path, data: Any, shape: tuple[int, int]) -> Float[np.ndarray, "C T"]:
    """Returns the samples, from the dataset or from the file that it names."""
    if isinstance(data, str):
        return _read_fdt(path, data, shape)
    values = np.asarray(data)
    if values.dtype.kind not in "iuf":
        raise ReadError(f"{values.dtype} values are no signal", path=path, field="data")
    if np.squeeze(values).shape != tuple(length for length in shape if length != 1):
        problem = f"an array of shape {values.shape}, but nbchan and pnts say {shape}"
        remedy = "Fetch the file again, or save it again in EEGLAB"
        raise ReadError(problem, path=path, field="data", remedy=remedy)
    return values.reshape(shape).astype(np.float64)


def _read_fdt(path: Path, data: str, shape: tuple[int, int]) -> Float[np.ndarray, "C T"]:
    """Reads the file called like the dataset, else the named one if it is no other dataset's.

    A dataset that was renamed still names the file it once had, which may now be another's.
    """
    name = PureWindowsPath(data).name
    if name.endswith(".dat"):
        problem = f"samples in {name}, a file of old EEGLAB with its axes turned, are not supported"
        remedy = "Open the dataset in a newer EEGLAB and save it again"
        raise ReadError(problem, path=path, field="data", remedy=remedy)
    own = path.with_suffix(".fdt")
    named = path.with_name(name) if name else own
    candidates = [own, path.with_suffix(".FDT"), named]
    file = next((each for each in candidates if each.is_file()), None)
    if file is None:
        wanted = " or ".join(dict.fromkeys((named.name, own.name)))
        problem = f"its samples are in {wanted}, which is not beside it"
        remedy = "Put the .fdt into the folder of the .set"
        raise ReadError(problem, path=path, field="data", remedy=remedy)
    if file == named != own and named.with_suffix(".set").is_file():
        problem = f"names {name}, which belongs to {named.stem}.set beside it"
        remedy = f"Put its own samples beside it, as {own.name}"
        raise ReadError(problem, path=path, field="data", remedy=remedy)
    n_channels, n_samples = shape
    if file.stat().st_size != 4 * n_channels * n_samples:
        raise ReadError(
            f"holds {file.stat().st_size} bytes; {n_channels} channels of {n_samples} samples "
            f"are {4 * n_channels * n_samples}",
            path=file,
            field="data",
            remedy="Fetch the .set and the .fdt again; they belong together",
        )
    return np.fromfile(file, dtype="<f4").reshape(n_samples, n_channels).T.astype(np.float64)


def _annotations(
    path: Path, dataset: dict[str, Any], sampling_rate: float
) -> tuple[Annotation, ...]:
    """Returns the events; EEGLAB counts samples from one."""
    found = []
    for event in _structures(path, dataset, "event"):
        try:
            latency = float(event["latency"])
            duration = float(event["duration"]) if np.size(event.get("duration", ())) else 0.0
            if not np.isfinite(latency):
                raise ValueError(latency)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"event {len(found) + 1} has no time in samples"
            raise ReadError(problem, path=path, field="event") from error
        found.append(
            Annotation(
                (latency - 1.0) / sampling_rate,
                _text(event.get("type")),
                "annotation",
                duration_s=max(0.0, duration) / sampling_rate,
            )
        )
    return tuple(found)


def _conventional_unit(name: str, hints: Hints) -> str:
    """Returns µV where the channel is a voltage; the file has nothing on the others."""
    held = UNIT_OF[hints.modality or guess_modality(name)]
    return "uV" if held in _VOLTS and hints.unit is None else ""


def _number(path: Path, dataset: dict[str, Any], name: str) -> float | None:
    """Returns a positive number; None where the field is missing or empty."""
    value = np.asarray(dataset.get(name, ()))
    if value.size == 0:
        return None
    if value.size > 1 or value.dtype.kind not in "iuf" or not 0 < float(value.item()) < np.inf:
        raise ReadError("not one positive number", path=path, field=name)
    return float(value.item())


def _count(path: Path, dataset: dict[str, Any], name: str) -> int:
    value = _number(path, dataset, name)
    if value is None or value != round(value):
        raise ReadError("not a whole number", path=path, field=name)
    return int(value)


def _structures(path: Path, dataset: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Returns an array of structures; a single one and none are stored differently."""
    value = dataset.get(name, ())
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    if np.size(value) == 0:
        return []
    raise ReadError("not an array of structures", path=path, field=name)


def _structure_array(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
    return np.array([rows], dtype=[(name, object) for name in names])


def _text(value: Any) -> str:
    """Returns text or a number as text; nothing for an empty array."""
    if isinstance(value, str):
        return value.strip()
    if value is None or np.size(value) != 1 or np.asarray(value).dtype.kind not in "iuf":
        return ""
    return f"{float(np.asarray(value).item()):g}"
