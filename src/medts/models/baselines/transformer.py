"""Transformer: the plain encoder over patches of the signal, for comparison with its heirs.

Vaswani et al., "Attention Is All You Need" (NeurIPS 2017, arXiv:1706.03762). A patch of all
channels becomes one token by a linear map, sinusoids give its position, and layers of full
attention mix the tokens. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

from torch import nn

from medts.models.base import OneStreamEncoder
from medts.models.settings.itransformer import ITransformerConfig
from medts.models.settings.transformer import TransformerConfig
from medts.nn.patches import cut_patches
from medts.nn.poolers import key_padding, mean_of_valid
from medts.nn.positions import add_positions
from medts.tensors.batch import Batch, Encoded


class Transformer(OneStreamEncoder):
    """Full attention between the patches of a window of any length.

    Components: *embedding* — linear map of a patch of all channels; *positions* — sinusoids, so
    that no length is foreign; *layers* — attention and feed-forward part; *norm* — layer norm of
    the result; *pooling* — mean over valid tokens.

    Symbols: our ``dim`` is the paper's d_model, ``hidden`` its d_ff, ``n_heads`` its h.

    Departures: tokens are patches, not words. Norms stand before each part instead of after the
    sum (Xiong et al., 2020, arXiv:2002.04745), which trains without a long warm-up, and GELU is
    in place of ReLU. Patches of padding are hidden from attention and left out of the mean, so
    padding changes nothing.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__(config)
        self.config, self.dim = config, config.dim
        self.embedding = nn.Linear(len(config.channels) * config.patch, config.dim)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = pre_norm_layers(config)
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        read = self.select(batch)
        patches, is_valid = cut_patches(read.signal, read.is_valid, self.config.patch)
        tokens = self.dropout(add_positions(self.embedding(patches)))
        is_ignored = key_padding(is_valid)
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=is_ignored)
        tokens = self.norm(tokens) * is_valid[..., None]
        return Encoded(tokens, is_valid, mean_of_valid(tokens, is_valid))


def pre_norm_layers(config: TransformerConfig | ITransformerConfig) -> nn.ModuleList:
    """Builds torch's pre-norm encoder layers: norms before attention and feed-forward part."""
    return nn.ModuleList(
        nn.TransformerEncoderLayer(
            config.dim,
            config.n_heads,
            config.hidden,
            config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        for _ in range(config.depth)
    )
