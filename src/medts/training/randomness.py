"""Reproducibility, seeds and random states: every random number of a run follows from its seed.

The order of records, what is random in preparing a batch, and what is random in the network come
from three streams. The first two are seeded anew for every epoch and every batch, so neither
worker processes nor a resume change them; the state of the third is kept in the checkpoint.

On one machine with one number of threads (``OMP_NUM_THREADS``) and one version of torch the same
seed gives the same numbers to the digit. Another number of threads adds up in another order, and
the last digits differ; so do they between a CPU and a GPU. Threads of one process share the global
generators: of two runs at once, each belongs in a process of its own.
"""

import os
import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Environment variable without which cuBLAS may add up in any order."""


def seed_of(seed: int, *purpose: str | int) -> int:
    """Returns a seed for one purpose of a run, independent of those for others.

    >>> seed_of(1, "batch", 0) == seed_of(1, "batch", 0), seed_of(1, "batch", 0) == seed_of(1, 0)
    (True, False)
    """
    words = [zlib.crc32(each.encode()) if isinstance(each, str) else each for each in purpose]
    made = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)
    return int(made[0] >> np.uint64(1))


def seed_all(seed: int) -> None:
    """Seeds the global generators of Python, numpy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - other people's code uses the global one
    torch.manual_seed(seed)


def random_state() -> dict[str, Any]:
    """Returns the states of all global generators, as plain values and tensors."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    state = {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),  # pyright: ignore[reportAttributeAccessIssue]
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Sets all global generators to states from `random_state`."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        for device, each in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(each, device)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Computes with seeded global generators, and leaves them as they were."""
    before = random_state()
    seed_all(seed)
    try:
        yield
    finally:
        restore_random_state(before)


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Leaves the caller's seeds and modes of torch as they were, also after an error.

    Also usable as a decorator, ``@global_state_kept()``.
    """
    before, workspace = random_state(), os.environ.get(WORKSPACE)
    is_deterministic = torch.are_deterministic_algorithms_enabled()
    only_warns = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    n_threads = torch.get_num_threads()
    try:
        yield
    finally:
        restore_random_state(before)
        if torch.get_num_threads() != n_threads:
            torch.set_num_threads(n_threads)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = cudnn
        torch.use_deterministic_algorithms(is_deterministic, warn_only=only_warns)
        os.environ.pop(WORKSPACE, None)
        if workspace is not None:
            os.environ[WORKSPACE] = workspace


def prefer_deterministic(device: torch.device) -> None:
    """Has a GPU add up in one order wherever torch has such an algorithm.

    On a CPU the order depends on the number of threads alone.
    """
    if device.type == "cuda":
        os.environ.setdefault(WORKSPACE, ":4096:8")
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
        torch.use_deterministic_algorithms(mode=True, warn_only=True)
