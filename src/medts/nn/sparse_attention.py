"""Token-sparse dual attention (TSDA, MedSpaformer): many tokens in, a few learnt queries out.

MedSpaformer (Ye, Zhang, Li, Li and Tsung, AAAI 2026, arXiv:2503.15578). In the global stage all
tokens attend to each other; in the sparse stage a bank of learnt queries, conditioned on the
dataset by a vector, reads from them. "Sparse" means few tokens: the weights of attention stay
dense, and nothing is pruned or sampled. Parameters depend on the width and the number of queries
alone.

What the tokens are, and how many queries a stage may use, is left to the model.

Axes: R rows (channels or windows), N tokens in, Q queries and tokens out, D embedding width,
H attention heads.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.nn.settings import QueryStart

_FIRST_SHARPNESS = 4.0
"""Scale of learnt queries before training; at 1 each reads nearly the mean of all tokens."""


@dataclass(frozen=True)
class Kept:
    """What a block gives out.

    Args:
        tokens: Zero where not valid.
        is_valid: True for queries that were used, in rows with anything to read.
        weight: Share of each token out that comes from each token in; only of a traced pass.
    """

    tokens: Float[Tensor, "R Q D"]
    is_valid: Bool[Tensor, "R Q"]
    weight: Float[Tensor, "R Q N"] | None = None


class TokenSparseAttention(nn.Module):
    """Self-attention over all tokens, then attention of a few queries to them (TSDA).

    Components: *mix*, *mix_mlp* — global stage, each after a norm and around a skip connection;
    *bank* — learnt queries; *fuse* — linear map of a query beside the dataset's vector; *read*,
    *read_mlp* — sparse stage.

    With ``local`` queries, which are ours, each one starts from the mean of its part of the tokens,
    and what it reads is added to that mean: a stack of blocks then has a way through from the first
    tokens to the last. With ``learnt`` ones, as printed, what is read replaces the queries, and the
    order of tokens plays no part.

    Symbols: our ``bank`` is the paper's Q, ``fuse`` its f, ``prior`` its e_prior; ``mix`` gives
    H_self and ``read`` gives H_sparse.

    Departures: the printed formula has one head and neither norm, skip connection nor feed-forward
    part; the published number of parameters speaks for a feed-forward part after each attention,
    and the rest is what makes a deep stack train (pre-norm). No skip connection leads around
    learnt queries: with one, 0.3 % of what an untrained encoder gave depended on the signal.
    They are scaled up at first, so that each reads some tokens and not the mean of all; the share
    is then 12 %. The prior is brought to mean 0 and spread 1 first, so that text encoders of any
    scale weigh as much as the bank. Values are dropped in the updates and not in the weights of
    attention, whose fused kernels then never hold all weights.

    Args:
        dim: Width of tokens.
        n_heads: Heads of attention; they share the width evenly.
        n_queries: Size of the bank, the most tokens that come out.
        prior_dim: Width of the dataset's vector; 0 leaves it out.
        mlp_ratio: Hidden width of a feed-forward part over ``dim``.
        dropout: Share of values dropped in every update.
        is_sparse: False leaves out the sparse stage; a control.
        query_start: Whether queries are learnt alone or start from their part of the tokens.
    """

    def __init__(
        self,
        *,
        dim: int,
        n_heads: int,
        n_queries: int,
        prior_dim: int = 0,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        is_sparse: bool = True,
        query_start: QueryStart = "learnt",
    ) -> None:
        super().__init__()
        self.dim, self.is_sparse, self.is_local = dim, is_sparse, query_start == "local"
        self.norm_mix, self.mix = nn.LayerNorm(dim), Attention(dim=dim, n_heads=n_heads)
        self.mix_mlp = feed_forward(dim, mlp_ratio)
        self.dropout = nn.Dropout(dropout)
        if is_sparse:
            self.bank = nn.Parameter(torch.randn(n_queries, dim))
            self.fuse = nn.Linear(dim + prior_dim, dim) if prior_dim else None
            self.norm_query, self.norm_read = nn.LayerNorm(dim), nn.LayerNorm(dim)
            if not self.is_local:
                nn.init.constant_(self.norm_query.weight, _FIRST_SHARPNESS)
            self.read = Attention(dim=dim, n_heads=n_heads)
            self.read_mlp = feed_forward(dim, mlp_ratio)

    def forward(
        self,
        tokens: Float[Tensor, "R N D"],
        is_valid: Bool[Tensor, "R N"],
        *,
        n_kept: Int[Tensor, "R"] | int | None = None,
        at_most: int | None = None,
        prior: Float[Tensor, "D_prior"] | None = None,
        is_traced: bool = False,
    ) -> Kept:
        """Reads ``tokens`` where ``is_valid`` into the first queries of the bank.

        Args:
            tokens: What is read.
            is_valid: True for tokens that exist.
            n_kept: Queries that each row uses; all of the bank if None.
            at_most: Bound on ``n_kept`` over the rows, without a look at the tensor.
            prior: Vector of the dataset; a block with a ``prior_dim`` needs one.
            is_traced: Whether to return the weights, which costs time and memory.
        """
        is_read = readable(is_valid)
        normed = self.norm_mix(tokens)
        update, mixed = self.mix(normed, normed, is_read, is_traced=is_traced)
        tokens = tokens + self.dropout(update)
        tokens = tokens + self.dropout(self.mix_mlp(tokens))
        if mixed is not None:
            mixed = (mixed + torch.eye(mixed.shape[1], device=mixed.device)) / 2
        if not self.is_sparse:
            return Kept(tokens * is_valid[..., None], is_valid, mixed)

        queries = self.queries(prior, at_most).expand(len(tokens), -1, -1)
        place = torch.arange(queries.shape[1], device=tokens.device)
        if n_kept is None:
            n_kept = queries.shape[1]
        limit = n_kept[:, None] if isinstance(n_kept, Tensor) else n_kept
        is_used = is_valid.any(dim=1, keepdim=True) & (place < limit)

        part, start = None, torch.zeros_like(queries)
        if self.is_local:
            # Rows that read everything with as many queries share one matrix.
            is_alike = is_read is None and bool((is_used == is_used[:1]).all())
            n_rows = 1 if is_alike else len(tokens)
            part = parts_of(is_valid[:n_rows], is_used[:n_rows]).to(tokens.dtype)
            start = part @ tokens
        update, weight = self.read(
            self.norm_query(queries + start), self.norm_read(tokens), is_read, is_traced=is_traced
        )
        kept = start + (self.dropout(update) if self.is_local else update)
        kept = kept + self.dropout(self.read_mlp(kept))
        if weight is not None and mixed is not None:
            weight = (weight if part is None else (weight + part) / 2) @ mixed
        return Kept(kept * is_used[..., None], is_used, weight)

    def queries(
        self, prior: Float[Tensor, "D_prior"] | None, at_most: int | None = None
    ) -> Float[Tensor, "1 Q D"]:
        """Returns the first queries of the bank, each fused with the dataset's vector."""
        bank = self.bank[:at_most]
        if self.fuse is None:
            return bank[None]
        assert prior is not None, "this block was built for a prior"
        beside = F.layer_norm(prior, prior.shape).expand(len(bank), -1)
        return self.fuse(torch.cat([bank, beside], dim=1))[None]


class Attention(nn.Module):
    """Multi-head attention that can return its weights, averaged over heads."""

    def __init__(self, *, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        # The same shift of every key changes no softmax: a bias would never learn.
        self.to_query, self.to_key = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.to_value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(
        self,
        queries: Float[Tensor, "R Q D"],
        tokens: Float[Tensor, "R N D"],
        is_read: Bool[Tensor, "R N"] | None = None,
        *,
        is_traced: bool = False,
    ) -> tuple[Float[Tensor, "R Q D"], Float[Tensor, "R Q N"] | None]:
        """Returns what each query reads and, if traced, where; None reads every token."""
        q, k, v = (
            rearrange(part, "r n (h d) -> r h n d", h=self.n_heads)
            for part in (self.to_query(queries), self.to_key(tokens), self.to_value(tokens))
        )
        is_read = None if is_read is None else is_read[:, None, None]
        if not is_traced:
            read = F.scaled_dot_product_attention(q, k, v, is_read)
            return self.out(rearrange(read, "r h q d -> r q (h d)")), None
        score = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
        if is_read is not None:
            score = score.masked_fill(~is_read, -torch.inf)
        weight = score.softmax(dim=-1)
        return self.out(rearrange(weight @ v, "r h q d -> r q (h d)")), weight.mean(dim=1)


def readable(is_valid: Bool[Tensor, "R N"]) -> Bool[Tensor, "R N"] | None:
    """Returns what attention may read; None, the quick way, for everything.

    A row without any valid token reads all of them, since attention over nothing is not a
    number; what it gives is invalid and set to zero.
    """
    if not torch.compiler.is_compiling() and bool(is_valid.all()):
        return None
    return is_valid | ~is_valid.any(dim=1, keepdim=True)


def parts_of(is_valid: Bool[Tensor, "R N"], is_used: Bool[Tensor, "R Q"]) -> Float[Tensor, "R Q N"]:
    """Shares the valid tokens of every row out to its queries, in order and evenly.

    Query q of Q has the mean of tokens ⌊qN/Q⌋ to ⌈(q+1)N/Q⌉, as in adaptive average pooling, so
    that neighbours overlap where N is no multiple of Q and tokens repeat where there are fewer.
    """
    n, m = is_valid.sum(dim=1)[:, None, None], is_used.sum(dim=1)[:, None, None].clamp(min=1)
    place = torch.arange(is_used.shape[1], device=is_used.device)[None, :, None]
    rank = (is_valid.cumsum(dim=1) - 1)[:, None]
    first, end = place * n // m, -((-(place + 1) * n) // m)
    is_part = (first <= rank) & (rank < end) & is_valid[:, None] & is_used[..., None]
    return is_part / is_part.sum(dim=2, keepdim=True).clamp(min=1)


def feed_forward(dim: int, ratio: float) -> nn.Sequential:
    """Builds norm, widening, GELU and narrowing."""
    hidden = int(dim * ratio)
    return nn.Sequential(
        nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)
    )
