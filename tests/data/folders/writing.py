"""Small folders of recordings, as tests write them."""

from pathlib import Path

import numpy as np

from medts.core.records import Record, Stream
from medts.formats import FORMATS

SUFFIX = {"wfdb": ".hea", "edf": ".edf", "csv": ".csv"}


def write_recording(path: Path, *, kind: str = "csv", duration_s: float = 2.0, seed: int = 0):
    """Writes one ECG of two leads at 100 Hz in steps of 5 µV; returns it in mV."""
    steps = np.random.default_rng(seed).integers(-200, 200, (2, round(duration_s * 100)))
    signal = (steps * 0.005).astype(np.float32)
    stream = Stream(signal, ("I", "II"), 100.0, "ecg", "mV", resolution=np.full(2, 0.005))
    path.parent.mkdir(parents=True, exist_ok=True)
    FORMATS[kind].write(Record(path.stem, {"ecg": stream}), path.with_suffix(SUFFIX[kind]))
    return signal


def write_folder(folder: Path, names: str = "a b c d", **settings) -> Path:
    """Writes some recordings, the first with seed 0."""
    for seed, name in enumerate(names.split()):
        write_recording(folder / name, seed=seed, **settings)
    return folder


def write_table(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """Writes a table whose lines are given indented."""
    lines = [line.strip() for line in text.strip().splitlines()]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path
