"""Times MELP's beat level, text cache and ECG tower, and shows what checkpointing saves.

Numbers are checked for equality before anything is timed. Times are processor time, of one thread
by default. ``--paper-step`` takes one step of the published sizes, with an untrained BERT.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from medts.losses.report_alignment import beat_scores
from medts.models.melp import Melp
from medts.models.melp_tower import MelpTower
from medts.models.settings.melp import MelpConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.nn.language_model import LanguageModel, random_language_model
from medts.nn.report_tower import ReportTower
from medts.nn.settings import TextConfig
from medts.objectives.report_alignment import ReportAlignment
from medts.recipes.papers import melp_paper
from research.bench.common import in_process, noise, options, peak_mib, seconds_of

PAIRS, BEATS, SENTENCES, WIDTH = 64, 12, 5, 256
REPORT = "sinus rhythm. left axis deviation. t inversion in v5 and v6, number {}."


def best_ms(run: Callable[[], object], repeats: int) -> float:
    """Least processor time of some runs after one to warm up: other programs do not disturb it."""
    run()
    return 1e3 * min(seconds_of(run, time.process_time) for _ in range(repeats))


def loop_scores(beats: Tensor, reports: Sequence[Tensor]) -> Tensor:
    """The clean beat level as the released code is organised: one text after the other."""
    columns = []
    for sentences in reports:
        cosine = F.normalize(beats, dim=2) @ F.normalize(sentences, dim=1).T
        weight = (cosine / 0.25).softmax(dim=1)
        gathered = torch.einsum("iqs,iqd->isd", weight, beats)
        fit = F.cosine_similarity(gathered, sentences[None], dim=2)
        columns.append((fit / 0.2).logsumexp(dim=1) - torch.tensor(float(len(sentences))).log())
    return torch.stack(columns, dim=1)


def compare_beat_level(repeats: int) -> None:
    """Vectorised against the loop over texts, forward and backward."""
    beats = torch.randn(PAIRS, BEATS, WIDTH, requires_grad=True)
    counts = torch.randint(1, SENTENCES + 1, (PAIRS,))
    is_sentence = torch.arange(SENTENCES) < counts[:, None]
    sentences = (torch.randn(PAIRS, SENTENCES, WIDTH) * is_sentence[..., None]).requires_grad_()

    def vectorised() -> Tensor:
        return beat_scores(beats, sentences, is_sentence)

    def loop() -> Tensor:
        return loop_scores(beats, [s[:n] for s, n in zip(sentences, counts, strict=True)])

    apart = (vectorised() - loop()).abs().max().item()
    assert apart < 1e-5, apart
    ms = [best_ms(lambda f=f: f().sum().backward(), repeats) for f in (vectorised, loop)]
    print(
        f"\nbeat level, B={PAIRS}, {BEATS} beats, up to {SENTENCES} sentences; equal to {apart:.0e}"
    )
    print(f"  vectorised {ms[0]:8.2f} ms   loop over texts {ms[1]:8.2f} ms   {ms[1] / ms[0]:5.1f}x")


def language_model() -> LanguageModel:
    """An untrained BERT of MiniLM's size; tokens are characters."""
    return random_language_model("bert", layers=6, dim=384, heads=12, vocabulary_size=30522, seed=0)


def compare_text_cache(repeats: int) -> None:
    """Text tower with what lies below the first trainable layer kept, and computed each time."""
    texts = [REPORT.format(index) for index in range(32)]
    print("\ntext tower of MiniLM's size, 32 reports, forward and backward")
    for n_frozen in (3, 4, 5):
        ms = []
        for cache_mib in (512.0, 0.0):
            tower = ReportTower(
                language_model(), max_tokens=96, n_frozen_layers=n_frozen, cache_mib=cache_mib
            )
            ms.append(best_ms(lambda t=tower: t(texts)[1].sum().backward(), repeats))
        print(
            f"  {n_frozen} of 6 layers frozen: kept {ms[0]:7.1f} ms   computed {ms[1]:7.1f} ms   "
            f"{ms[1] / ms[0]:4.2f}x"
        )


def plain_encoder(config: MelpTowerConfig) -> nn.TransformerEncoder:
    """Torch's own encoder with the same layers."""
    layer = nn.TransformerEncoderLayer(
        config.dim, config.n_heads, config.hidden, 0.1, "gelu", batch_first=True
    )
    return nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)


def compare_tower(repeats: int) -> None:
    """Layers of the tower, and the whole tower, against torch's encoder on the same tokens."""
    config = MelpTowerConfig()
    ours, plain, batch = MelpTower(config), plain_encoder(config), noise(2, 5000, rate=500.0)
    tokens = torch.randn(2, 312, config.dim)
    print("\nECG tower of the published sizes, 2 windows of 10 s, 312 tokens")
    for mode in ("inference", "training"):
        for module in (ours, plain):
            module.train(mode == "training")

        def layers() -> Tensor:
            hidden = tokens
            for layer in ours.transformer:
                hidden = layer(hidden, None)
            return hidden

        with torch.set_grad_enabled(mode == "training"):
            ms = [
                best_ms(f, repeats)
                for f in (lambda: plain(tokens), layers, lambda: ours(batch).pooled)
            ]
        print(
            f"  forward in {mode:9s} torch's encoder {ms[0]:7.1f} ms   our layers {ms[1]:7.1f} ms "
            f"({ms[1] / ms[0]:4.2f}x)   whole tower from samples {ms[2]:7.1f} ms "
            f"({ms[2] / ms[0]:4.2f}x)"
        )


def memory(is_checkpointed: bool, threads: int) -> float:  # noqa: FBT001 - sent to a process
    """Peak memory of one step, MiB; runs in a process of its own."""
    torch.set_num_threads(threads)
    config = MelpTowerConfig(dim=384, n_heads=6, hidden=1536, is_checkpointed=is_checkpointed)
    tower = MelpTower(config)
    tower(noise(1, 500, rate=500.0)).pooled.sum().backward()
    batch = noise(8, 5000, rate=500.0)
    return peak_mib(lambda: tower(batch).pooled.sum().backward())


def show_memory(threads: int) -> None:
    """Prints the peak of a step with activations kept and computed again."""
    print("\npeak memory of a step, tower of width 384, 8 windows of 10 s at 500 Hz")
    kept, again = (
        in_process(memory, is_checkpointed, threads) for is_checkpointed in (False, True)
    )
    print(f"  kept {kept:7.0f} MiB   computed again {again:7.0f} MiB   {kept / again:4.2f}x")


def paper_step() -> None:
    """Takes one step of the published sizes; an untrained BERT-base stands for the text tower."""
    recipe = melp_paper()
    made = random_language_model(
        "bert", layers=12, dim=768, heads=12, vocabulary_size=30523, seed=0
    )
    with tempfile.TemporaryDirectory() as folder:
        made.model.save_pretrained(folder)
        made.tokenizer.save_pretrained(folder)
        del made
        text = TextConfig(name=folder, max_tokens=128)
        assert isinstance(recipe.encoder, MelpConfig)
        melp = Melp(recipe.encoder.but(text=text))
    objective = ReportAlignment(recipe.objective, encoder=melp)  # pyright: ignore
    trained = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=recipe.training.learning_rate)
    batch = replace(noise(2, 5000, rate=500.0), text=(REPORT.format(1), REPORT.format(2)))
    start = time.perf_counter()
    losses = objective(batch)
    losses.total.backward()
    optimizer.step()
    n_trained = sum(p.numel() for p in trained) / 1e6
    words = ", ".join(f"{k} {float(losses.parts[k]):.2f}" for k in ("rhythm", "beat", "token"))
    print(f"one step of melp_paper on 2 pairs: {time.perf_counter() - start:.1f} s, {words}; "
          f"{n_trained:.1f} M parameters learn")  # fmt: skip


def main() -> None:
    """Prints the comparisons."""
    args = options(__doc__, threads=1, repeats=8, paper_step=False)
    if args.paper_step:
        paper_step()
        return
    compare_beat_level(args.repeats)
    compare_text_cache(args.repeats)
    compare_tower(args.repeats)
    show_memory(args.threads)


if __name__ == "__main__":
    main()
