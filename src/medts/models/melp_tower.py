"""wav2vec 2.0 encoder for ECG, the tower of MELP: strided convolutions and a transformer.

The encoder of wav2vec 2.0 (Baevski et al., NeurIPS 2020, arXiv:2006.11477) for signals of several
leads, as fairseq-signals and MELP (Wang et al., ICML 2025, arXiv:2506.21803) use it, in plain
torch. Convolutions that do not overlap cut the record into patches, a long convolution over the
tokens gives their positions, and post-norm layers of full attention follow.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from medts.models.base import OneStreamEncoder
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.nn.neighborhood import count_valid, is_before
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded


class MelpTower(OneStreamEncoder):
    """Turns windows of any length into tokens of ``2 ** n_convs`` samples, and their mean.

    Components:
        convs — strided convolutions — patches; behind the first a norm of each channel over time.
        projection — norm and linear map — to the width of the transformer.
        positions — grouped convolution over tokens, added — relative positions.
        layers — post-norm attention and feed-forward part — relate the tokens.

    Symbols: our ``hidden`` is FFN, ``conv_gradient`` is ``feature_grad_mult``.

    Departures: padded samples take no part in the norm over time, in the convolution over
    positions or in attention, so padding changes nothing; samples at the end that fill no token
    are left out, as in the released code. wav2vec's masking and quantiser, which MELP carries
    along unused, do not exist here.

    Raises:
        ConfigError: When a batch has no such stream or none of the leads.
        MedtsError: When a window is shorter than one token.
    """

    def __init__(self, config: MelpTowerConfig) -> None:
        super().__init__(config)
        self.config, self.dim, self.shortest = config, config.dim, 2**config.n_convs
        widths = [len(config.channels), *[config.conv_dim] * config.n_convs]
        self.convs = nn.ModuleList(
            nn.Conv1d(n_in, n_out, kernel_size=2, stride=2, bias=False)
            for n_in, n_out in pairwise(widths)
        )
        self.conv_norm = None if config.is_amplitude_kept else NormOverTime(config.conv_dim)
        self.token_norm = nn.LayerNorm(config.conv_dim)
        self.projection = nn.Linear(config.conv_dim, config.dim)
        self.positions = Positions(
            config.dim, kernel_size=config.position_kernel, groups=config.position_groups
        )
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.transformer = nn.ModuleList(
            PostNormLayer(
                dim=config.dim,
                n_heads=config.n_heads,
                hidden=config.hidden,
                dropout=config.dropout,
            )
            for _ in range(config.depth)
        )
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight)  # pyright: ignore[reportArgumentType]
        for module in (self.projection, *self.transformer.modules()):
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def parts(self) -> list[nn.Module]:
        """Lists convolutions, what follows them, and the layers of attention."""
        norms = [] if self.conv_norm is None else [self.conv_norm]
        first = nn.ModuleList([*self.convs, *norms])
        middle = nn.ModuleList([self.token_norm, self.projection, self.positions, self.norm])
        return [first, middle, *self.transformer]

    def forward(self, batch: Batch) -> Encoded:
        """Encodes every window of the batch on its own."""
        read = self.select(batch)
        tokens, n_valid = self.tokenize(read.signal, count_valid(read.is_valid))
        tokens, is_token = self.relate(tokens, n_valid)
        return Encoded(tokens, is_token, mean_of_valid(tokens, is_token))

    def tokenize(
        self, signal: Float[Tensor, "B C T"], n_valid: Int[Tensor, "B"] | None
    ) -> tuple[Float[Tensor, "B N D_conv"], Int[Tensor, "B"] | None]:
        """Runs the convolutions, and counts the tokens that are full; None where all are."""
        hidden = signal.to(self.token_norm.weight.dtype)
        for i, conv in enumerate(self.convs):
            hidden = conv(hidden)
            n_valid = None if n_valid is None else n_valid // 2
            if i == 0 and self.conv_norm is not None:
                hidden = self.conv_norm(hidden, n_valid)
            hidden = F.gelu(hidden)
        return ScaleGradient.apply(hidden.transpose(1, 2), self.config.conv_gradient), n_valid

    def relate(
        self, tokens: Float[Tensor, "B N D_conv"], n_valid: Int[Tensor, "B"] | None
    ) -> tuple[Float[Tensor, "B N D"], Bool[Tensor, "B N"]]:
        """Runs everything behind the convolutions; returns tokens and which are valid."""
        is_token = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        may_see = None
        hidden = self.dropout(self.projection(self.token_norm(tokens)))
        if n_valid is not None:
            is_token = is_before(n_valid, tokens.shape[1])
            hidden = hidden.masked_fill(~is_token[..., None], 0.0)
            # A window without a valid token looks everywhere; attention over nothing is NaN.
            may_see = (is_token | ~is_token.any(dim=1, keepdim=True))[:, None, None]
        hidden = self.dropout(self.norm(hidden + self.positions(hidden)))
        for layer in self.transformer:
            if self.config.is_checkpointed and torch.is_grad_enabled():
                hidden = checkpoint(layer, hidden, may_see, use_reentrant=False)
            else:
                hidden = layer(hidden, may_see)
        if n_valid is not None:
            hidden = hidden.masked_fill(~is_token[..., None], 0.0)
        return hidden, is_token


class PostNormLayer(nn.Module):
    """Post-norm transformer layer: attention and feed-forward part, each followed by layer norm."""

    def __init__(self, *, dim: int, n_heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.rate = n_heads, dropout
        self.inward, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "B N D"], may_see: Bool[Tensor, "B 1 1 N"] | None
    ) -> Float[Tensor, "B N D"]:
        """Mixes tokens among each other, then each within itself."""
        q, k, v = self.inward(tokens).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, may_see, dropout_p=rate)
        update = self.out(mixed.transpose(1, 2).flatten(2))
        tokens = self.norm_attention(tokens + self.dropout(update))
        return self.norm_mlp(tokens + self.dropout(self.mlp(tokens)))


class Positions(nn.Module):
    """Convolutional position embedding (wav2vec 2.0): a long grouped convolution over tokens."""

    def __init__(self, dim: int, *, kernel_size: int, groups: int) -> None:
        super().__init__()
        conv = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=groups)
        nn.init.normal_(conv.weight, std=(4.0 / (kernel_size * dim)) ** 0.5)
        nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType] - there is one
        self.conv = nn.utils.parametrizations.weight_norm(conv, name="weight", dim=2)

    def forward(self, tokens: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Reads the tokens around each; an even kernel reaches one further back than ahead."""
        return F.gelu(self.conv(tokens.transpose(1, 2))[..., : tokens.shape[1]]).transpose(1, 2)


class NormOverTime(nn.Module):
    """Masked instance norm: each channel over the valid samples of its window, in fp32."""

    def __init__(self, dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(dim)), nn.Parameter(torch.zeros(dim))
        self.eps = eps

    def forward(
        self, hidden: Float[Tensor, "B C T"], n_valid: Int[Tensor, "B"] | None
    ) -> Float[Tensor, "B C T"]:
        """Normalises; samples behind the last valid one do not count."""
        dim = hidden.shape[1]
        if n_valid is None:
            out = F.group_norm(
                hidden.float(), dim, self.weight.float(), self.bias.float(), self.eps
            )
            return out.to(hidden.dtype)
        values = hidden.float()
        is_read = is_before(n_valid, hidden.shape[2])[:, None]
        count = n_valid.clamp(min=1)[:, None, None]
        mean = (values * is_read).sum(dim=2, keepdim=True) / count
        centred = (values - mean) * is_read
        variance = centred.square().sum(dim=2, keepdim=True) / count
        out = centred * (variance + self.eps).rsqrt()
        return (out * self.weight[:, None] + self.bias[:, None]).to(hidden.dtype)


class ScaleGradient(torch.autograd.Function):
    """Gradient scaling (``feature_grad_mult``): the identity, its gradient times a factor."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, factor: float) -> Tensor:
        """Passes the tokens on."""
        ctx.factor = factor
        return tokens.view_as(tokens)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor, None]:
        """Scales the gradient."""
        return grads[0] * ctx.factor, None
