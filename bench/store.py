"""Random batches from the store against reading the same records with wfdb.

    python bench/store.py [--data FOLDER] [--batches 20]

Both give float32 in physical units; the store copies windows out of memory-mapped int16, wfdb
parses and converts a file each. The page cache is warm for both. Without PTB-XL (``$MEDTS_DATA``)
synthetic records are written as WFDB files and ingested.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import wfdb

from medts.data.ingest import ingest
from medts.data.sources.ptb_xl import PtbXl
from medts.data.sources.synthetic import Synthetic
from medts.data.store import Store
from medts.formats import FORMATS

BATCH = 64


def main() -> None:
    """Prints records per second of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDTS_DATA"))
    parser.add_argument("--batches", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        store, files = prepare(asked.data, Path(temporary))
        compare(store, files, asked.batches)


def prepare(data: Path | None, folder: Path) -> tuple[Store, list[Path]]:
    """Returns a store, and the file of each of its rows without suffix."""
    if data is not None:
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


def compare(store: Store, files: list[Path], n_batches: int) -> None:
    """Times both on the same rows, in turn, and checks that they give the same values."""
    generator = np.random.default_rng(0)
    batches = [generator.choice(len(store), BATCH, replace=False) for _ in range(n_batches)]
    for rows in batches:  # warms the page cache for both
        read_store(store, rows)
    read_wfdb(files, batches[0][:4])
    from_store = [
        min(timed(lambda r=rows: read_store(store, r)) for _ in range(5)) for rows in batches
    ]
    from_wfdb = []
    for rows in batches[:3]:
        read_wfdb(files, rows)
        from_wfdb.append(timed(lambda r=rows: read_wfdb(files, r)))
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
    signals = [wfdb.rdrecord(str(files[row])).p_signal.T for row in rows]
    return np.stack(signals).astype(np.float32)


def timed(call) -> float:  # noqa: ANN001 - any callable without arguments
    """Returns the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
