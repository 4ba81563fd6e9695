"""Neighborhood attention (Hassani et al.) in 1D: each token attends to its nearest tokens.

A window of ``kernel_size`` tokens slides along with the query and moves inwards at the borders,
so that every query has exactly ``kernel_size`` neighbors; nothing is padded. With a dilation d
the neighbors of a token are those of its group, every d-th token. A group shorter than the
kernel is attended to as a whole. The border of a row is its last *valid* token, so that padding
a row changes nothing. A learnt bias per head and offset (neighbor minus query) is added to the
scores. Neighborhood Attention Transformer (Hassani et al., CVPR 2023, arXiv:2204.07143); the
definition is that of NATTEN's one-dimensional reference.

Three forms give the same numbers: ``gather`` (the definition, for tests), ``dense`` (all scores
and a band; quadratic, but quickest for short rows) and ``chunks``, linear in length
(`medts.nn.neighborhood_chunks`). `choose_form` picks one.

Axes: B rows, H heads, N tokens, D width (of all heads in the module, of one in the functions).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.core.errors import ConfigError
from medts.nn.neighborhood_chunks import attend_chunks, cached, find_window
from medts.nn.positions import relative_bias
from medts.nn.tracing import can_look

Form = Literal["auto", "dense", "chunks", "gather"]

DENSE_UP_TO = {"cpu": 64, "cuda": 512}
"""Longest row, in tokens, for which the dense form is taken. That for ``cpu`` was measured
(``research/bench/neighborhood.py --crossover``); that for ``cuda`` is a guess without a GPU."""


class NeighborhoodAttention(nn.Module):
    """Multi-head self-attention within a window around each token.

    Args:
        dim: Width of the tokens.
        n_heads: Heads; must divide ``dim``.
        kernel_size: Neighbors of a token, itself included; odd.
        dilation: Distance between neighbors, in tokens.
        form: How it is computed; ``auto`` decides by length and device.

    Raises:
        ConfigError: If ``kernel_size`` is even, or the heads do not divide the width.
    """

    def __init__(
        self, *, dim: int, n_heads: int, kernel_size: int, dilation: int = 1, form: Form = "auto"
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ConfigError(f"{kernel_size} is not an odd number", field="kernel_size")
        if dim % n_heads:
            raise ConfigError(f"{n_heads} heads do not divide a width of {dim}", field="n_heads")
        self.n_heads, self.dilation = n_heads, dilation
        self.form: Form = form
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.position_bias = nn.Parameter(torch.empty(n_heads, 2 * kernel_size - 1))
        nn.init.trunc_normal_(self.position_bias, std=0.02)

    def forward(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Mixes the first ``n_valid`` tokens of each row, or all of them when it is None."""
        q, k, v = rearrange(self.qkv(tokens), "b n (s h d) -> s b h n d", s=3, h=self.n_heads)
        mixed = attend(
            q,
            k,
            v,
            self.position_bias,
            dilation=self.dilation,
            n_valid=n_valid,
            form=self.form,
        )
        return self.out(rearrange(mixed, "b h n d -> b n (h d)"))


class FullAttention(nn.Module):
    """A control: the same parameters as `NeighborhoodAttention`, but every token is a neighbor.

    Offsets beyond the kernel share the bias of the outermost one.
    """

    def __init__(self, *, dim: int, n_heads: int, kernel_size: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.position_bias = nn.Parameter(torch.empty(n_heads, 2 * kernel_size - 1))
        nn.init.trunc_normal_(self.position_bias, std=0.02)

    def forward(
        self, tokens: Float[Tensor, "B N D"], n_valid: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B N D"]:
        """Mixes the first ``n_valid`` tokens of each row, or all of them when it is None."""
        n_tokens = tokens.shape[1]
        q, k, v = rearrange(self.qkv(tokens), "b n (s h d) -> s b h n d", s=3, h=self.n_heads)
        bias = relative_bias(self.position_bias.to(q.dtype), n_tokens)
        if n_valid is not None:
            is_key = is_before(n_valid.clamp(min=1), n_tokens)[:, None, None]
            bias = bias.where(is_key, -torch.inf)
        mixed = F.scaled_dot_product_attention(q, k, v, bias.expand(len(tokens), -1, -1, -1))
        return self.out(rearrange(mixed, "b h n d -> b n (h d)"))


def attend(
    q: Float[Tensor, "B H N D"],
    k: Float[Tensor, "B H N D"],
    v: Float[Tensor, "B H N D"],
    position_bias: Float[Tensor, "H offsets"],
    *,
    dilation: int = 1,
    n_valid: Int[Tensor, "B"] | None = None,
    form: Form = "auto",
) -> Float[Tensor, "B H N D"]:
    """Neighborhood attention of rows of tokens; zeros past the last valid token of each.

    Args:
        q: Queries; scaled here.
        k: Keys.
        v: Values.
        position_bias: For each offset from ``1 - kernel_size`` to ``kernel_size - 1``; its width
            gives the kernel size.
        dilation: Distance between neighbors, in tokens.
        n_valid: Valid tokens at the start of each row; all when None.
        form: How it is computed.
    """
    n_tokens = q.shape[2]
    kernel_size = (position_bias.shape[1] + 1) // 2
    if form == "auto":
        form = choose_form(-(-n_tokens // dilation), kernel_size, q.device)
    if form == "gather":
        mixed = attend_gather(q, k, v, position_bias, dilation, n_valid)
    else:
        attend_rows = attend_dense if form == "dense" else attend_chunks
        n_in_group = n_valid
        if dilation > 1:
            q, k, v = (split_groups(part, dilation) for part in (q, k, v))
            n_in_group = count_in_groups(n_tokens, dilation, n_valid, q)
        mixed = attend_rows(q, k, v, position_bias, n_in_group)
        if dilation > 1:
            mixed = rearrange(mixed, "(b g) h n d -> b h (n g) d", g=dilation)[:, :, :n_tokens]
    if n_valid is None:
        return mixed
    return mixed.masked_fill(~is_before(n_valid, n_tokens)[:, None, :, None], 0.0)


def choose_form(n_tokens: int, kernel_size: int, device: torch.device) -> Form:
    """Picks the quickest form for rows (or dilation groups) of ``n_tokens``.

    Dense where the row is short, or where chunks would have to hold nearly all of it anyway.
    """
    limit = DENSE_UP_TO.get(device.type, DENSE_UP_TO["cuda"])
    return "dense" if n_tokens <= max(limit, 4 * kernel_size) else "chunks"


def attend_dense(
    q: Float[Tensor, "B H N D"],
    k: Float[Tensor, "B H N D"],
    v: Float[Tensor, "B H N D"],
    position_bias: Float[Tensor, "H offsets"],
    n_valid: Int[Tensor, "B"] | None = None,
) -> Float[Tensor, "B H N D"]:
    """Computes all scores and bars what is no neighbor; rows past ``n_valid`` are unused.

    Written out on a CPU, where the fused kernel has no gradient for the bias and is slower for
    the short rows that come here.
    """
    B, H, N, D = q.shape
    kernel_size = (position_bias.shape[1] + 1) // 2
    if n_valid is None:
        column = cached(find_columns, N, kernel_size, None, q.device)
    else:
        column = find_columns(N, kernel_size, n_valid, q.device)
    barred = F.pad(position_bias.to(q.dtype), (0, 1), value=-torch.inf)
    bias = barred.index_select(1, column.flatten()).view(H, -1, N, N).transpose(0, 1)
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, bias)
    q, k, v = (part.reshape(B * H, N, D) for part in (q, k, v))
    bias = bias.expand(B, H, N, N).reshape(B * H, N, N)
    scores = torch.baddbmm(bias, q, k.transpose(1, 2), alpha=D**-0.5)
    return torch.bmm(scores.softmax(dim=-1, dtype=v.dtype), v).view(B, H, N, D)


def find_columns(
    n_tokens: int, kernel_size: int, n_valid: Int[Tensor, "B"] | None, device: torch.device
) -> Int[Tensor, "rows N N"]:
    """Column of the position bias for every query and key; one past the last for strangers."""
    place = torch.arange(n_tokens, device=device)
    n = torch.full((1,), n_tokens, device=device) if n_valid is None else n_valid
    start, stop = find_window(place, kernel_size, n[:, None])
    is_neighbor = (place >= start[..., None]) & (place < stop[..., None])
    # Places past the last valid token see its window from afar; what they see is not used.
    offset = (place - place[:, None]).clamp(1 - kernel_size, kernel_size - 1)
    return (offset + kernel_size - 1).where(is_neighbor, 2 * kernel_size - 1)


def attend_gather(
    q: Float[Tensor, "B H N D"],
    k: Float[Tensor, "B H N D"],
    v: Float[Tensor, "B H N D"],
    position_bias: Float[Tensor, "H offsets"],
    dilation: int = 1,
    n_valid: Int[Tensor, "B"] | None = None,
) -> Float[Tensor, "B H N D"]:
    """Lists the neighbors of every query: the definition, and three to fifty times slower."""
    B, _, N, D = q.shape
    kernel_size = (position_bias.shape[1] + 1) // 2
    if n_valid is None:
        n_valid = torch.full((B,), N, device=q.device)
    place = torch.arange(N, device=q.device)
    group, place_in_group = place % dilation, place // dilation
    n_in_group = (n_valid[:, None] - group + dilation - 1) // dilation
    start, stop = find_window(place_in_group, kernel_size, n_in_group)
    rank = start[..., None] + torch.arange(kernel_size, device=q.device)
    is_neighbor = (rank < stop[..., None])[:, None]
    index = (group[:, None] + rank * dilation).clamp(max=N - 1)
    column = (rank - place_in_group[:, None] + kernel_size - 1).clamp(0, 2 * kernel_size - 2)

    row = torch.arange(B, device=q.device)[:, None, None]
    k_BHNKD, v_BHNKD = (part.transpose(1, 2)[row, index].movedim(3, 1) for part in (k, v))
    scores = torch.einsum("bhnd,bhnkd->bhnk", q, k_BHNKD) * D**-0.5
    scores = scores + position_bias.to(q.dtype)[:, column].transpose(0, 1)
    weights = scores.masked_fill(~is_neighbor, -torch.inf).softmax(dim=-1)
    weights = weights.masked_fill(~is_neighbor, 0.0)  # a group without a token has no neighbor
    return torch.einsum("bhnk,bhnkd->bhnd", weights, v_BHNKD)


def split_groups(tokens: Float[Tensor, "B H N D"], dilation: int) -> Float[Tensor, "Bg H Ng D"]:
    """Makes a row of each dilation group: every ``dilation``-th token, zeros at the end."""
    padded = F.pad(tokens, (0, 0, 0, -tokens.shape[2] % dilation))
    return rearrange(padded, "b h (n g) d -> (b g) h n d", g=dilation)


def count_in_groups(
    n_tokens: int, dilation: int, n_valid: Int[Tensor, "B"] | None, groups: Float[Tensor, "Bg ..."]
) -> Int[Tensor, "Bg"] | None:
    """Counts the valid tokens in each row of ``groups``; None where all of them are full."""
    if n_valid is None:
        if n_tokens % dilation == 0:
            return None
        n_valid = torch.full((len(groups) // dilation,), n_tokens, device=groups.device)
    group = torch.arange(dilation, device=groups.device)
    return ((n_valid[:, None] - group + dilation - 1) // dilation).flatten()


def is_before(n_valid: Int[Tensor, "B"], n_tokens: int) -> Bool[Tensor, "B N"]:
    """True for the first ``n_valid`` of ``n_tokens`` places."""
    return torch.arange(n_tokens, device=n_valid.device) < n_valid[:, None]


def count_valid(is_valid: Bool[Tensor, "B T"]) -> Int[Tensor, "B"] | None:
    """Counts the samples up to the last valid one; None, the quick way, when all are valid."""
    if can_look(is_valid) and bool(is_valid.all()):
        return None
    place = torch.arange(1, is_valid.shape[1] + 1, device=is_valid.device)
    return (is_valid * place).amax(dim=1)
