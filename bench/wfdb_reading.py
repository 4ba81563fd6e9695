"""Reading WFDB records: `medts.read` against `wfdb.rdrecord` and `wfdb.rdann`.

    python bench/wfdb_reading.py --data FOLDER [--records 20] [--repeats 7]

``FOLDER`` ($MEDTS_DATA) holds PTB-XL (500 Hz, 12 leads, 10 s, format 16) and MIT-BIH (360 Hz, 2
leads, 30 min, format 212). Ours gives float32 in millivolts, wfdb float64. The two take turns over
the same records, with the page cache warm for both; the best pass of each counts.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import wfdb

from medts.formats import read

CORPORA = {"PTB-XL": "ptb-xl/records500/*/*.hea", "MIT-BIH": "mitdb/*.hea"}


def main() -> None:
    """Prints milliseconds per record of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("MEDTS_DATA"))
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=7)
    asked = parser.parse_args()
    for name, pattern in CORPORA.items():
        headers = sorted(asked.data.glob(pattern))[: asked.records]
        print(f"{name}: {len(headers)} records, best of {asked.repeats} passes")
        with tempfile.TemporaryDirectory() as folder:
            for header in headers:
                for suffix in (".hea", ".dat"):
                    shutil.copy(header.with_suffix(suffix), folder)
            bare = [str(Path(folder, header.stem)) for header in headers]
            compare("signals", wfdb.rdrecord, read, bare, asked.repeats)
            difference = max(
                np.abs(read(each).streams["ecg"].signal - wfdb.rdrecord(each).p_signal.T).max()
                for each in bare
            )
        print(f"  largest difference {difference:.1e} mV")
        if headers[0].with_suffix(".atr").is_file():
            whole = [str(header.with_suffix("")) for header in headers]
            compare("with annotations", read_both, read, whole, asked.repeats)


def read_both(record: str) -> None:
    """Reads signals and annotations by wfdb."""
    wfdb.rdrecord(record)
    wfdb.rdann(record, "atr")


def compare(
    what: str,
    theirs: Callable[[str], object],
    ours: Callable[[str], object],
    records: list[str],
    n_repeats: int,
) -> None:
    """Times both in turn."""
    pairs = [(timed(theirs, records), timed(ours, records)) for _ in range(n_repeats)]
    theirs_ms, ours_ms = (min(column) * 1e3 for column in zip(*pairs, strict=True))
    print(
        f"  {what}: wfdb {theirs_ms:.2f} ms a record, medts.read {ours_ms:.2f} ms: "
        f"{theirs_ms / ours_ms:.1f} x"
    )


def timed(call: Callable[[str], object], records: list[str]) -> float:
    """Returns the seconds that a call takes per record."""
    start = time.perf_counter()
    for record in records:
        call(record)
    return (time.perf_counter() - start) / len(records)


if __name__ == "__main__":
    main()
