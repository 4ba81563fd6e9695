"""Causal decoder with cross-attention (CoCa captioning): predicts the next word of a report.

The multimodal half of CoCa (Yu et al., TMLR 2022, arXiv:2205.01917). In every layer words look
back at each other and then at the signal's tokens. It has no positions of its own: the words
come out of a causal text tower that has them, and must not have seen what follows.

Axes: B windows in the batch, L text tokens, M tokens of the signal, D width, V vocabulary.
"""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ReportDecoder(nn.Module):
    """Layers of causal self-attention and attention to the signal, then a map to the vocabulary.

    The map is a method of its own, so that only the positions that are scored pay for it.

    Departures: the released code allocates the map to the vocabulary and never fills it, so its
    first values are whatever the memory held; here every parameter is initialised on construction,
    with the deviations that CoCa intended.

    Args:
        text_dim: Width of the words that come in.
        memory_dim: Width of the signal's tokens.
        dim: Width of the layers; words of another width are projected.
        n_layers: Layers, each with both kinds of attention.
        n_heads: Heads of each attention.
        vocabulary_size: Words to choose from.
    """

    def __init__(
        self,
        *,
        text_dim: int,
        memory_dim: int,
        dim: int,
        n_layers: int,
        n_heads: int,
        vocabulary_size: int,
    ) -> None:
        super().__init__()
        self.inward = nn.Identity() if text_dim == dim else nn.Linear(text_dim, dim)
        self.words = nn.ModuleList(
            DecoderBlock(dim=dim, n_heads=n_heads, n_layers=n_layers) for _ in range(n_layers)
        )
        self.signal = nn.ModuleList(
            DecoderBlock(dim=dim, n_heads=n_heads, n_layers=n_layers, memory_dim=memory_dim)
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.vocabulary = nn.Linear(dim, vocabulary_size, bias=False)
        nn.init.normal_(self.vocabulary.weight, std=dim**-0.5)

    def forward(
        self, words: Float[Tensor, "B L D_text"], memory: Float[Tensor, "B M D_memory"]
    ) -> Float[Tensor, "B L D"]:
        """Returns the state of each position, which predicts the word that follows it."""
        hidden = self.inward(words)
        for back, across in zip(self.words, self.signal, strict=True):
            hidden = across(back(hidden), memory)
        return self.norm(hidden)

    def score(self, hidden: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows V"]:
        """Returns a logit for every word of the vocabulary."""
        return self.vocabulary(hidden)


class DecoderBlock(nn.Module):
    """Attention and feed-forward part, each after a norm and around a skip connection.

    Without a ``memory_dim`` it attends causally to its own row, with one to another row.
    """

    def __init__(
        self, *, dim: int, n_heads: int, n_layers: int, memory_dim: int | None = None
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_query = nn.LayerNorm(dim)
        self.norm_memory = None if memory_dim is None else nn.LayerNorm(memory_dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(memory_dim or dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        # GPT-2 and CLIP: residual branches are scaled down so that depth adds no variance.
        out_std = dim**-0.5 * (2 * n_layers) ** -0.5
        stds = {self.query: dim**-0.5, self.key_value: dim**-0.5, self.out: out_std}
        stds |= {self.mlp[0]: (2 * dim) ** -0.5, self.mlp[2]: out_std}
        for layer, std in stds.items():
            nn.init.normal_(layer.weight, std=std)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(
        self,
        hidden: Float[Tensor, "B L D"],
        memory: Float[Tensor, "B M D_memory"] | None = None,
    ) -> Float[Tensor, "B L D"]:
        """Mixes the words with what they look at, then each within itself."""
        normed = self.norm_query(hidden)
        source = normed
        if self.norm_memory is not None:
            assert memory is not None
            source = self.norm_memory(memory)
        key, value = self.key_value(source).chunk(2, dim=-1)
        q, k, v = (
            each.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
            for each in (self.query(normed), key, value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=self.norm_memory is None)
        hidden = hidden + self.out(mixed.transpose(1, 2).flatten(2))
        return hidden + self.mlp(self.norm_mlp(hidden))
