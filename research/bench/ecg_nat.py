"""Latency and throughput of ECG-NAT on a CPU, in three kinds of arithmetic.

Latency is that of one ten-second ECG, beside xresnet1d101. For throughput each kind is set against
the largest rate of matrix products that it reached in this run, and its logits against those of
fp32. What oneDNN computes fp32 in is up to the processor: with AMX it rounds to bf16, without it
may stay exact and still be faster than MKL; so the error of a matrix product is measured too.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from medts.core.arithmetic import Precision, arithmetic
from medts.models.baselines.xresnet1d import XResNet1d
from medts.models.ecg_nat import EcgNat
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.tensors.batch import Batch
from research.bench.common import by_turns, noise, options

KINDS: tuple[Precision, ...] = ("fp32", "fp32-onednn", "bf16")
N_CLASSES = 5


class Classifier(nn.Module):
    """ECG-NAT and a linear head."""

    def __init__(self, size: str) -> None:
        super().__init__()
        self.encoder = EcgNat(EcgNatConfig.model_validate({"size": size}))
        self.head = nn.Linear(self.encoder.dim, N_CLASSES)

    def forward(self, batch: Batch) -> Tensor:
        """Returns logits."""
        return self.head(self.encoder(batch).pooled)


def training_step(model: Classifier, batch: Batch) -> Callable[[], None]:
    """Returns one step of training: forward, loss, backward, update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    target = (torch.rand(len(batch), N_CLASSES) < 0.3).float()

    def step() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch).float(), target).backward()
        optimizer.step()

    return step


def inferred(call: Callable[[], object]) -> None:
    """Calls without gradients."""
    with torch.inference_mode():
        call()


def in_kind(call: Callable[[], object], kind: Precision) -> None:
    """Calls in one kind of arithmetic."""
    with arithmetic(kind):
        call()


def kinds_by_turns(call: Callable[[], object], rounds: int) -> dict[Precision, list[float]]:
    """Returns sorted seconds per kind."""
    return by_turns({kind: partial(in_kind, call, kind) for kind in KINDS}, rounds)


def show_latency(size: str, batch: Batch, rounds: int) -> None:
    """Prints milliseconds for one record."""
    encoders = {
        f"ecg_nat {size}": EcgNat(EcgNatConfig.model_validate({"size": size})).eval(),
        "xresnet1d101": XResNet1d(XResNet1dConfig(size="101")).eval(),
    }
    calls = {name: partial(inferred, partial(each, batch)) for name, each in encoders.items()}
    print("\none record")
    for name, seconds in by_turns(calls, rounds, warm_up=rounds // 10).items():
        n_parameters = sum(p.numel() for p in encoders[name].parameters()) / 1e6
        best, middle, late = (
            1e3 * seconds[n] for n in (0, len(seconds) // 2, int(0.95 * len(seconds)))
        )
        print(
            f"  {name:14s} {n_parameters:6.2f} M parameters   best {best:6.2f}   "
            f"median {middle:6.2f}   p95 {late:6.2f} ms"
        )


def show_products(rounds: int, largest: int) -> dict[Precision, float]:
    """Prints and returns the largest rate of a matrix product per kind, GFLOP/s."""
    ceiling: dict[Precision, float] = dict.fromkeys(KINDS, 0.0)
    for n in (n for n in (512, 1024, 2048, 4096) if n <= largest):
        product = partial(F.linear, torch.randn(n, n), torch.randn(n, n))
        for kind, seconds in kinds_by_turns(partial(inferred, product), rounds).items():
            ceiling[kind] = max(ceiling[kind], 2e-9 * n**3 / seconds[0])
    a, b = torch.randn(512, 512), torch.randn(512, 512)
    exact = a.double() @ b.double().T
    print("\nmatrix products: largest rate, and largest error over spread")
    for kind in KINDS:
        with arithmetic(kind):
            error = float((F.linear(a, b).double() - exact).abs().max() / exact.std())
        print(f"  {kind:14s} {ceiling[kind]:7.1f} GFLOP/s   {error:.1e}")
    return ceiling


def show_throughput(
    name: str, call: Callable[[], object], n: int, rounds: int, ceiling: dict[Precision, float]
) -> None:
    """Prints windows per second, and the share of the largest rate of matrix products."""
    with FlopCounterMode(display=False) as counter:
        call()
    gflop = counter.get_total_flops() / 1e9
    print(f"\n{name}: {gflop:.2f} GFLOP per batch")
    for kind, seconds in kinds_by_turns(call, rounds).items():
        best, rate = seconds[0], gflop / seconds[0]
        print(
            f"  {kind:14s} best {1e3 * best:8.1f}   median {1e3 * seconds[len(seconds) // 2]:8.1f} "
            f"ms   {n / best:8.1f} ECGs/s   {rate:7.1f} of {ceiling[kind]:7.1f} GFLOP/s = "
            f"{100 * rate / ceiling[kind]:5.1f} %",
            flush=True,
        )


def show_logits(model: Classifier, batch: Batch) -> None:
    """Prints the spread of fp32 logits, and the largest difference from them per kind."""
    logits: dict[Precision, Tensor] = {}
    for kind in KINDS:
        with arithmetic(kind), torch.inference_mode():
            logits[kind] = model(batch).float()
    print(f"\nlogits: spread {float(logits['fp32'].std()):.3g}; largest difference from fp32")
    for kind in KINDS:
        print(f"  {kind:14s} {float((logits[kind] - logits['fp32']).abs().max()):.2e}")


def main() -> None:
    """Prints the tables."""
    args = options(__doc__, size="tiny", batch=32, seconds=10.0, threads=2, rounds=10, largest=2048)
    n_samples = round(100 * args.seconds)
    show_latency(args.size, noise(1, n_samples), 20 * args.rounds)
    ceiling = show_products(args.rounds, args.largest)
    batch, model = noise(args.batch, n_samples), Classifier(args.size)
    training = training_step(model.train(), batch)
    show_throughput("training", training, args.batch, args.rounds, ceiling)
    inference = partial(inferred, partial(model.eval(), batch))
    show_throughput("inference", inference, args.batch, args.rounds, ceiling)
    show_logits(model, batch)


if __name__ == "__main__":
    main()
