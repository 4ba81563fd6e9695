"""What the speed scripts share: windows of noise, timing by turns, peak memory, options.

Run one as ``python -m research.bench.NAME`` from the root of the repository; ``--help`` lists its
options. All ratios of a script come from one run.
"""

import argparse
import ctypes
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import torch

from medts.core.montage import STANDARD_12_LEADS
from medts.tensors.batch import Batch, StreamBatch

_Found = TypeVar("_Found")
_Name = TypeVar("_Name", bound=str)


def options(doc: str | None, **defaults: Any) -> argparse.Namespace:
    """Parses options of these names and defaults, and sets torch's threads; False is a switch."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in defaults.items():
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true")
        else:
            nargs = "+" if isinstance(default, list) else None
            kind = type(default[0] if isinstance(default, list) else default)
            parser.add_argument(flag, type=kind, default=default, nargs=nargs)
    found = parser.parse_args()
    if "threads" in defaults:
        torch.set_num_threads(found.threads)
        torch.manual_seed(0)
        print(
            f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {vars(found)}"
        )
    return found


def noise(
    n_windows: int,
    n_samples: int,
    *,
    channels: tuple[str, ...] = STANDARD_12_LEADS,
    rate: float = 100.0,
    texts: tuple[str, ...] | None = None,
    streams: tuple[str, ...] = ("ecg",),
) -> Batch:
    """Returns windows of noise, with a report each where ``texts`` are given."""
    shape = n_windows, len(channels), n_samples
    made = {
        name: StreamBatch(
            signal=torch.randn(shape),
            is_recorded=torch.ones(shape, dtype=torch.bool),
            channels=channels,
            sampling_rate=rate,
            modality="ecg",
        )
        for name in streams
    }
    ids = tuple(f"made-up/{index}" for index in range(n_windows))
    return Batch(made, ids, ids, texts or (None,) * n_windows)


def seconds_of(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Returns the seconds that a call takes."""
    start = clock()
    call()
    return clock() - start


def best_ms(call: Callable[[], object], repeats: int) -> float:
    """Returns the fastest of some calls after one to warm up: the least disturbed one."""
    call()
    return 1e3 * min(seconds_of(call) for _ in range(repeats))


def by_turns(
    calls: Mapping[_Name, Callable[[], object]], rounds: int, *, warm_up: int = 1
) -> dict[_Name, list[float]]:
    """Returns sorted seconds; calls alternate, so that other load meets all of them alike."""
    times: dict[_Name, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + warm_up):
        for name, call in calls.items():
            taken = seconds_of(call)
            if turn >= warm_up:
                times[name].append(taken)
    return {name: sorted(values) for name, values in times.items()}


def in_process(function: Callable[..., _Found], *arguments: object) -> _Found:
    """Calls a function in a process of its own, because a process never gives memory back."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident_mib(field: str) -> float:
    """Reads this process's resident memory (VmRSS) or its peak (VmHWM) from the Linux kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def peak_mib(call: Callable[[], object], device: str = "cpu") -> float:
    """Returns the peak memory of a call above what was held before."""
    if device == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resident_mib("VmRSS")
    call()
    return resident_mib("VmHWM") - before


def keep_memory() -> None:
    """Has glibc keep freed memory, as a training run would.

    Otherwise every large temporary is faulted in anew at each step.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
