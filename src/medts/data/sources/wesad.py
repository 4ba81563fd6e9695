"""WESAD: wearable stress and affect detection, by a chest strap and a wrist band.

``SN/SN.pkl`` holds one subject: eight signals at their own rates and the condition at 700 Hz.
Pickles may run anything when they are opened, so only arrays, dictionaries and text are let
through, and a file that refers to anything else is refused.

Axes: C channels, T samples in time.
"""

import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medts.core.errors import ReadError
from medts.core.records import Record, Stream
from medts.data.sources.base import Entry, Source, SourceCard, single
from medts.data.sources.pieces import Bout, keep_last, list_pieces, numbered, runs
from medts.data.sources.reading import require_file

PIECE_S = 10.0
"""Length of a record, seconds."""

LABEL_RATE = 700.0
"""Rate of the condition and of every signal of the chest, Hz."""

STATES = {
    "baseline": "neutral reading",
    "stress": "stressed by a public speech and mental arithmetic",
    "amusement": "amused by funny videos",
    "meditation": "calm in guided meditation",
}
_STATE_OF = dict(enumerate(STATES, start=1))

_XYZ = ("x", "y", "z")
_SIGNALS = {
    "ecg": ("chest", "ECG", 700.0, "ecg", "mV", ("ECG",), 1.0),
    "emg": ("chest", "EMG", 700.0, "emg", "mV", ("trapezius",), 1.0),
    "eda": ("chest", "EDA", 700.0, "eda", "µS", ("abdomen",), 1.0),
    "resp": ("chest", "Resp", 700.0, "resp", "a.u.", ("thorax",), 1.0),
    "temp": ("chest", "Temp", 700.0, "temp", "°C", ("abdomen",), 1.0),
    "acc": ("chest", "ACC", 700.0, "acc", "g", _XYZ, 1.0),
    "ppg": ("wrist", "BVP", 64.0, "ppg", "a.u.", ("wrist",), 1.0),
    "wrist-acc": ("wrist", "ACC", 32.0, "acc", "g", _XYZ, 1 / 64),
    "wrist-eda": ("wrist", "EDA", 4.0, "eda", "µS", ("wrist",), 1.0),
    "wrist-temp": ("wrist", "TEMP", 4.0, "temp", "°C", ("wrist",), 1.0),
}
"""For each stream: place, key, Hz, modality, unit, channels, and the size of one step in unit."""

_MAKERS = ("_reconstruct", "scalar")
_HARMLESS = {
    *((f"numpy.{core}.multiarray", each) for core in ("core", "_core") for each in _MAKERS),
    *(("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")),
}
"""All that an array needs to come out of a pickle of Python 2 or 3."""

_NOT_A_PICKLE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError),
    *(AttributeError, ImportError, OverflowError),
)
"""What an unpickler raises for a file that is cut short or no pickle at all."""


class Wesad(Source):
    """WESAD (CC BY 4.0): 15 subjects, chest at 700 Hz and wrist at 4 to 64 Hz; records of 10 s.

    Every subject is a fold, under its own number: ``2`` to ``17`` without ``12``.
    """

    name: ClassVar[str] = "wesad"
    card: ClassVar[SourceCard] = SourceCard(
        title="WESAD: Wearable Stress and Affect Detection",
        licence="CC BY 4.0; the authors ask for academic, non-commercial use",
        citation=(
            "Schmidt et al., Introducing WESAD, a Multimodal Dataset for Wearable Stress and "
            "Affect Detection. ICMI 2018, 400-408, doi:10.1145/3242969.3242985"
        ),
        obtain="https://doi.org/10.24432/C57K5T",
        subjects="15",
        records="ten seconds of one condition of one subject",
        streams={
            "ecg, emg, eda, resp, temp, acc": (
                "chest strap",
                "mV, µV, µS, arbitrary, °C, g",
                "700 Hz",
            ),
            "ppg": ("wrist band", "arbitrary", "64 Hz"),
            "wrist-acc": ("x, y, z", "g", "32 Hz"),
            "wrist-eda, wrist-temp": ("one each", "µS, °C", "4 Hz"),
        },
        folds=(
            "one for each subject, under its own number: 2 to 17 without 12; cross-validate "
            "over subjects"
        ),
        defects=(
            "distributed as pickles: read by an unpickler that lets only arrays, "
            "dictionaries and text through",
            "transitions and questionnaires (conditions 0, 5, 6 and 7) are left out",
            "subjects 1 and 12 do not exist: their sensors failed",
            "less than five seconds at the end of a condition are left out",
            "a pickle that asks for anything else is refused before it is called",
            "tested on small files in the official layout; the corpus itself was not at hand",
        ),
        is_public=True,
    )

    label_sets = (
        single(
            "wesad/state",
            STATES,
            "Which condition somebody with sensors on chest and wrist is in during ten seconds.",
        ),
    )

    def entries(self, path: Path) -> Iterator[Entry]:
        """Lists ten-second pieces of every subject in turn; an unreadable subject is one entry."""
        path = Path(path)
        folders = [folder for folder in path.glob("S*") if folder.is_dir()]
        for number, folder in numbered(folders, r"S(\d+)", folder=path, corpus="WESAD").items():
            yield from list_pieces(
                partial(read_subject, folder / f"S{number}.pkl"),
                name=f"S{number}",
                subject_id=f"S{number}",
                fold=str(number),
                piece_s=PIECE_S,
            )


@keep_last
def read_subject(file: Path) -> tuple[Bout, ...]:
    """Reads one subject, a bout for every stretch of one condition."""
    content = load_arrays(require_file(file, corpus="WESAD"))
    signals = content.get("signal")
    label = np.asarray(content.get("label", ())).ravel()
    if not isinstance(signals, Mapping) or not len(label):
        raise ReadError("holds no signal and label", path=file)
    streams = {name: _stream(signals, name, file) for name in _SIGNALS}
    record = Record(file.stem, streams, subject_id=file.stem)
    return tuple(
        Bout(record, first / LABEL_RATE, stop / LABEL_RATE, {"state": (_STATE_OF[code],)})
        for code, first, stop in runs(label)
        if code in _STATE_OF
    )


def load_arrays(file: Path) -> dict[str, Any]:
    """Reads a pickled dictionary of arrays; nothing else in it is ever called."""
    try:
        with file.open("rb") as content:
            loaded = _ArraysOnly(content, encoding="latin1").load()
    except _NOT_A_PICKLE as error:
        problem, remedy = f"cannot be read as arrays: {error}", "Fetch it again from its origin"
        raise ReadError(problem, path=file, remedy=remedy) from error
    if not isinstance(loaded, dict):
        raise ReadError(f"holds a {type(loaded).__name__}, not a dictionary", path=file)
    return loaded


class _ArraysOnly(pickle.Unpickler):
    """Restricted unpickler: makes arrays and refuses to look up anything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Returns a global that a pickle of arrays may use."""
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it needs {module}.{name}, which is no array")
        return super().find_class(module, name)


def _stream(signals: Mapping[str, Any], name: str, file: Path) -> Stream:
    place, key, rate, modality, unit, channels, step = _SIGNALS[name]
    field = f"{place} {key}"
    try:
        values = np.asarray(signals[place][key], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError("no such signal", path=file, field=field) from error
    values = values.reshape(len(values), -1).T
    if len(values) != len(channels):
        problem = f"{len(values)} channels instead of {len(channels)}"
        raise ReadError(problem, path=file, field=field)
    stream = Stream(values * np.float32(step), channels, rate, modality, unit)
    return stream.to_unit("µV") if modality == "emg" else stream
