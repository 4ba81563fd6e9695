"""PatchTST: one Transformer over overlapping patches, applied to every channel alone.

Nie, Nguyen, Sinthong and Kalagnanam, "A Time Series is Worth 64 Words" (ICLR 2023,
arXiv:2211.14730), in the implementation of Hugging Face transformers. Channels share all weights
and never see each other before the head. Training and the head are left to others.

Axes: B windows in the batch, C channels, T samples in time, N signal tokens, D embedding width.
"""

import math
from typing import Any

import torch.nn.functional as F
from einops import rearrange
from torch import nn

from medts.core.errors import MedtsError
from medts.models.base import OneStreamEncoder
from medts.models.settings.patchtst import PatchTSTConfig
from medts.nn.poolers import mean_of_valid
from medts.tensors.batch import Batch, Encoded


class PatchTST(OneStreamEncoder):
    """Channel-independent patch Transformer; tokens of all channels at a place side by side.

    Components: *model* — patches, linear map, learnt positions and Transformer layers with batch
    norm, of one channel; *pooling* — mean over valid tokens, channels kept apart.

    Departures: the paper brings every channel of a window to unit spread; here that is an option
    that is off, since the amplitude of an ECG means something. The tokens are averaged per
    channel, as in transformers' classifier, where the paper's forecaster flattens them. The
    implementation has no mask for attention: a window shorter than ``window`` is filled with
    zeros which tokens do see, always to the same length, so that padding in the batch still
    changes nothing. The few samples at its start that fill no patch are not read. A channel's
    tokens are zero where it was not recorded.

    Raises:
        MedtsError: If transformers is not installed.
    """

    def __init__(self, config: PatchTSTConfig) -> None:
        super().__init__(config)
        self.config = config
        self.dim = len(config.channels) * config.dim
        self.model = build_patchtst(config)

    def forward(self, batch: Batch) -> Encoded:
        """Encodes the configured stream; a window without it gives a zero embedding."""
        config, read = self.config, self.select(batch)
        n_samples = read.signal.shape[2]
        missing = config.window - n_samples
        signal = F.pad(read.signal, (0, missing))
        is_recorded = F.pad(read.is_recorded, (0, missing))
        encoded = self.model(
            past_values=signal.transpose(1, 2),
            past_observed_mask=is_recorded.transpose(1, 2).to(signal.dtype),
        ).last_hidden_state
        unread = (config.window - config.patch) % config.stride
        covered = is_recorded[..., unread:].unfold(2, config.patch, config.stride).any(dim=3)
        tokens = encoded * covered[..., None]
        pooled = mean_of_valid(tokens, covered).flatten(1)
        tokens = rearrange(tokens, "b c n d -> b n (c d)")
        is_token_valid = covered.any(dim=1)
        # Tokens that begin after the longest window of the batch are none of it.
        n_begun = max(1, math.ceil((n_samples - unread) / config.stride))
        return Encoded(tokens[:, :n_begun], is_token_valid[:, :n_begun], pooled)


def build_patchtst(config: PatchTSTConfig) -> Any:
    """Builds the model of transformers.

    Raises:
        MedtsError: If transformers is not installed.
    """
    try:
        from transformers import PatchTSTConfig as TheirConfig
        from transformers import PatchTSTModel
    except ImportError as error:
        raise MedtsError(
            "PatchTST needs the package transformers", remedy="Run: pip install medts[text]"
        ) from error
    model = PatchTSTModel(
        TheirConfig(
            num_input_channels=len(config.channels),
            context_length=config.window,
            patch_length=config.patch,
            patch_stride=config.stride,
            num_hidden_layers=config.depth,
            d_model=config.dim,
            num_attention_heads=config.n_heads,
            ffn_dim=config.hidden,
            positional_dropout=config.dropout,
            path_dropout=config.dropout,
            ff_dropout=config.dropout,
            norm_type="batchnorm",
            pre_norm=False,
            positional_encoding_type="random",
            scaling="std" if config.is_normalised else None,
            do_mask_input=False,
        )
    )
    # As in the authors' code; transformers samples them ten times as large as the patches' own.
    nn.init.uniform_(model.encoder.positional_encoder.position_enc, -0.02, 0.02)
    return model
