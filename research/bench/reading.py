"""From file to window: WFDB records, batches from the store, preprocessing, beside wfdb and scipy.

Reading is that of PTB-XL (500 Hz, 12 leads, 10 s, format 16) and MIT-BIH (360 Hz, 2 leads, 30 min,
format 212) under ``--data`` ($MEDTS_DATA). Ours gives float32 in millivolts, wfdb float64. The
store copies windows out of memory-mapped int16, wfdb parses and converts a file each; the page
cache is warm for both. Without recordings synthetic ones are written as WFDB files and ingested.

Preprocessing by NumPy (FIR at the model's rate) stands against scipy (Butterworth at the
recorder's rate, then resampling): twelve leads of ten seconds at 500 Hz, and three leads of a day
at 250 Hz, to 100 Hz from 0.5 Hz on. Memory is the peak of what either allocates, without the
recording. Imports are timed in new processes.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb
from scipy import signal as dsp

from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Stream
from medts.data.ingest import ingest
from medts.data.sources.ptb_xl import PtbXl
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.formats import FORMATS, read
from medts.signal.filtering import resample
from medts.signal.preprocess import StreamPreprocessing, prepare_stream
from research.bench.common import by_turns, options, seconds_of

BATCH = 64
CORPORA = {"PTB-XL": "ptb-xl/records500/*/*.hea", "MIT-BIH": "mitdb/*.hea"}


def main() -> None:
    """Prints the three comparisons."""
    data = os.environ.get("MEDTS_DATA", "")
    args = options(__doc__, data=data, records=20, repeats=7, batches=20, hours=24.0)
    if args.data:
        read_files(Path(args.data), args.records, args.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        store, files = prepare(args.data, Path(temporary))
        compare_batches(store, files, args.batches)
    compare_preprocessing(args.hours)


def read_files(data: Path, n_records: int, n_repeats: int) -> None:
    """Prints milliseconds per record of both, and their ratio."""
    for name, pattern in CORPORA.items():
        headers = sorted(data.glob(pattern))[:n_records]
        print(f"{name}: {len(headers)} records, best of {n_repeats} passes")
        with tempfile.TemporaryDirectory() as folder:
            for header in headers:
                for suffix in (".hea", ".dat"):
                    shutil.copy(header.with_suffix(suffix), folder)
            bare = [str(Path(folder, header.stem)) for header in headers]
            compare_reading("signals", wfdb.rdrecord, read, bare, n_repeats)
            difference = max(
                np.abs(read(each).streams["ecg"].signal - wfdb.rdrecord(each).p_signal.T).max()  # pyright: ignore
                for each in bare
            )
        print(f"  largest difference {difference:.1e} mV")
        if headers[0].with_suffix(".atr").is_file():
            whole = [str(header.with_suffix("")) for header in headers]
            compare_reading("with annotations", read_both, read, whole, n_repeats)


def read_both(record: str) -> None:
    """Reads signals and annotations by wfdb."""
    wfdb.rdrecord(record)
    wfdb.rdann(record, "atr")


def compare_reading(
    what: str,
    theirs: Callable[[str], object],
    ours: Callable[[str], object],
    records: list[str],
    n_repeats: int,
) -> None:
    """Times both in turn."""
    pairs = [(per_record(theirs, records), per_record(ours, records)) for _ in range(n_repeats)]
    theirs_ms, ours_ms = (min(column) * 1e3 for column in zip(*pairs, strict=True))
    print(
        f"  {what}: wfdb {theirs_ms:.2f} ms a record, medts.read {ours_ms:.2f} ms: "
        f"{theirs_ms / ours_ms:.1f} x"
    )


def per_record(call: Callable[[str], object], records: list[str]) -> float:
    """Returns the seconds that a call takes per record."""
    return seconds_of(lambda: [call(record) for record in records]) / len(records)


def prepare(data: str, folder: Path) -> tuple[Store, list[Path]]:
    """Returns a store, and the file of each of its rows without suffix."""
    if data:
        ptb_xl = Path(data) / "ptb-xl"
        ingest(PtbXl(), ptb_xl, folder / "store", n_workers=2)
        store = Store(folder / "store")
        ids = [record_id.split("/")[1].zfill(5) for record_id in store.record_ids]
        return store, [ptb_xl / "records500" / f"{each[:2]}000" / f"{each}_hr" for each in ids]
    source = Synthetic(n_subjects=300, records_per_subject=1, sampling_rate=500.0)
    ingest(source, "-", folder / "store")
    store = Store(folder / "store")
    files = [folder / f"r{row}" for row in range(len(store))]
    for row, file in enumerate(files):
        FORMATS["wfdb"].write(store.record(row), file.with_suffix(".hea"))
    return store, files


def compare_batches(store: Store, files: list[Path], n_batches: int) -> None:
    """Times both on the same rows, in turn, and checks that they give the same values."""
    generator = np.random.default_rng(0)
    batches = [generator.choice(len(store), BATCH, replace=False) for _ in range(n_batches)]
    for rows in batches:  # warms the page cache for both
        read_store(store, rows)
    read_wfdb(files, batches[0][:4])
    from_store = [
        min(seconds_of(lambda r=rows: read_store(store, r)) for _ in range(5)) for rows in batches
    ]
    from_wfdb = []
    for rows in batches[:3]:
        read_wfdb(files, rows)
        from_wfdb.append(seconds_of(lambda r=rows: read_wfdb(files, r)))
    rows = batches[0]
    difference = np.abs(read_store(store, rows) - read_wfdb(files, rows)).max()
    fast, slow = statistics.median(from_store), statistics.median(from_wfdb)
    print(f"{len(store)} records of {', '.join(store.corpora)}, batches of {BATCH}, warm cache")
    print(f"store         {BATCH / fast:10.0f} records/s  ({fast * 1e3:.2f} ms a batch)")
    print(f"wfdb.rdrecord {BATCH / slow:10.0f} records/s  ({slow * 1e3:.0f} ms a batch)")
    print(f"ratio         {slow / fast:10.0f} x; largest difference {difference:.1e} mV")


def read_store(store: Store, rows: np.ndarray) -> np.ndarray:
    """Returns whole records of ten seconds."""
    return store.read_batch(rows.tolist(), "ecg", [0] * len(rows), 5000)


def read_wfdb(files: list[Path], rows: np.ndarray) -> np.ndarray:
    """Returns the same by wfdb with its defaults."""
    signals = [wfdb.rdrecord(str(files[row])).p_signal.T for row in rows]  # pyright: ignore
    return np.stack(signals).astype(np.float32)


def compare_preprocessing(hours: float) -> None:
    """Prints times, ratios, memory and the difference of the resamplers."""
    short = recording(12, 10.0, 500.0)
    compare_ways("12 leads x 10 s, 500 -> 100 Hz", short, n_rounds=51)
    difference = resample(short.signal, 500.0, 100.0) - dsp.resample_poly(
        short.signal, 1, 5, axis=1, padtype="line"
    )
    print(f"  largest difference of resample from resample_poly  {np.abs(difference).max():.1e} mV")
    compare_ways(
        f"3 leads x {hours:g} h, 250 -> 100 Hz", recording(3, 3600 * hours, 250.0), n_rounds=1
    )
    for name in ("numpy", "medts.signal.preprocess", "scipy.signal"):
        print(f"import {name:26} {statistics.median(import_s(name) for _ in range(5)):6.2f} s")


def recording(n_leads: int, duration_s: float, rate: float) -> Stream:
    """Returns noise that wanders, in mV."""
    shape = (n_leads, round(duration_s * rate))
    signal = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    np.cumsum(signal, axis=1, out=signal)
    signal *= np.float32(0.01)
    return Stream(signal, STANDARD_12_LEADS[:n_leads], rate, "ecg", "mV")


def compare_ways(name: str, stream: Stream, *, n_rounds: int) -> None:
    """Times both in turn."""
    spec = StreamPreprocessing(channels=stream.channels)
    ways = {
        "NumPy": lambda: prepare_stream(stream, spec, name="ecg").signal,
        "scipy": lambda: with_scipy(stream, spec),
    }
    seconds = by_turns(ways, n_rounds, warm_up=0)
    print(f"{name} ({stream.signal.nbytes / 2**20:.1f} MiB)")
    for way, call in ways.items():
        median_ms = 1000 * statistics.median(seconds[way])
        print(f"  {way}  {median_ms:10.2f} ms   peak {most_mib(call):8.1f} MiB")
    ours, theirs = (statistics.median(seconds[way]) for way in ("NumPy", "scipy"))
    print(f"  ratio  {theirs / ours:9.1f} x")


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


def most_mib(call: Callable[[], object]) -> float:
    """Returns the most memory that a call holds at once, its result included."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def import_s(name: str) -> float:
    """Returns the seconds of a new process that imports a module, less those of an empty one."""
    commands = ([sys.executable, "-c", f"import {name}"], [sys.executable, "-c", ""])
    module, empty = (
        seconds_of(lambda command=command: subprocess.run(command, check=True))
        for command in commands
    )
    return module - empty


if __name__ == "__main__":
    main()
