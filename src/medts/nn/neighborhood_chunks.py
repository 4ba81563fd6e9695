"""Neighborhood attention in chunks: linear in length, with a backward written by hand.

The queries are cut into chunks of about the kernel's size. Chunk c needs only the keys of its own
tokens and a margin on either side, its span; neighbouring spans overlap. Laid out one row after
the other with zeros between, all spans are one strided view of the keys, so both products are
plain batched matrix products without a copy, and nothing is ever as large as tokens x tokens.

Windows move inwards at the borders. A window at the right border reaches up to
``kernel_size - 1`` tokens to the left. Rows of one length are therefore shifted until their last
chunk holds enough tokens; rows of different lengths get spans with a wider left margin instead.

Dilation, and rows past the last valid token, are left to `medts.nn.neighborhood`.

Axes: B rows (windows, times dilation groups), H heads, N tokens, D width of one head,
R all chunks of all rows and heads (R = B * H * chunks in a row), Q queries in a chunk,
S keys in a span.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a row lie once it is cut into chunks.

    Args:
        n_tokens: Tokens in a row, the padded tail included.
        kernel_size: Neighbors of a query.
        chunk: Queries in a chunk.
        n_chunks: Chunks in a row.
        front: Empty places before the first token.
        left: Keys in a span before the first query of its chunk; half a kernel follow the last.
    """

    n_tokens: int
    kernel_size: int
    chunk: int
    n_chunks: int
    front: int
    left: int

    @property
    def right(self) -> int:
        """Keys in a span after the last query of its chunk."""
        return self.kernel_size // 2

    @property
    def span(self) -> int:
        """Keys in a span."""
        return self.left + self.chunk + self.right


def plan_layout(n_tokens: int, kernel_size: int, *, is_ragged: bool) -> Layout:
    """Chooses chunk, margins and shift so that every query finds its window in its span.

    The first and the last chunk of a row must hold more than half a kernel of tokens, unless
    there is only one; with ``chunk >= kernel_size`` one shift always does both. Ragged rows end
    at different places, where no single shift can.
    """
    half = kernel_size // 2
    chunk = 16 * -(-kernel_size // 16)
    if is_ragged:
        front, left = 0, 2 * half
    else:
        rest = n_tokens % chunk
        is_short = n_tokens > chunk and 0 < rest <= half
        front, left = (half + 1 - rest if is_short else 0), half
    # At least `left` zeros follow each row, so that no span touches a token of another record.
    n_chunks = -(-(front + n_tokens + left) // chunk)
    return Layout(n_tokens, kernel_size, chunk, n_chunks, front, left)


def attend_chunks(
    q: Float[Tensor, "B H N D"],
    k: Float[Tensor, "B H N D"],
    v: Float[Tensor, "B H N D"],
    position_bias: Float[Tensor, "H offsets"],
    n_valid: Int[Tensor, "B"] | None = None,
) -> Float[Tensor, "B H N D"]:
    """Attends to the window of every query; rows past ``n_valid`` come back finite but unused."""
    kernel_size = (position_bias.shape[1] + 1) // 2
    layout = plan_layout(q.shape[2], kernel_size, is_ragged=n_valid is not None)
    bias = position_bias.to(q.dtype)
    with torch.autocast(q.device.type, enabled=False):
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return _forward(q, k, v, bias, n_valid, layout)[0]
        return _Chunks.apply(q, k, v, bias, n_valid, layout)  # pyright: ignore[reportReturnType]


@lru_cache(maxsize=128)
def _cached(build: Callable[..., Tensor], *key: Any) -> Tensor:
    with torch.inference_mode(mode=False):
        return build(*key)


def cached(build: Callable[..., Tensor], *key: Any) -> Tensor:
    """Builds a small tensor of positions once, as building it costs as much as using it.

    A tensor made in inference mode would be refused by autograd later, so it is made outside; a
    compiler gets its own.
    """
    return build(*key) if torch.compiler.is_compiling() else _cached(build, *key)


def find_window(
    place: Int[Tensor, "*#rows"], kernel_size: int, n_valid: Int[Tensor, "*#rows"] | int
) -> tuple[Int[Tensor, "*rows"], Int[Tensor, "*rows"]]:
    """Returns the first neighbor of the token at each place, and the one after the last.

    >>> start, stop = find_window(torch.arange(5), 3, 5)
    >>> start.tolist(), stop.tolist()
    ([0, 0, 1, 2, 2], [3, 3, 4, 5, 5])
    """
    n = torch.as_tensor(n_valid, device=place.device).clamp(min=1)
    start = (place - kernel_size // 2).clamp(min=0).minimum((n - kernel_size).clamp(min=0))
    return start, (start + kernel_size).minimum(n)


class _Chunks(torch.autograd.Function):
    """The same arithmetic as `_forward`, with spans folded by three additions on the way back."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        position_bias: Tensor,
        n_valid: Tensor | None,
        layout: Layout,
    ) -> Tensor:
        mixed, saved = _forward(q, k, v, position_bias, n_valid, layout)
        ctx.save_for_backward(*saved)
        ctx.layout, ctx.n_heads = layout, q.shape[1]
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        q, k_rows, v_rows, weights, mixed = ctx.saved_tensors
        layout: Layout = ctx.layout
        scale = q.shape[-1] ** -0.5
        with torch.autocast(grad.device.type, enabled=False):
            k, v = _spans(k_rows, layout), _spans(v_rows, layout)
            grad = _chunks(grad.to(q.dtype), layout)
            v_grad = torch.bmm(weights.transpose(1, 2), grad)
            # Softmax: each score's gradient is its weight times the gain over the row's mean.
            score_grad = torch.bmm(grad, v.transpose(1, 2))
            score_grad.sub_((grad * mixed).sum(dim=-1, keepdim=True)).mul_(weights)
            q_grad = torch.bmm(score_grad, k).mul_(scale)
            k_grad = torch.bmm(score_grad.transpose(1, 2), q).mul_(scale)
            per_head = score_grad.view(-1, ctx.n_heads, layout.n_chunks, layout.chunk * layout.span)
            per_head = per_head.sum(dim=(0, 2), dtype=torch.promote_types(grad.dtype, torch.float))
            index = cached(_offset_index, layout, grad.device).flatten()
            bias_grad = per_head.new_zeros(ctx.n_heads, 2 * layout.kernel_size - 1)
            bias_grad.index_add_(1, index, per_head)
        return (
            _unchunk(q_grad, layout, ctx.n_heads),
            _unchunk(_fold(k_grad, layout), layout, ctx.n_heads),
            _unchunk(_fold(v_grad, layout), layout, ctx.n_heads),
            bias_grad.to(grad.dtype),
            None,
            None,
        )


def _forward(
    q: Tensor, k: Tensor, v: Tensor, position_bias: Tensor, n_valid: Tensor | None, layout: Layout
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Returns the mixed values and what the way back needs."""
    n_heads = q.shape[1]
    if n_valid is None:
        is_neighbor = cached(_find_neighbors, layout, None, q.device)
    else:
        is_neighbor = _find_neighbors(layout, n_valid, q.device)
    index = cached(_offset_index, layout, q.device)
    bias = position_bias.index_select(1, index.flatten()).view(n_heads, 1, *index.shape)
    bias = torch.where(is_neighbor[:, None], bias, -torch.inf)
    scores = bias.expand(q.shape[0], *bias.shape[1:]).reshape(-1, *index.shape)

    q_chunks, k_rows, v_rows = _chunks(q, layout), _rows(k, layout), _rows(v, layout)
    k_spans, v_spans = _spans(k_rows, layout), _spans(v_rows, layout)
    scale = q.shape[-1] ** -0.5
    # Not in place: exported and decomposed, `baddbmm_` turns the infinities into NaN (torch 2.13).
    scores = torch.baddbmm(scores, q_chunks, k_spans.transpose(1, 2), alpha=scale)
    weights = scores.softmax(dim=-1, dtype=q.dtype)
    mixed = torch.bmm(weights, v_spans)
    return _unchunk(mixed, layout, n_heads), (q_chunks, k_rows, v_rows, weights, mixed)


def _find_neighbors(
    layout: Layout, n_valid: Tensor | None, device: torch.device
) -> Bool[Tensor, "B chunks Q S"]:
    """Marks the keys of each span that are neighbors of each query of its chunk.

    A place without a valid token sees its whole span, zeros included: finite, and never read.
    """
    first = torch.arange(layout.n_chunks, device=device)[:, None] * layout.chunk - layout.front
    query = first + torch.arange(layout.chunk, device=device)
    if n_valid is None:
        n_valid = torch.full((1,), layout.n_tokens, device=device)
    n_keys = n_valid[:, None, None]
    start, stop = find_window(query, layout.kernel_size, n_keys)
    is_real = (query >= 0) & (query < n_keys)
    key = (first - layout.left + torch.arange(layout.span, device=device))[:, None]
    return (key >= start[..., None]) & (key < stop[..., None]) | ~is_real[..., None]


def _offset_index(layout: Layout, device: torch.device) -> Int[Tensor, "Q S"]:
    """Column of the position bias for each query and key of a span; the same in every chunk."""
    query = torch.arange(layout.chunk, device=device)[:, None]
    key = torch.arange(layout.span, device=device) - layout.left
    reach = layout.kernel_size - 1
    return (key - query).clamp(-reach, reach) + reach


def _rows(tokens: Tensor, layout: Layout) -> Float[Tensor, "places D"]:
    """Lays all rows out one after the other, with zeros around them and at both ends."""
    B, H, N, D = tokens.shape
    n_places = B * H * layout.n_chunks * layout.chunk
    rows = tokens.new_zeros(layout.left + n_places + layout.right, D)
    body = rows[layout.left : layout.left + n_places].view(B, H, -1, D)
    body[:, :, layout.front : layout.front + N] = tokens
    return rows


def _spans(rows: Tensor, layout: Layout) -> Float[Tensor, "R S D"]:
    """Views overlapping spans; a compiler gets copies, as exporters cannot follow strides."""
    D = rows.shape[1]
    n_spans = (rows.shape[0] - layout.left - layout.right) // layout.chunk
    if not torch.compiler.is_compiling():
        return rows.as_strided((n_spans, layout.span, D), (layout.chunk * D, D, 1))
    body = rows[layout.left : rows.shape[0] - layout.right].view(n_spans, layout.chunk, D)
    edge = torch.zeros_like(body[:1])
    before = torch.cat([edge, body[:-1]])[:, layout.chunk - layout.left :]
    after = torch.cat([body[1:], edge])[:, : layout.right]
    return torch.cat([before, body, after], dim=1)


def _fold(spans: Tensor, layout: Layout) -> Float[Tensor, "R Q D"]:
    """Adds up what overlapping spans hold for the same token; the adjoint of `_spans`."""
    left, chunk = layout.left, layout.chunk
    body = spans[:, left : left + chunk].contiguous()
    body[:-1, chunk - left :] += spans[1:, :left]
    body[1:, : layout.right] += spans[:-1, left + chunk :]
    return body


def _chunks(tokens: Tensor, layout: Layout) -> Float[Tensor, "R Q D"]:
    """Cuts rows into chunks, with zeros in the places that hold no token."""
    B, H, N, D = tokens.shape
    body = tokens.new_zeros(B, H, layout.n_chunks * layout.chunk, D)
    body[:, :, layout.front : layout.front + N] = tokens
    return body.view(-1, layout.chunk, D)


def _unchunk(chunks: Tensor, layout: Layout, n_heads: int) -> Float[Tensor, "B H N D"]:
    """Undoes `_chunks`."""
    rows = chunks.view(-1, n_heads, layout.n_chunks * layout.chunk, chunks.shape[-1])
    return rows[:, :, layout.front : layout.front + layout.n_tokens]
