"""Pooling: attention pooling by learnt queries (CoCa), masked mean, last token.

The attention pooler is that of CoCa (Yu et al., TMLR 2022, arXiv:2205.01917), as MELP uses it: one
attention, without a skip connection or a feed-forward part.

Axes: B windows in the batch, N signal tokens, Q queries, D width of what is pooled.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AttentionPooler(nn.Module):
    """Attention pooling (CoCa): learnt queries attend to the valid tokens, then layer norm.

    Args:
        n_queries: Queries, Q.
        dim: Width of a query and of what it gathers.
        token_dim: Width of the tokens.
        n_heads: Heads of attention.
    """

    def __init__(self, *, n_queries: int, dim: int, token_dim: int, n_heads: int = 8) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(n_queries, dim))
        self.query_norm, self.token_norm = nn.LayerNorm(dim), nn.LayerNorm(token_dim)
        self.attention = nn.MultiheadAttention(
            dim, n_heads, kdim=token_dim, vdim=token_dim, batch_first=True
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "B N D_token"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B Q D"]:
        """Gathers valid tokens by every query; all tokens where none is valid."""
        return self.norm(self._attend(tokens, is_valid, need_weights=False)[0])

    def attend(
        self, tokens: Float[Tensor, "B N D_token"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B Q N"]:
        """Returns attention weights of queries over tokens, averaged over heads; for figures."""
        weight = self._attend(tokens, is_valid, need_weights=True)[1]
        assert weight is not None
        return weight

    def _attend(
        self, tokens: Tensor, is_valid: Tensor, *, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        keys = self.token_norm(tokens)
        queries = self.query_norm(self.queries).expand(len(tokens), -1, -1)
        is_ignored = None
        if not torch.compiler.is_compiling() and not bool(is_valid.all()):
            is_ignored = key_padding(is_valid)
        return self.attention(
            queries, keys, keys, key_padding_mask=is_ignored, need_weights=need_weights
        )


def key_padding(is_valid: Bool[Tensor, "R N"]) -> Bool[Tensor, "R N"]:
    """Returns torch's ``key_padding_mask``: True for keys that attention ignores."""
    # A row without a valid key attends to all of them: softmax over nothing is NaN.
    return ~is_valid & is_valid.any(dim=1, keepdim=True)


def mean_of_valid(
    hidden: Float[Tensor, "*rows N D"], is_valid: Bool[Tensor, "*rows N"]
) -> Float[Tensor, "*rows D"]:
    """Masked average pooling over the valid tokens of each row; zero where there is none."""
    weight = is_valid[..., None].to(hidden.dtype)
    return (hidden * weight).sum(dim=-2) / weight.sum(dim=-2).clamp(min=1)


def last_of_valid(
    hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Last-token pooling: the last valid token of each row; zero where there is none."""
    place = torch.arange(is_valid.shape[1], device=is_valid.device)
    last = (place * is_valid).amax(dim=1)
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, last] * is_valid.any(dim=1)[:, None].to(hidden.dtype)
