"""Times a pretraining step of CroSSL against one that encodes every view anew, and its memory.

Both hide the same latents and give the same loss and gradients, which is checked before anything
is timed; they take turns, so that whatever else the machine does meets both. Memory is the peak
of one step above what was held before it, each in a process of its own.

    python bench/crossl.py                    six modalities, 256 windows of ten seconds at 50 Hz
    python bench/crossl.py --strides 1 1 1    as in the authors' code
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor

from medts.models.crossl import Crossl
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.objectives.latent_masking import LatentMasking
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.tensors.batch import Batch, Latents, StreamBatch

RATE, CHANNELS = 50.0, ("x", "y", "z")


class Naive(LatentMasking):
    """Encodes the batch once for each view, as one would who alters signals instead of latents."""

    def forward_naively(self, batch: Batch) -> Tensor:
        """Returns the same loss as `forward`."""
        views = self.config.n_views
        encoded = [self.encoder.encode(batch) for _ in range(views)]
        shown = self.draw_views(encoded[0])
        stacked = replace(
            shown,
            embedding=torch.cat([each.embedding for each in encoded]) * shown.is_present[..., None],
        )
        return self.score(stacked, len(batch))

    def score(self, views: Latents, n_windows: int) -> Tensor:
        """Fuses and scores views that lie below each other."""
        return self.terms(self.encoder.aggregator(views), n_windows)[0]


def make_batch(n_windows: int, n_modalities: int, seconds: float) -> Batch:
    """Draws windows of noise."""
    n_samples = round(seconds * RATE)
    stream = StreamBatch(
        signal=torch.zeros(n_windows, len(CHANNELS), n_samples),
        is_valid=torch.ones(n_windows, n_samples, dtype=torch.bool),
        is_channel_present=torch.ones(n_windows, len(CHANNELS), dtype=torch.bool),
        is_present=torch.ones(n_windows, dtype=torch.bool),
        channels=CHANNELS,
        sampling_rate=RATE,
        modality="acc",
    )
    streams = {
        f"sensor-{m}": replace(stream, signal=torch.randn_like(stream.signal))
        for m in range(n_modalities)
    }
    ids = tuple(str(b) for b in range(n_windows))
    return Batch(streams, ids, ids, (None,) * n_windows)


def make_objective(args: argparse.Namespace, n_views: int = 2) -> Naive:
    """Builds the objective with the encoder of the recipes, without dropout."""
    torch.manual_seed(0)
    streams = {f"sensor-{m}": StreamInput(channels=CHANNELS) for m in range(args.modalities)}
    config = CrosslConfig(streams=streams, strides=tuple(args.strides), dropout=0.0)
    return Naive(LatentMaskingConfig(n_views=n_views), encoder=Crossl(config)).train()


def step(objective: Naive, batch: Batch, *, is_naive: bool) -> Tensor:
    """Goes forward and backward once, and returns the loss."""
    objective.zero_grad()
    loss = objective.forward_naively(batch) if is_naive else objective(batch).total
    loss.backward()
    return loss.detach()


def check(args: argparse.Namespace) -> None:
    """Refuses to time anything that does not give the same loss and gradients."""
    batch = make_batch(8, args.modalities, args.seconds)
    found = []
    for is_naive in (False, True):
        objective = make_objective(args)
        torch.manual_seed(1)
        loss = step(objective, batch, is_naive=is_naive)
        found.append([loss, *(p.grad for p in objective.parameters() if p.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def compare(args: argparse.Namespace) -> None:
    """Prints the fastest step of each, and their ratio."""
    objective, batch = make_objective(args), make_batch(args.batch, args.modalities, args.seconds)
    best = {False: float("inf"), True: float("inf")}
    for turn in range(args.rounds + 1):
        for is_naive in best:
            start = time.perf_counter()
            step(objective, batch, is_naive=is_naive)
            if turn > 0:
                best[is_naive] = min(best[is_naive], time.perf_counter() - start)
    print(f"\none step, B={args.batch}, {args.modalities} modalities, best of {args.rounds}")
    print(f"  encoded once       {best[False]:7.3f} s")
    print(f"  encoded per view   {best[True]:7.3f} s   {best[True] / best[False]:.2f}x")


def peak_mb(args: argparse.Namespace, n_views: int, is_naive: bool) -> float:  # noqa: FBT001
    """Peak memory of one step above what was held before it; runs in a process of its own."""
    torch.set_num_threads(args.threads)
    objective = make_objective(args, n_views)
    batch = make_batch(args.batch, args.modalities, args.seconds)
    step(objective, make_batch(2, args.modalities, args.seconds), is_naive=is_naive)
    before = resident_kb("VmRSS")
    step(objective, batch, is_naive=is_naive)
    return (resident_kb("VmHWM") - before) / 2**10


def resident_kb(field: str) -> int:
    """Reads this process's resident memory, or its peak, from the Linux kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def show_memory(args: argparse.Namespace) -> None:
    """Prints peak memory against the number of views."""
    print("\npeak memory of one step, MiB")
    for name, is_naive in (("encoded once", False), ("encoded per view", True)):
        cells = []
        for n_views in (2, 4):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                mb = pool.submit(peak_mb, args, n_views, is_naive).result()
            cells.append(f"{n_views} views {mb:7.0f}")
        print(f"  {name:18s} " + "   ".join(cells), flush=True)


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--modalities", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--strides", type=int, nargs=3, default=(2, 2, 2))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.threads} threads, {args.seconds:g} s at {RATE:g} Hz")
    check(args)
    compare(args)
    show_memory(args)


if __name__ == "__main__":
    main()
