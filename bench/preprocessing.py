"""Preprocessing by NumPy (FIR at the model's rate) against scipy (Butterworth, then resampling).

    python bench/preprocessing.py [--hours 24]

Both take the same recordings in the same run to 100 Hz from 0.5 Hz on: twelve leads of ten seconds
at 500 Hz, and three leads of a day at 250 Hz. The other way is what ``medts`` did before: a whole
record through ``sosfiltfilt`` at the recorder's rate and through ``resample_poly``. Memory is the
peak of what either allocates, without the recording. Imports are timed in new processes.
"""

import argparse
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy import signal as dsp

from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Stream
from medts.signal.filtering import resample
from medts.signal.preprocess import StreamPreprocessing, prepare_stream


def main() -> None:
    """Prints times, ratios, memory and the difference of the resamplers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    hours = parser.parse_args().hours
    short = recording(12, 10.0, 500.0)
    compare("12 leads x 10 s, 500 -> 100 Hz", short, n_rounds=51)
    difference = resample(short.signal, 500.0, 100.0) - dsp.resample_poly(
        short.signal, 1, 5, axis=1, padtype="line"
    )
    print(f"  largest difference of resample from resample_poly  {np.abs(difference).max():.1e} mV")
    compare(f"3 leads x {hours:g} h, 250 -> 100 Hz", recording(3, 3600 * hours, 250.0), n_rounds=1)
    for name in ("numpy", "medts.signal.preprocess", "scipy.signal"):
        print(f"import {name:26} {statistics.median(import_s(name) for _ in range(5)):6.2f} s")


def recording(n_leads: int, duration_s: float, rate: float) -> Stream:
    """Returns noise that wanders, in mV."""
    shape = (n_leads, round(duration_s * rate))
    signal = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    np.cumsum(signal, axis=1, out=signal)
    signal *= np.float32(0.01)
    return Stream(signal, STANDARD_12_LEADS[:n_leads], rate, "ecg", "mV")


def compare(name: str, stream: Stream, *, n_rounds: int) -> None:
    """Times both in turn."""
    spec = StreamPreprocessing(channels=stream.channels)
    ways = {
        "NumPy": lambda: prepare_stream(stream, spec, name="ecg").signal,
        "scipy": lambda: with_scipy(stream, spec),
    }
    seconds = {way: [] for way in ways}
    for _ in range(n_rounds):
        for way, call in ways.items():
            seconds[way].append(timed(call))
    print(f"{name} ({stream.signal.nbytes / 2**20:.1f} MiB)")
    for way, call in ways.items():
        median_ms = 1000 * statistics.median(seconds[way])
        print(f"  {way}  {median_ms:10.2f} ms   peak {peak_mib(call):8.1f} MiB")
    ratios = [b / a for a, b in zip(seconds["NumPy"], seconds["scipy"], strict=True)]
    print(f"  ratio  {statistics.median(ratios):9.1f} x")


def with_scipy(stream: Stream, spec: StreamPreprocessing) -> np.ndarray:
    """Returns the stream as it was prepared before."""
    signal = stream.signal - np.median(stream.signal, axis=1, keepdims=True)
    rate = stream.sampling_rate
    sections = dsp.butter(2, spec.low_hz, btype="highpass", fs=rate, output="sos")
    padding = min(signal.shape[1] - 1, int(rate / 0.5))
    signal = dsp.sosfiltfilt(sections, signal.astype(np.float64), axis=1, padlen=padding)
    up, down = (2, 5) if rate == 250.0 else (1, 5)
    signal = dsp.resample_poly(signal.astype(np.float32), up, down, axis=1, padtype="line")
    return np.clip(signal / np.float32(spec.scale), -spec.clip, spec.clip)


def peak_mib(call: Callable[[], object]) -> float:
    """Returns the most memory that a call holds at once, its result included."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def timed(call: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def import_s(name: str) -> float:
    """Returns the seconds of a new process that imports a module, less those of an empty one."""
    commands = ([sys.executable, "-c", f"import {name}"], [sys.executable, "-c", ""])
    module, empty = (
        timed(lambda command=command: subprocess.run(command, check=True)) for command in commands
    )
    return module - empty


if __name__ == "__main__":
    main()
