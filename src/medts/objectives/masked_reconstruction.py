"""Masked reconstruction (SimMIM, masked autoencoding) of ECGs: predict hidden samples.

The first stage of ECG-NAT (arXiv:2605.13194, abstract only; every number is our own), done as in
SimMIM (Xie et al., CVPR 2022, arXiv:2111.09886) because an encoder that looks through windows
needs its true neighbors: all tokens are kept, hidden ones are replaced by a learnt token. Time is
hidden in units of the encoder's total stride, in all leads at once, so that no deep token mixes
hidden and visible samples and no lead can be computed from the others. The signal under a unit is
zeroed before the overlapping tokenizer sees it. Some windows lose whole leads as well.

A light decoder joins all scales of the encoder, as Hiera does (arXiv:2306.00989), and is thrown
away. The encoder itself is not aware of hiding.

Axes: B windows in the batch, C channels, T samples in time, U units, P samples per unit,
N signal tokens, D embedding width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medts.models.abilities import Maskable, Scale, need
from medts.models.base import Encoder
from medts.models.ecg_nat import Layer
from medts.nn.neighborhood import NeighborhoodAttention, count_valid
from medts.nn.patches import masked_moments
from medts.nn.views import count_samples, sample_dropped
from medts.objectives.base import Objective
from medts.objectives.settings.masked_reconstruction import MaskedReconstructionConfig
from medts.tensors.batch import Batch, Losses


@dataclass(frozen=True)
class MaskedWindows:
    """Windows with what is to be hidden from the encoder, in its order of leads.

    Args:
        signal: Whole, zero wherever nothing was recorded.
        is_recorded: True for real samples of leads that were recorded.
        is_unit_hidden: Hidden in all leads.
        is_dropped: Leads hidden over their whole length.
    """

    signal: Float[Tensor, "B C T"]
    is_recorded: Bool[Tensor, "B C T"]
    is_unit_hidden: Bool[Tensor, "B U"]
    is_dropped: Bool[Tensor, "B C"]

    def is_hidden(self, unit: int) -> Bool[Tensor, "B C T"]:
        """True for samples that the encoder must not see, recorded or not."""
        is_hidden = self.is_unit_hidden.repeat_interleave(unit, dim=1)
        is_hidden = is_hidden[:, : self.signal.shape[-1]]
        return is_hidden[:, None] | self.is_dropped[..., None]

    def is_scored(self, unit: int) -> Bool[Tensor, "B C T"]:
        """True for hidden samples that were recorded."""
        return self.is_hidden(unit) & self.is_recorded


@dataclass(frozen=True)
class Reconstruction:
    """Windows before and after, in the scale of the model's input, for drawing.

    The mean and deviation of each hidden unit are taken from the signal; only its shape is the
    model's.

    Args:
        channels: Names of the leads.
        sampling_rate: Hz.
        signal: As recorded.
        restored: The model's where hidden, the signal elsewhere.
        is_hidden: True for samples that the encoder did not see and that were recorded.
    """

    channels: tuple[str, ...]
    sampling_rate: float
    signal: Float[Tensor, "B C T"]
    restored: Float[Tensor, "B C T"]
    is_hidden: Bool[Tensor, "B C T"]


class MaskedReconstruction(Objective):
    """Mean squared error of hidden samples, each unit of each lead standardised.

    Predicting zero scores 1 (less where a target was flatter than ``smallest_std``), which is
    logged beside the loss as ``predict_zero``. ``correlation`` is that of `Reconstruction` with
    the signal over hidden samples, averaged over leads. When not training, the same units are
    hidden every time, so that epochs can be compared.

    Args:
        config: Hiding, decoder and score.
        encoder: Whose tokens are replaced and whose scales are decoded.

    Raises:
        ConfigError: If the encoder's tokens cannot be replaced, or a unit is no multiple of one.
    """

    def __init__(self, config: MaskedReconstructionConfig, *, encoder: Encoder) -> None:
        super().__init__()
        able = need(
            encoder,
            Maskable,
            problem=f"masked reconstruction cannot hide tokens of a {type(encoder).__name__}",
            remedy="Use the encoder ecg_nat, or another objective such as simclr",
        )
        config.check_unit(able.token_strides[-1])
        self.config, self.encoder = config, encoder
        self.mask_token = nn.Parameter(torch.empty(able.token_dims[0]))
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        self.decoder = Decoder(
            strides=able.token_strides,
            scale_dims=able.token_dims,
            dim=config.decoder_dim,
            depth=config.decoder_depth,
            kernel_size=config.decoder_kernel,
            n_channels=len(able.input.channels),
        )

    def forward(self, batch: Batch) -> Losses:
        """Scores one batch."""
        masked = self.hide(batch)
        prediction = split_units(self.restore(masked), self.config.unit)
        target, mean, std = self.standardise(masked)
        is_scored = split_units(masked.is_scored(self.config.unit), self.config.unit)

        error = mean_where((prediction - target).square(), is_scored)
        parts = {
            "reconstruction": error.detach(),
            "predict_zero": mean_where(target.square(), is_scored),
            "correlation": correlation(
                prediction.detach() * std + mean, target * std + mean, is_scored
            ),
        }
        if self.config.difference == 0:
            return Losses(error, parts)
        step = (prediction - target).diff(dim=-1).abs()
        difference = mean_where(step, is_scored[..., 1:] & is_scored[..., :-1])
        parts["difference"] = difference.detach()
        return Losses(error + self.config.difference * difference, parts)

    def hide(self, batch: Batch) -> MaskedWindows:
        """Chooses what the encoder will not see."""
        read = cast(Maskable, self.encoder).select(batch)
        signal = read.signal
        generator = None
        if not self.training:
            # The same masks at every validation, so that epochs can be compared.
            generator = torch.Generator(signal.device).manual_seed(0)
        n_units = -(-count_samples(read) // self.config.unit)
        longest = -(-signal.shape[-1] // self.config.unit)
        return MaskedWindows(
            signal=signal.float(),
            is_recorded=read.is_recorded,
            is_unit_hidden=sample_hidden(n_units, longest, self.config.hide_ratio, generator),
            is_dropped=sample_dropped(
                read.is_channel_present,
                self.config.lead_dropout_p,
                self.config.lead_dropout_n,
                generator,
            ),
        )

    def restore(self, masked: MaskedWindows) -> Float[Tensor, "B C T"]:
        """Predicts every sample, standardised, from those that are not hidden."""
        seen = masked.signal.masked_fill(masked.is_hidden(self.config.unit), 0.0)
        encoder = cast(Maskable, self.encoder)
        tokens, n_valid = encoder.tokenize(seen, masked.is_recorded.any(dim=1))
        per_unit = self.config.unit // encoder.token_strides[0]
        is_hidden = masked.is_unit_hidden.repeat_interleave(per_unit, dim=1)
        is_hidden = is_hidden[:, : tokens.shape[1], None]
        tokens = torch.where(is_hidden, self.mask_token.to(tokens.dtype), tokens)
        restored = self.decoder(encoder.encode(tokens, n_valid).intermediates["scales"])
        return restored[..., : masked.signal.shape[-1]].float()

    def standardise(
        self, masked: MaskedWindows
    ) -> tuple[Float[Tensor, "B C U P"], Float[Tensor, "B C U 1"], Float[Tensor, "B C U 1"]]:
        """Returns each unit of each lead less its mean over its deviation, and these two."""
        signal = split_units(masked.signal, self.config.unit)
        is_recorded = split_units(masked.is_recorded, self.config.unit)
        mean, variance = masked_moments(signal, is_recorded)
        std = variance.sqrt().clamp(min=self.config.smallest_std)
        return (signal - mean) / std, mean, std

    @torch.no_grad()
    def reconstruct(self, batch: Batch) -> Reconstruction:
        """Returns the windows with hidden samples predicted by the model."""
        read = cast(Maskable, self.encoder).select(batch)
        masked = self.hide(batch)
        prediction = split_units(self.restore(masked), self.config.unit)
        _, mean, std = self.standardise(masked)
        restored = rearrange(prediction * std + mean, "b c u p -> b c (u p)")
        is_hidden = masked.is_scored(self.config.unit)
        return Reconstruction(
            channels=read.channels,
            sampling_rate=read.sampling_rate,
            signal=masked.signal,
            restored=torch.where(is_hidden, restored[..., : is_hidden.shape[-1]], masked.signal),
            is_hidden=is_hidden,
        )


class Decoder(nn.Module):
    """Multi-scale decoder (Hiera): sums all scales at the rate of the second, predicts samples.

    Tokens of the first scale are joined, those of deeper ones are repeated. Where there is one
    scale alone, it is taken as it is.
    """

    def __init__(
        self,
        *,
        strides: Sequence[int],
        scale_dims: Sequence[int],
        dim: int,
        depth: int,
        kernel_size: int,
        n_channels: int,
    ) -> None:
        super().__init__()
        self.middle = min(1, len(strides) - 1)
        self.n_samples = strides[self.middle]
        self.n_joined = self.n_samples // strides[0]
        self.n_repeats = [max(1, stride // self.n_samples) for stride in strides]
        widths = [self.n_joined * scale_dims[0], *scale_dims[1:]]
        self.inward = nn.ModuleList(nn.Linear(width, dim) for width in widths)
        self.layers = nn.ModuleList(
            Layer(
                dim=dim,
                mixer=NeighborhoodAttention(dim=dim, n_heads=dim // 32, kernel_size=kernel_size),
                mlp_ratio=3.0,
                drop_path=0.0,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)
        self.outward = nn.Linear(dim, n_channels * self.n_samples)

    def forward(self, scales: Sequence[Scale]) -> Float[Tensor, "B C T"]:
        """Predicts all channels over the length of the scale at whose rate all are summed."""
        n_tokens, n_valid = (
            scales[self.middle].tokens.shape[1],
            count_valid(scales[self.middle].is_valid),
        )
        first = scales[0].tokens
        first = nn.functional.pad(first, (0, 0, 0, self.n_joined * n_tokens - first.shape[1]))
        hidden = self.inward[0](rearrange(first, "b (n j) d -> b n (j d)", j=self.n_joined))
        rest = zip(self.inward[1:], scales[1:], self.n_repeats[1:], strict=True)
        for inward, scale, n_repeats in rest:
            wide = repeat(inward(scale.tokens), "b n d -> b (n r) d", r=n_repeats)
            hidden = hidden + wide[:, :n_tokens]
        for layer in self.layers:
            hidden = layer(hidden, n_valid)
        samples = self.outward(self.norm(hidden))
        return rearrange(samples, "b n (c p) -> b c (n p)", p=self.n_samples)


def sample_hidden(
    n_units: Int[Tensor, "B"],
    longest: int,
    hide_ratio: float,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "B U"]:
    """Hides the same share of each window's units, at random; one at least, of several not all."""
    n_hidden = (hide_ratio * n_units).round().long()
    n_hidden = n_hidden.minimum(n_units - 1).clamp(min=1).minimum(n_units)
    score = torch.rand((len(n_units), longest), device=n_units.device, generator=generator)
    is_unit = torch.arange(longest, device=n_units.device) < n_units[:, None]
    rank = score.masked_fill(~is_unit, 2.0).argsort(dim=1).argsort(dim=1)
    return rank < n_hidden[:, None]


def split_units(values: Tensor, unit: int) -> Tensor:
    """Folds the samples of each channel into units, with zeros after the last sample."""
    padded = nn.functional.pad(values, (0, -values.shape[-1] % unit))
    return rearrange(padded, "b c (u p) -> b c u p", p=unit)


def mean_where(values: Float[Tensor, "..."], is_counted: Bool[Tensor, "..."]) -> Float[Tensor, ""]:
    """Mean of the chosen values; zero, with a gradient of zero, where there is none."""
    return (values * is_counted).sum() / is_counted.sum().clamp(min=1)


def correlation(
    first: Float[Tensor, "B C U P"],
    second: Float[Tensor, "B C U P"],
    is_counted: Bool[Tensor, "B C U P"],
) -> Float[Tensor, ""]:
    """Pearson's, over the chosen samples of each channel, averaged over channels that vary."""
    n_samples = is_counted.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    sides = []
    for side in (first, second):
        mean = (side * is_counted).sum(dim=(2, 3), keepdim=True) / n_samples
        sides.append((side - mean) * is_counted)
    product = (sides[0] * sides[1]).sum(dim=(2, 3))
    norm = (sides[0].square().sum(dim=(2, 3)) * sides[1].square().sum(dim=(2, 3))).sqrt()
    return mean_where(product / norm.clamp(min=1e-12), norm > 1e-6)
