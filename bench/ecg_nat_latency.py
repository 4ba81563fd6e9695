"""Times one ten-second ECG through ECG-NAT and through xresnet1d101, turn by turn.

Both see the same twelve leads at 100 Hz, batch 1, with random weights. They alternate, so that
whatever else the machine does meets both; the table gives the fastest, median and 95th centile.

    python bench/ecg_nat_latency.py --threads 2 --size tiny
"""

import argparse
import time

import torch

from medts.core.montage import STANDARD_12_LEADS
from medts.models.base import Encoder
from medts.models.baselines.xresnet1d import XResNet1d
from medts.models.ecg_nat import EcgNat
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.tensors.batch import Batch, StreamBatch


def one_record(n_samples: int) -> Batch:
    """Draws a twelve-lead window of noise."""
    n_leads = len(STANDARD_12_LEADS)
    stream = StreamBatch(
        signal=torch.randn(1, n_leads, n_samples),
        is_valid=torch.ones(1, n_samples, dtype=torch.bool),
        is_channel_present=torch.ones(1, n_leads, dtype=torch.bool),
        is_present=torch.ones(1, dtype=torch.bool),
        channels=STANDARD_12_LEADS,
        sampling_rate=100.0,
        modality="ecg",
    )
    return Batch({"ecg": stream}, ("made-up/1",), ("made-up/1",), (None,))


@torch.inference_mode()
def time_by_turns(
    encoders: dict[str, Encoder], batch: Batch, rounds: int
) -> dict[str, list[float]]:
    """Returns sorted milliseconds per encoder, after a tenth of the rounds to warm up."""
    times: dict[str, list[float]] = {name: [] for name in encoders}
    for turn in range(rounds + rounds // 10):
        for name, encoder in encoders.items():
            start = time.perf_counter()
            encoder(batch)
            if turn >= rounds // 10:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: sorted(values) for name, values in times.items()}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="tiny", choices=("nano", "tiny", "small", "mini"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    encoders: dict[str, Encoder] = {
        f"ecg_nat {args.size}": EcgNat(EcgNatConfig(size=args.size)).eval(),
        "xresnet1d101": XResNet1d(XResNet1dConfig(size="101")).eval(),
    }
    batch = one_record(round(100 * args.seconds))
    print(f"torch {torch.__version__}, {args.threads} threads, {args.seconds:g} s at 100 Hz, B=1")
    for name, ms in time_by_turns(encoders, batch, args.rounds).items():
        n_parameters = sum(p.numel() for p in encoders[name].parameters()) / 1e6
        middle, late = ms[len(ms) // 2], ms[int(0.95 * len(ms))]
        print(
            f"  {name:14s} {n_parameters:6.2f} M parameters   best {ms[0]:6.2f}   "
            f"median {middle:6.2f}   p95 {late:6.2f} ms"
        )


if __name__ == "__main__":
    main()
