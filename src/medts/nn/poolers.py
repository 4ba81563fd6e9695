"""Pooling: attention pooling by learnt queries (CoCa), masked mean, last token.

From CoCa (Yu et al., TMLR 2022, arXiv:2205.01917), as MELP uses it: one attention, without a skip
connection or a feed-forward part. What the answers are compared with is left to the model.

Axes: B windows in the batch, N signal tokens, Q questions, D width of an answer.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AttentionPooler(nn.Module):
    """Answers of ``n_queries`` learnt queries to the valid tokens of a window, normalised.

    Args:
        n_queries: Questions, Q.
        dim: Width of a question and its answer.
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
        """Answers every question from the valid tokens; from all where none is."""
        return self.norm(self._ask(tokens, is_valid, is_drawn=False)[0])

    def attend(
        self, tokens: Float[Tensor, "B N D_token"], is_valid: Bool[Tensor, "B N"]
    ) -> Float[Tensor, "B Q N"]:
        """Returns the share of each token in each answer, averaged over heads; for drawing."""
        weight = self._ask(tokens, is_valid, is_drawn=True)[1]
        assert weight is not None
        return weight

    def _ask(
        self, tokens: Tensor, is_valid: Tensor, *, is_drawn: bool
    ) -> tuple[Tensor, Tensor | None]:
        known = self.token_norm(tokens)
        asked = self.query_norm(self.queries).expand(len(tokens), -1, -1)
        is_ignored = None
        if not torch.compiler.is_compiling() and not bool(is_valid.all()):
            # Attention over nothing is NaN: a window without a valid token is asked as a whole.
            is_ignored = ~is_valid & is_valid.any(dim=1, keepdim=True)
        return self.attention(
            asked, known, known, key_padding_mask=is_ignored, need_weights=is_drawn
        )


def mean_of_valid(
    hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Averages the valid tokens of each row; zero where there is none."""
    weight = is_valid[..., None].to(hidden.dtype)
    return (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)


def last_of_valid(
    hidden: Float[Tensor, "B N D"], is_valid: Bool[Tensor, "B N"]
) -> Float[Tensor, "B D"]:
    """Takes the last valid token of each row; zero where there is none."""
    place = torch.arange(is_valid.shape[1], device=is_valid.device)
    last = (place * is_valid).amax(dim=1)
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, last] * is_valid.any(dim=1)[:, None].to(hidden.dtype)
