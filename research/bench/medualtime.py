"""Times training steps and predictions of MedualTime, and weighs what a checkpoint holds.

The language model has GPT-2 small's shape (``--name random-gpt2-small``) or any other name; weights
do not matter for time. Every variant takes a training step on the same batch; the table gives the
best and the median and their ratio to full fine-tuning of the same model. That trains a copy of it,
beside which the frozen original stays to make the reports' vectors; its weights are subtracted from
peak memory, as fine-tuning itself does not need them.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from medts.models.medualtime import MedualTime
from medts.models.settings.medualtime import MedualTimeConfig
from medts.nn.frozen_lm import FrozenLM, original
from medts.nn.settings import TextConfig
from medts.tensors.batch import Batch
from research.bench.common import by_turns, in_process, noise, options, resident_mib, seconds_of

FULL = "full fine-tuning"
WORDS = "sinus rhythm with left axis deviation and nonspecific st t changes in lateral leads"


def make_batch(n: int, prefix: str = "") -> Batch:
    """Returns ten-second windows of noise, each with a report of its own."""
    return noise(n, 1000, texts=tuple(f"{prefix}made-up/{index} {WORDS}" for index in range(n)))


def variants(name: str, n_blocks: int, max_tokens: int) -> dict[str, MedualTimeConfig]:
    """Returns the config of every variant by its name."""
    source = TextConfig(name=name, max_tokens=max_tokens)
    base = MedualTimeConfig(language_model=source, modality_dropout=0.0)
    found = {}
    for n_adapted in sorted({1, n_blocks // 2, n_blocks - 1}):
        for how, cache_mib in (("cached", 512.0), ("not cached", 0.0)):
            found[f"M = {n_adapted:2d}, reports {how}"] = base.but(
                n_adapted=n_adapted, cache_mib=cache_mib
            )
    found[FULL] = base.but(n_adapted=n_blocks - 1, is_language_model_trained=True)
    return found


def make_step(config: MedualTimeConfig, batch: Batch) -> tuple[MedualTime, Callable[[], None]]:
    """Returns an encoder and one training step of it."""
    torch.manual_seed(0)
    encoder = MedualTime(config).train()
    head = nn.Linear(encoder.dim, 5)
    trained = [each for each in (*encoder.parameters(), *head.parameters()) if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        head(encoder(batch).pooled).square().mean().backward()
        optimizer.step()

    return encoder, step


def measure_memory(config: str, n: int, threads: int) -> float:
    """Returns the largest memory of the process during three steps, MiB.

    One language model is part of it: beside a trained one the frozen original is subtracted.
    """
    torch.set_num_threads(threads)
    encoder, step = make_step(MedualTimeConfig.model_validate_json(config), make_batch(n))
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of loading; Linux only
    for _ in range(3):
        step()
    lm = encoder.language_model
    beside = weigh(original(lm.name).model) if lm.is_trained else 0.0
    return resident_mib("VmHWM") - beside


def weigh(model: nn.Module) -> float:
    """Returns the memory of a model's weights, MiB."""
    return sum(each.numel() * each.element_size() for each in model.parameters()) / 2**20


def latency(encoder: MedualTime, n: int, rounds: int, *, is_new: bool) -> list[float]:
    """Returns sorted milliseconds of predictions for ``n`` windows, with reports new or known."""
    encoder.eval()
    with torch.inference_mode():
        batches = [make_batch(n, f"{turn} " if is_new else "") for turn in range(rounds + 1)]
        seconds = [seconds_of(lambda b=batch: encoder(b)) for batch in batches]
    return sorted(1e3 * each for each in seconds[1:])


def main() -> None:
    """Prints the tables, and one line of JSON for whoever keeps them."""
    args = options(
        __doc__,
        name="random-gpt2-small",
        batch=8,
        max_tokens=128,
        threads=2,
        rounds=5,
        no_memory=False,
    )
    lm = FrozenLM.load(TextConfig(name=args.name, max_tokens=args.max_tokens))
    n_weights = sum(each.numel() for each in lm.model.parameters())
    n_tokens = len(lm.tokenise([f"made-up/0 {WORDS}"])[0])
    print(f"{lm.n_blocks} blocks; per window 40 signal tokens and {n_tokens} text tokens\n")
    configs = variants(args.name, lm.n_blocks, args.max_tokens)
    made = {name: make_step(each, make_batch(args.batch)) for name, each in configs.items()}
    times = by_turns({name: step for name, (_, step) in made.items()}, args.rounds)
    whole = 4 * n_weights
    table = {}
    print("  training step              best s  median s  of full  peak MiB  checkpoint  of model")
    for name, seconds in times.items():
        encoder, median = made[name][0], seconds[len(seconds) // 2]
        size = len(save({key: value.contiguous() for key, value in encoder.state_dict().items()}))
        peak = float("nan")
        if not args.no_memory:
            config = configs[name].model_dump_json()
            peak = in_process(measure_memory, config, args.batch, args.threads)
        ratio = median / times[FULL][len(times[FULL]) // 2]
        table[name] = {
            "best_s": seconds[0], "median_s": median, "of_full": ratio, "peak_mib": peak,
            "checkpoint_mib": size / 2**20, "of_model": size / whole,
        }  # fmt: skip
        print(
            f"  {name:25s} {seconds[0]:7.3f} {median:9.3f} {ratio:8.2f} {peak:9.0f} "
            f"{size / 2**20:8.1f} MiB {size / whole:8.2%}"
        )
    encoder = made[f"M = {lm.n_blocks - 1:2d}, reports cached"][0]
    print("\n  prediction                  best ms  median ms")
    for n in (1, 32):
        for is_new in (True, False):
            found = latency(encoder, n, args.rounds, is_new=is_new)
            name = f"batch {n}, {'new' if is_new else 'known'} reports"
            table[name] = {"best_ms": found[0], "median_ms": found[len(found) // 2]}
            print(f"  {name:25s} {found[0]:9.1f} {found[len(found) // 2]:10.1f}")
    print("\n" + json.dumps({"name": args.name, "batch": args.batch, "table": table}))


if __name__ == "__main__":
    main()
