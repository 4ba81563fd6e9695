"""Times neighborhood attention against gather and dense masked attention, and shows its memory.

By default the allocator keeps freed memory; ``--plain-malloc`` leaves it alone. ``--crossover``
prints where chunks overtake the dense form; ``--device cuda`` adds compiled FlexAttention.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from medts.nn.neighborhood import attend, find_window
from research.bench.common import best_ms, in_process, keep_memory, options, peak_mib

ROWS, HEADS, WIDTH, KERNEL = 8, 6, 32, 31
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def random_inputs(n_tokens: int, device: str, rows: int = ROWS, heads: int = HEADS) -> Inputs:
    """Returns random queries, keys and values as a linear layer lays them out, and a bias."""
    qkv = torch.randn(rows, n_tokens, 3, heads, WIDTH, device=device)
    q, k, v = (part.detach().requires_grad_() for part in qkv.permute(2, 0, 3, 1, 4))
    bias = torch.randn(heads, 2 * KERNEL - 1, device=device, requires_grad=True)
    return q, k, v, bias


def masked_sdpa(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Fused dense attention with a band; its bias gets no gradient, which spares it much."""
    n, kernel = q.shape[2], (bias.shape[1] + 1) // 2
    place = torch.arange(n, device=q.device)
    start, stop = find_window(place, kernel, n)
    is_neighbor = (place >= start[:, None]) & (place < stop[:, None])
    offset = (place - place[:, None]).clamp(1 - kernel, kernel - 1) + kernel - 1
    band = bias.detach()[:, offset].where(is_neighbor, -torch.inf)
    return F.scaled_dot_product_attention(q, k, v, band)


def flex(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """FlexAttention with the same windows; compile it, or it holds all scores."""
    n, kernel = q.shape[2], (bias.shape[1] + 1) // 2
    half = kernel // 2

    def is_neighbor(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key - query.clamp(half, n - 1 - half)).abs() <= half

    def add_bias(score: Tensor, b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return score + bias[h, (key - query).clamp(1 - kernel, kernel - 1) + kernel - 1]

    blocks = create_block_mask(is_neighbor, None, None, n, n, device=str(q.device))
    return flex_attention(q, k, v, score_mod=add_bias, block_mask=blocks)  # pyright: ignore


def step(form: Callable[..., Tensor], inputs: Inputs, upstream: Tensor) -> None:
    """Goes forward and backward once."""
    out = form(*inputs)
    torch.autograd.grad(out, inputs, upstream, allow_unused=True)
    if out.is_cuda:
        torch.cuda.synchronize()


def check(device: str, compiled: Callable[..., Tensor]) -> None:
    """Refuses to time anything that does not give the same numbers."""
    q, k, v, bias = (part.detach() for part in random_inputs(512, device, rows=1))
    expected = attend(q, k, v, bias, form="gather")
    for form in (partial(attend, form="chunks"), masked_sdpa, compiled):
        torch.testing.assert_close(form(q, k, v, bias), expected, atol=1e-4, rtol=1e-3)


def compare(device: str, repeats: int, compiled: Callable[..., Tensor]) -> None:
    """Prints forward plus backward, and how many times slower than chunks each form is."""
    forms: dict[str, Callable[..., Tensor]] = {
        "chunks": partial(attend, form="chunks"),
        "gather": partial(attend, form="gather"),
        "dense masked SDPA": masked_sdpa,
    }
    if device == "cuda":
        forms["FlexAttention"] = compiled
    print(f"\nforward + backward, B={ROWS} H={HEADS} D={WIDTH} K={KERNEL}, ms (times chunks)")
    for n_tokens in (1000, 5000):
        inputs = random_inputs(n_tokens, device)
        upstream = torch.randn_like(inputs[0])
        ours = 0.0
        for name, form in forms.items():
            n = repeats if name == "chunks" else max(2, repeats // 4)
            ms = best_ms(partial(step, form, inputs, upstream), n)
            ours = ours or ms
            print(f"  L={n_tokens:5d}  {name:18s} {ms:9.1f}   {ms / ours:6.1f}x", flush=True)


def crossover(device: str, repeats: int) -> None:
    """Prints dense over chunks for rows of growing length, in training and for one record."""
    print("\ndense / chunks, time (above 1: chunks win)")
    for n_tokens in (32, 48, 64, 80, 96, 128, 160, 256, 512, 1024):
        row = []
        for rows in (1, 32):
            inputs = random_inputs(n_tokens, device, rows=rows, heads=4)
            inputs = (*inputs[:3], inputs[3][:, 16:-16].detach().requires_grad_())  # kernel of 15
            upstream = torch.randn_like(inputs[0])
            dense, chunks = (
                best_ms(partial(step, partial(attend, form=form), inputs, upstream), repeats)
                for form in ("dense", "chunks")
            )
            row.append(f"B={rows:2d} {dense:8.2f} / {chunks:7.2f} ms = {dense / chunks:5.2f}")
        print(f"  L={n_tokens:4d} K=15   " + "   ".join(row), flush=True)


def memory(form: Literal["chunks", "dense"], n_tokens: int, device: str, threads: int) -> float:
    """Peak memory of one step, MiB; runs in a process of its own."""
    torch.set_num_threads(threads)
    run = masked_sdpa if form == "dense" else partial(attend, form=form)
    small, inputs = random_inputs(64, device), random_inputs(n_tokens, device)
    step(run, small, torch.randn_like(small[0]))
    return peak_mib(partial(step, run, inputs, torch.randn_like(inputs[0])), device)


def show_memory(device: str, threads: int) -> None:
    """Prints peak memory against length; doubling the length should double it."""
    print("\npeak memory of forward + backward, MiB (growth when the length doubles)")
    forms: tuple[Literal["chunks", "dense"], ...] = ("chunks", "dense")
    for form in forms:
        cells, last = [], 0.0
        for n_tokens in (1000, 2000, 4000, 8000) if form == "chunks" else (1000, 2000, 4000):
            mb = in_process(memory, form, n_tokens, device, threads)
            cells.append(f"L={n_tokens} {mb:7.0f}" + (f" ({mb / last:4.2f}x)" if last else ""))
            last = mb
        print(f"  {form:8s} " + "   ".join(cells), flush=True)


def main() -> None:
    """Prints the comparisons."""
    args = options(
        __doc__, device="cpu", threads=2, repeats=12, crossover=False, plain_malloc=False
    )
    if not args.plain_malloc:
        keep_memory()
    compiled = torch.compile(flex) if args.device == "cuda" else flex
    check(args.device, compiled)
    if args.crossover:
        crossover(args.device, args.repeats)
        return
    compare(args.device, args.repeats, compiled)
    show_memory(args.device, args.threads)


if __name__ == "__main__":
    main()
