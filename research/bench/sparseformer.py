"""Times Sparseformer with capped and published token counts against attention over all tokens.

Every cell runs in a process of its own with a memory limit and a time limit; what does not fit is
printed as skipped, with the reason. ``paper`` has the printed counts and queries and none of our
norms and vectors; ``full`` has as many layers, over the tokens of all channels and granularities at
once. Time is forward and backward in training; memory is the peak of the process, also after a step
of AdamW, and in brackets what that is above what was held before. A slope of 1 is growth in
proportion. ``--only shapes`` or ``slopes`` prints a part.
"""

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from medts.models.settings.sparseformer import SparseformerConfig
from medts.models.sparseformer import Sparseformer
from medts.nn.multi_granularity import cut_rows
from medts.nn.patches import standardise
from medts.nn.positions import positions
from medts.nn.sparse_attention import TokenSparseAttention
from medts.tensors.batch import Batch, move_to
from research.bench.common import keep_memory, noise, options, resident_mib, seconds_of

SHAPES = ((16, 256), (12, 1000), (19, 6000), (64, 6000))
LENGTHS = (375, 750, 1500, 3000, 6000)
CHANNELS = (4, 8, 16, 32, 64)
PRINTED = {
    "token_counts": "paper",
    "query_start": "learnt",
    "is_summary_normed": False,
    "has_granularity_embedding": False,
}
"""Settings of ``paper``."""


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
        rows = standardise(stream.signal, stream.is_recorded).flatten(0, 1)
        parts = []
        for patch, embedding in zip(self.patch_lengths, self.embeddings, strict=True):
            tokens = embedding(cut_rows(rows, patch))
            parts.append(tokens + positions(*tokens.shape[1:]).to(tokens))
        tokens = rearrange(torch.cat(parts, dim=1), "(b c) n d -> b (c n) d", b=len(batch))
        is_valid = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        for layer in self.layers:
            tokens = layer(tokens, is_valid).tokens
        return tokens.mean(dim=1), tokens.shape[1]


def windows_of(cell: Cell) -> Batch:
    """Returns windows of noise."""
    channels = tuple(f"c{c}" for c in range(cell.n_channels))
    return move_to(noise(cell.n_windows, cell.n_samples, channels=channels), cell.device)


def measure(cell: Cell) -> dict[str, float]:
    """Measures one cell; runs in a process of its own."""
    torch.set_num_threads(cell.threads)
    keep_memory()
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

    def held(field: str) -> float:
        if not is_cuda:
            return resident_mib(field)
        peak = field == "VmHWM"
        found = torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
        return found / 2**20

    step(windows_of(Cell(cell.kind, 2, 256, 2, cell.device)))
    optimizer.zero_grad()
    batch, before = windows_of(cell), held("VmRSS")
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = [seconds_of(lambda: step(batch)) for _ in range(cell.repeats + 1)]
    optimizer.step()
    top = held("VmHWM")
    return {
        "seconds": min(seconds[1:]),
        "peak": top,
        "growth": max(top - before, 1),
        "kept": n_kept,
    }


def run(cell: Cell, limit_gib: float, limit_s: float) -> dict[str, float] | str:
    """Measures a cell in its own process; gives the reason where it does not fit."""

    def restrict() -> None:
        if cell.device == "cpu":
            limit = int(limit_gib * 2**30)
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [sys.executable, "-m", "research.bench.sparseformer", json.dumps(asdict(cell))]
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
        f"{1e3 * found['seconds']:10.1f} ms   {found['peak'] / 1024:6.2f} GiB "
        f"({found['growth'] / 1024:5.2f})   {found['kept']:6.0f} tokens"
    )


def compare_shapes(args: argparse.Namespace) -> None:
    """Prints the three models at every shape, and how much faster ``capped`` is."""
    print("\nforward + backward, peak memory, tokens before the last stage; shape (C, T)")
    for shape in SHAPES:
        ours = None
        for kind in ("capped", "paper", "full"):
            found = run(cell_of(args, kind, *shape), args.limit_gib, args.limit_s)
            seconds = None if isinstance(found, str) else found["seconds"]
            ours = seconds if kind == "capped" else ours
            ratio = f"   {seconds / ours:5.1f}x" if seconds and ours else ""
            print(f"  {shape!s:11s} {kind:7s} {show(found)}{ratio}", flush=True)


def show_slopes(args: argparse.Namespace) -> None:
    """Prints how time and memory of ``capped`` grow."""
    print("\ncapped: log-log slope over a 16-fold range")
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
            print(f"  slope of {quantity} along {axis}: {steepness:.2f}", flush=True)


def slope(points: list[tuple[int, float]]) -> float:
    """Least-squares slope of the logarithms."""
    x, y = (torch.tensor(each).log() for each in zip(*points, strict=True))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def cell_of(args: argparse.Namespace, kind: str, n_channels: int, n_samples: int) -> Cell:
    """Returns a cell with the settings of the command line."""
    return Cell(kind, n_channels, n_samples, args.batch, args.device, args.threads, args.repeats)


def main() -> None:
    """Prints both tables, or measures the one cell that a parent process names."""
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        print(json.dumps(measure(Cell(**json.loads(sys.argv[1])))))
        return
    args = options(
        __doc__,
        only="",
        device="cpu",
        threads=2,
        batch=8,
        repeats=3,
        limit_gib=8.0,
        limit_s=300.0,
    )
    if args.only != "slopes":
        compare_shapes(args)
    if args.only != "shapes":
        show_slopes(args)


if __name__ == "__main__":
    main()
