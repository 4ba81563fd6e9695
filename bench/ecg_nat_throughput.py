"""Measures how many ECGs a second ECG-NAT takes in, in three kinds of arithmetic on a CPU.

Twelve leads, ten seconds, 100 Hz, random weights. The kinds are those of `medts.core.arithmetic`.
What oneDNN computes fp32 in is up to the processor: with AMX it rounds to bf16, without it may stay
exact and still be faster than MKL. So the error of a matrix product is measured too.

Each kind is set against the largest rate of matrix products that it reached in this run, and its
logits against those of fp32. The kinds take turns, so that whatever else the machine does meets
all of them; the tables give the fastest and the median round.

    python bench/ecg_nat_throughput.py --threads 2 --size tiny
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from medts.core.arithmetic import Precision, arithmetic
from medts.core.montage import STANDARD_12_LEADS
from medts.models.ecg_nat import EcgNat
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.tensors.batch import Batch, StreamBatch

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


def draw_batch(n: int, n_samples: int) -> Batch:
    """Draws twelve-lead windows of noise."""
    n_leads = len(STANDARD_12_LEADS)
    stream = StreamBatch(
        signal=torch.randn(n, n_leads, n_samples),
        is_valid=torch.ones(n, n_samples, dtype=torch.bool),
        is_channel_present=torch.ones(n, n_leads, dtype=torch.bool),
        is_present=torch.ones(n, dtype=torch.bool),
        channels=STANDARD_12_LEADS,
        sampling_rate=100.0,
        modality="ecg",
    )
    ids = tuple(f"made-up/{index}" for index in range(n))
    return Batch({"ecg": stream}, ids, ids, (None,) * n)


def build_step(model: Classifier, batch: Batch) -> Callable[[], None]:
    """Builds one step of training: forward, loss, backward, update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    target = (torch.rand(len(batch), N_CLASSES) < 0.3).float()

    def step() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(batch).float(), target).backward()
        optimizer.step()

    return step


def build_prediction(model: Classifier, batch: Batch) -> Callable[[], None]:
    """Builds one pass of inference."""

    def predict() -> None:
        with torch.inference_mode():
            model(batch)

    return predict


def count_flops(run: Callable[[], None]) -> float:
    """Counts the operations of matrix products and convolutions in a run, in units of 1e9."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / 1e9


def seconds(run: Callable[[], None], kind: Precision) -> float:
    """Times one run in one kind of arithmetic."""
    with arithmetic(kind):
        start = time.perf_counter()
        run()
        return time.perf_counter() - start


def time_by_turns(run: Callable[[], None], rounds: int) -> dict[Precision, list[float]]:
    """Returns sorted seconds per kind, after a round to warm up."""
    times: dict[Precision, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(rounds + 1):
        for kind in KINDS:
            taken = seconds(run, kind)
            if turn:
                times[kind].append(taken)
    return {kind: sorted(values) for kind, values in times.items()}


def multiply(a: Tensor, b: Tensor) -> None:
    """Multiplies two matrices the way a linear layer does, which oneDNN can take over."""
    with torch.inference_mode():
        F.linear(a, b)


def measure_error(n: int = 512) -> dict[Precision, float]:
    """Returns the largest error of a product of two noise matrices, over its spread, per kind."""
    a, b = torch.randn(n, n), torch.randn(n, n)
    exact = a.double() @ b.double().T
    found: dict[Precision, float] = {}
    for kind in KINDS:
        with arithmetic(kind):
            error = (F.linear(a, b).double() - exact).abs().max()
        found[kind] = (error / exact.std()).item()
    return found


def measure_ceiling(sizes: tuple[int, ...], rounds: int) -> dict[Precision, float]:
    """Returns the largest rate of a square matrix product per kind, GFLOP/s."""
    best: dict[Precision, float] = dict.fromkeys(KINDS, 0.0)
    for n in sizes:
        a, b = torch.randn(n, n), torch.randn(n, n)
        for kind, values in time_by_turns(partial(multiply, a, b), rounds).items():
            best[kind] = max(best[kind], 2e-9 * n**3 / values[0])
    return best


def compare_logits(model: Classifier, batch: Batch) -> tuple[float, dict[Precision, float]]:
    """Returns the spread of fp32 logits, and the largest difference from them per kind."""
    logits: dict[Precision, Tensor] = {}
    for kind in KINDS:
        with arithmetic(kind), torch.inference_mode():
            logits[kind] = model(batch).float()
    difference: dict[Precision, float] = {
        kind: float((logits[kind] - logits["fp32"]).abs().max()) for kind in KINDS
    }
    return float(logits["fp32"].std()), difference


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="tiny", choices=("nano", "tiny", "small", "mini"))
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--largest", type=int, default=2048, help="side of the largest product")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    batch = draw_batch(args.batch, round(100 * args.seconds))
    print(
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{args.threads} threads, malloc as it comes; ecg_nat {args.size}, "
        f"{args.seconds:g} s at 100 Hz, B={args.batch}"
    )
    sizes = tuple(n for n in (512, 1024, 2048, 4096) if n <= args.largest)
    ceiling = measure_ceiling(sizes, args.rounds)
    print("\nmatrix products: largest rate, and largest error over spread")
    for kind, error in measure_error().items():
        print(f"  {kind:14s} {ceiling[kind]:7.1f} GFLOP/s   {error:.1e}")
    for name, build, is_training in (
        ("training", build_step, True),
        ("inference", build_prediction, False),
    ):
        run = build(Classifier(args.size).train(is_training), batch)
        gflop = count_flops(run)
        print(f"\n{name}: {gflop:.2f} GFLOP per batch")
        for kind, values in time_by_turns(run, args.rounds).items():
            best, middle = values[0], values[len(values) // 2]
            print(
                f"  {kind:14s} best {1e3 * best:8.1f}   median {1e3 * middle:8.1f} ms   "
                f"{args.batch / best:8.1f} ECGs/s   {gflop / best:7.1f} of "
                f"{ceiling[kind]:7.1f} GFLOP/s = {100 * gflop / best / ceiling[kind]:5.1f} %",
                flush=True,
            )
    spread, differences = compare_logits(Classifier(args.size).eval(), batch)
    print(f"\nlogits: spread {spread:.3g}; largest difference from fp32")
    for kind, difference in differences.items():
        print(f"  {kind:14s} {difference:.2e}")


if __name__ == "__main__":
    main()
