"""Times a pretraining step of CroSSL against one that encodes every view anew, and its memory.

Both hide the same latents and give the same loss and gradients, which is checked before anything
is timed. ``--strides 1 1 1`` is as in the authors' code.
"""

import argparse
from dataclasses import replace

import torch
from torch import Tensor

from medts.models.crossl import Crossl
from medts.models.settings.base import StreamInput
from medts.models.settings.crossl import CrosslConfig
from medts.objectives.latent_masking import LatentMasking
from medts.objectives.settings.latent_masking import LatentMaskingConfig
from medts.tensors.batch import Batch
from research.bench.common import by_turns, in_process, noise, options, peak_mib

RATE, CHANNELS = 50.0, ("x", "y", "z")


class Naive(LatentMasking):
    """Encodes the batch once for each view, as one would who alters signals instead of latents."""

    def forward_naively(self, batch: Batch) -> Tensor:
        """Returns the same loss as `forward`."""
        encoded = [self.encoder.encode(batch) for _ in range(self.config.n_views)]  # pyright: ignore
        shown = self.sample_views(encoded[0])
        stacked = replace(
            shown,
            embedding=torch.cat([each.embedding for each in encoded]) * shown.is_present[..., None],
        )
        return self.terms(self.encoder.aggregator(stacked), len(batch))[0]  # pyright: ignore


def make_batch(args: argparse.Namespace, n_windows: int) -> Batch:
    """Returns windows of several sensors."""
    streams = tuple(f"sensor-{m}" for m in range(args.modalities))
    n_samples = round(args.seconds * RATE)
    return noise(n_windows, n_samples, channels=CHANNELS, rate=RATE, streams=streams)


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
    batch, found = make_batch(args, 8), []
    for is_naive in (False, True):
        objective = make_objective(args)
        torch.manual_seed(1)
        loss = step(objective, batch, is_naive=is_naive)
        found.append([loss, *(p.grad for p in objective.parameters() if p.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def memory(args: argparse.Namespace, n_views: int, is_naive: bool) -> float:  # noqa: FBT001
    """Peak memory of one step, MiB; runs in a process of its own."""
    torch.set_num_threads(args.threads)
    objective, batch = make_objective(args, n_views), make_batch(args, args.batch)
    step(objective, make_batch(args, 2), is_naive=is_naive)
    return peak_mib(lambda: step(objective, batch, is_naive=is_naive))


def main() -> None:
    """Prints the fastest step and the peak memory of both ways."""
    args = options(
        __doc__, batch=256, modalities=6, seconds=10.0, strides=[2, 2, 2], threads=2, rounds=5
    )
    check(args)
    objective, batch = make_objective(args), make_batch(args, args.batch)
    ways = {"encoded once": False, "encoded per view": True}
    calls = {name: lambda n=n: step(objective, batch, is_naive=n) for name, n in ways.items()}
    times = by_turns(calls, args.rounds)
    for name, seconds in times.items():
        ratio = seconds[0] / times["encoded once"][0]
        peaks = [f"{v} views {in_process(memory, args, v, ways[name]):5.0f} MiB" for v in (2, 4)]
        print(f"  {name:18s} {seconds[0]:7.3f} s   {ratio:.2f}x   {'   '.join(peaks)}", flush=True)


if __name__ == "__main__":
    main()
