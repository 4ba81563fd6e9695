"""Times Sparseformer with capped and published token counts against attention over all tokens.

Every cell runs in a process of its own with a memory limit and a time limit; what does not fit is
printed as skipped, with the reason. All ratios and slopes come from one run, and each target is
said to be met, missed or not measured: a slope is measured over its whole range or not at all.
``paper`` has the printed counts and queries and none of our norms and vectors. Time is forward and
backward in training; memory is the peak of the process, also after a step of AdamW, and in
brackets what that is above what was held before. ``full`` has as many layers, over the tokens of
all channels and granularities at once. By default the allocator keeps freed memory, as a training
run would (``mallopt``; glibc only).

    python bench/sparseformer.py                    shapes, ratios and slopes
    python bench/sparseformer.py --only slopes      how time and memory grow with T and C
    python bench/sparseformer.py --device cuda      the same on a GPU
"""

import argparse
import ctypes
import json
import math
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor, nn

from medts.models.settings.sparseformer import SparseformerConfig
from medts.models.sparseformer import Sparseformer
from medts.nn.multi_granularity import cut_rows
from medts.nn.patches import standardise
from medts.nn.positions import positions
from medts.nn.sparse_attention import TokenSparseAttention
from medts.tensors.batch import Batch, StreamBatch, move_to

SHAPES = ((16, 256), (12, 1000), (19, 6000), (64, 6000))
LENGTHS = (375, 750, 1500, 3000, 6000)
CHANNELS = (4, 8, 16, 32, 64)
TARGETS = {(16, 256): 10.0, (12, 1000): 4.0}
"""How many times faster ``capped`` should be than ``paper``."""

LARGEST, LARGEST_BATCH, LARGEST_GIB = (64, 6000), 8, 8.0
"""The shape at which so many windows should train in less than so much memory."""

STEEPEST = 1.15
"""Largest log-log slope of time and of memory, over a 16-fold range."""

PRINTED = {
    "token_counts": "paper",
    "query_start": "learnt",
    "is_summary_normed": False,
    "has_granularity_embedding": False,
}
"""Settings of ``paper``."""

GIB = 2**30


@dataclass(frozen=True)
class Cell:
    """One measurement."""

    kind: str
    n_channels: int
    n_samples: int
    n_windows: int = 8
    device: str = "cpu"
    threads: int = 2
    repeats: int = 3
    plain_malloc: bool = False


class FullAttention(nn.Module):
    """The same patches and as many layers, but every token sees all C x N tokens to the end."""

    def __init__(self, config: SparseformerConfig) -> None:
        super().__init__()
        self.patch_lengths, dim = config.patch_lengths, config.dim
        self.embeddings = nn.ModuleList(nn.Linear(patch, dim) for patch in config.patch_lengths)
        self.layers = nn.ModuleList(
            TokenSparseAttention(dim=dim, n_heads=config.n_heads, n_queries=1, is_sparse=False)
            for _ in range(len(config.tokens_per_block) + 2)
        )

    def forward(self, batch: Batch) -> tuple[Tensor, int]:
        """Returns one embedding per window, and the tokens of each."""
        stream = batch.streams["ecg"]
        rows = standardise(stream.signal, stream.is_valid).flatten(0, 1)
        parts = []
        for patch, embedding in zip(self.patch_lengths, self.embeddings, strict=True):
            tokens = embedding(cut_rows(rows, patch))
            parts.append(tokens + positions(*tokens.shape[1:]).to(tokens))
        tokens = rearrange(torch.cat(parts, dim=1), "(b c) n d -> b (c n) d", b=len(batch))
        is_valid = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        for layer in self.layers:
            tokens = layer(tokens, is_valid).tokens
        return tokens.mean(dim=1), tokens.shape[1]


def draw(cell: Cell) -> Batch:
    """Draws windows of noise."""
    shape = cell.n_windows, cell.n_channels, cell.n_samples
    stream = StreamBatch(
        signal=torch.randn(shape),
        is_valid=torch.ones(shape[0], shape[2], dtype=torch.bool),
        is_channel_present=torch.ones(shape[:2], dtype=torch.bool),
        is_present=torch.ones(shape[0], dtype=torch.bool),
        channels=tuple(f"c{c}" for c in range(cell.n_channels)),
        sampling_rate=100.0,
        modality="ecg",
    )
    ids = tuple(map(str, range(cell.n_windows)))
    return move_to(Batch({"ecg": stream}, ids, ids, (None,) * cell.n_windows), cell.device)


def measure(cell: Cell) -> dict[str, float]:
    """Measures one cell; runs in a process of its own."""
    torch.set_num_threads(cell.threads)
    if not cell.plain_malloc and sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
    torch.manual_seed(0)
    config = SparseformerConfig.model_validate(PRINTED if cell.kind == "paper" else {})
    model = FullAttention(config) if cell.kind == "full" else Sparseformer(config)
    model = model.to(cell.device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    is_cuda, n_kept = cell.device == "cuda", 0

    def step(batch: Batch) -> None:
        nonlocal n_kept
        if isinstance(model, FullAttention):
            pooled, n_kept = model(batch)
        else:
            encoded = model(batch)
            pooled = encoded.pooled
            n_kept = int(encoded.intermediates["n_tokens"]["channels"][0])
        pooled.square().mean().backward()
        if is_cuda:
            torch.cuda.synchronize()

    step(draw(Cell(cell.kind, 2, 256, 2, cell.device)))
    optimizer.zero_grad()
    batch, before = draw(cell), held(cell.device)
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(cell.repeats + 1):
        start = time.perf_counter()
        step(batch)
        seconds.append(time.perf_counter() - start)
    optimizer.step()
    top = torch.cuda.max_memory_allocated() if is_cuda else resident("VmHWM")
    best = min(seconds[1:])
    return {"seconds": best, "peak": top, "growth": max(top - before, 1), "kept": n_kept}


def held(device: str) -> int:
    """Bytes held now."""
    return torch.cuda.memory_allocated() if device == "cuda" else resident("VmRSS")


def resident(field: str) -> int:
    """Reads this process's resident memory, or its peak, from the Linux kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def run(cell: Cell, limit_gib: float, limit_s: float) -> dict[str, float] | str:
    """Measures a cell in its own process; says why where it does not fit."""

    def restrict() -> None:
        if cell.device == "cpu":
            limit = int(limit_gib * GIB)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [sys.executable, __file__, "--cell", json.dumps(asdict(cell))]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=limit_s,
            preexec_fn=restrict,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"skipped: longer than {limit_s:g} s"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    lines = done.stderr.strip().splitlines()
    why = lines[-1] if lines else f"ended by signal {-done.returncode}"
    is_memory = any(word in done.stderr for word in ("allocate memory", "MemoryError", "bad_alloc"))
    is_memory = is_memory or "out of memory" in done.stderr or done.returncode == -9
    return f"skipped: more than {limit_gib:g} GiB" if is_memory else f"skipped: {why[:80]}"


def show(found: dict[str, float] | str) -> str:
    """Writes one result in a row of the table."""
    if isinstance(found, str):
        return found
    return (
        f"{1e3 * found['seconds']:10.1f} ms   {found['peak'] / GIB:6.2f} GiB "
        f"({found['growth'] / GIB:5.2f})   {found['kept']:6.0f} tokens"
    )


def compare_shapes(args: argparse.Namespace) -> None:
    """Prints the three models at every shape, and whether targets are met."""
    print("\nforward + backward, peak memory, tokens before the last stage; shape (C, T)")
    for shape in SHAPES:
        found = {}
        for kind in ("capped", "paper", "full"):
            found[kind] = run(cell_of(args, kind, *shape), args.limit_gib, args.limit_s)
            print(f"  {shape!s:11s} {kind:7s} {show(found[kind])}", flush=True)
        ours, theirs = found["capped"], found["paper"]
        ratio = None
        if not isinstance(ours, str) and not isinstance(theirs, str):
            ratio = theirs["seconds"] / ours["seconds"]
        said = "not measured" if ratio is None else f"{ratio:.1f}"
        if shape in TARGETS:
            is_met = None if ratio is None else ratio >= TARGETS[shape]
            said += f", target at least {TARGETS[shape]:g}: {verdict(is_met=is_met)}"
        print(f"  {shape!s:11s} paper / capped = {said}", flush=True)
        if shape == LARGEST:
            judge_largest(args, ours)


def judge_largest(args: argparse.Namespace, found: dict[str, float] | str) -> None:
    """Prints whether ``capped`` trains at the largest shape in little enough memory."""
    is_met = None
    if args.batch == LARGEST_BATCH:
        if not isinstance(found, str):
            is_met = found["peak"] < LARGEST_GIB * GIB
        elif "GiB" in found and args.limit_gib >= LARGEST_GIB:
            is_met = False
    print(
        f"  {LARGEST!s:11s} capped, B={LARGEST_BATCH}, target less than {LARGEST_GIB:g} GiB: "
        f"{verdict(is_met=is_met)}",
        flush=True,
    )


def verdict(*, is_met: bool | None) -> str:
    """Writes whether a target is met; None for what was not measured."""
    return {True: "met", False: "MISSED", None: "not measured"}[is_met]


def show_slopes(args: argparse.Namespace) -> None:
    """Prints how time and memory of ``capped`` grow; 1 is in proportion."""
    print(f"\ncapped: log-log slope over a 16-fold range (target: at most {STEEPEST:g})")
    along = {
        "T": [(12, n_samples) for n_samples in LENGTHS],
        "C": [(n_channels, 1000) for n_channels in CHANNELS],
    }
    for axis, shapes in along.items():
        results = []
        for shape in shapes:
            found = run(cell_of(args, "capped", *shape), args.limit_gib, args.limit_s)
            print(f"  {axis} {shape!s:11s} {show(found)}", flush=True)
            if not isinstance(found, str):
                results.append((shape[axis == "T"], found))
        for quantity in ("seconds", "growth"):
            if len(results) < len(shapes):
                print(f"  slope not measured: {quantity} along {axis}, for want of a cell")
                continue
            steepness = slope([(size, found[quantity]) for size, found in results])
            said = f"{steepness:.2f}, {verdict(is_met=steepness <= STEEPEST)}"
            print(f"  slope of {quantity} along {axis}: {said}", flush=True)


def slope(points: list[tuple[int, float]]) -> float:
    """Least-squares slope of the logarithms."""
    x = [math.log(size) for size, _ in points]
    y = [math.log(value) for _, value in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    rise = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return rise / sum((a - mean_x) ** 2 for a in x)


def cell_of(args: argparse.Namespace, kind: str, n_channels: int, n_samples: int) -> Cell:
    """Returns a cell with the settings of the command line."""
    return Cell(
        kind,
        n_channels,
        n_samples,
        n_windows=args.batch,
        device=args.device,
        threads=args.threads,
        repeats=args.repeats,
        plain_malloc=args.plain_malloc,
    )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=("shapes", "slopes"))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit-gib", type=float, default=8.0)
    parser.add_argument("--limit-s", type=float, default=300.0)
    parser.add_argument("--plain-malloc", action="store_true")
    args = parser.parse_args()
    if args.cell:
        print(json.dumps(measure(Cell(**json.loads(args.cell)))))
        return
    print(f"torch {torch.__version__}, {args.device}, {args.threads} threads, B={args.batch}")
    if args.only != "slopes":
        compare_shapes(args)
    if args.only != "shapes":
        show_slopes(args)


if __name__ == "__main__":
    main()
