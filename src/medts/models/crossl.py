"""CroSSL: an encoder per modality and an aggregator that fuses those present.

Deldari et al., "CroSSL: Cross-modal Self-Supervised Learning for Time-series through Latent
Masking" (WSDM 2024, arXiv:2307.16847). Every stream has a small convolutional encoder of its own,
which turns a window into one vector, its latent. An aggregator fuses the latents of the present
modalities into the embedding, so sensors may come and go. Hiding latents to learn from each other
without labels is left to `medts.objectives.latent_masking`.

Axes: B windows in the batch, C channels, T samples in time, M modalities, K latent width, D
embedding width.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from medts.core.errors import MedtsError
from medts.models.base import Encoder, missing_stream, select_stream
from medts.models.settings.crossl import CrosslConfig
from medts.nn.aggregation import (
    Aggregator,
    AttentionAggregator,
    MlpAggregator,
    hide,
    sample_visible,
)
from medts.nn.tracing import can_look
from medts.tensors.batch import Batch, Encoded, Latents


class Crossl(Encoder):
    """CroSSL encoder: one CNN per modality, and an aggregator; tokens are the latents.

    Components: *encoders* — three convolutions with layer norm and PReLU, mean over valid samples;
    *aggregator* — see `medts.nn.aggregation`.

    Symbols: our ``latent_dim`` is the paper's K, ``dim`` its D, latents its Q, pooled its Z.

    A stream that a window lacks is absent among the latents and carries no information. So is,
    after training, a modality that no training window had: its encoder is as initialised. A window
    that has only such modalities is refused; one that has none at all gives a zero embedding whose
    tokens are all invalid.

    Departures: the authors' encoder takes every sample; ours has stride 2, which costs a sixth.
    Their MLP takes exactly the sensors it was trained with and confuse an absent one with a
    silent one, so attention over the set is our default. Their released script classifies from the
    latents and passes the aggregator by; ours reads the aggregate by default. Padding
    is kept out of every convolution and mean.

    Raises:
        ConfigError: In `forward`, when a stream comes at another rate than the config states.
        MedtsError: In `forward`, when all that a window has are modalities never trained on.
    """

    is_trained: Bool[Tensor, "M"]

    def __init__(self, config: CrosslConfig) -> None:
        super().__init__()
        self.config, self.modalities = config, tuple(config.streams)
        self.encoders = nn.ModuleDict(
            {
                name: ModalityEncoder(
                    n_channels=len(stream.channels),
                    dim=config.latent_dim,
                    kernels=config.kernels,
                    strides=config.strides,
                    dropout=config.dropout,
                )
                for name, stream in config.streams.items()
            }
        )
        if config.weight_init == "paper":
            for encoder in self.encoders.values():
                _init_as_published(encoder)
        self.aggregator: Aggregator = (
            MlpAggregator(
                self.modalities,
                latent_dim=config.latent_dim,
                dim=config.dim,
                missing=config.missing,
                is_normalised=config.is_normalised,
            )
            if config.aggregator == "mlp"
            else AttentionAggregator(
                self.modalities,
                latent_dim=config.latent_dim,
                dim=config.dim,
                n_heads=config.n_heads,
                is_normalised=config.is_normalised,
            )
        )
        self.register_buffer("is_trained", torch.zeros(len(self.modalities), dtype=torch.bool))
        self.latent_dim, self.aggregate_dim = config.latent_dim, config.dim
        is_fused = config.features == "aggregate"
        self.dim = config.dim if is_fused else len(self.modalities) * config.latent_dim

    def parts(self) -> list[nn.Module]:
        """Lists the encoders of all modalities, which stand side by side, and the aggregator."""
        return [self.encoders, self.aggregator]

    def forward(self, batch: Batch) -> Encoded:
        """Encodes and fuses; in training after modality dropout, where the config has it."""
        latents = self.encode(batch)
        if self.training and self.config.modality_dropout > 0:
            is_visible = sample_visible(latents.is_present, self.config.modality_dropout)
            latents = hide(latents, ~is_visible)
        if self.config.features == "encoder":
            pooled = latents.embedding.flatten(1)
        else:
            is_any_present = latents.is_present.any(dim=1, keepdim=True)
            pooled = self.aggregator(latents) * is_any_present
        return Encoded(latents.embedding, latents.is_present, pooled, {"latents": latents})

    def encode(self, batch: Batch) -> Latents:
        """Returns the latent of every modality; zero, and marked, where it is absent."""
        if not any(name in batch.streams for name in self.modalities):
            raise missing_stream(self.modalities, batch)
        rows, present = [], []
        for name in self.modalities:
            stream = batch.streams.get(name)
            if stream is None:
                some = next(iter(batch.streams.values())).signal
                rows.append(some.new_zeros(len(batch), self.config.latent_dim))
                present.append(torch.zeros(len(batch), dtype=torch.bool, device=some.device))
                continue
            read = select_stream(name, stream, self.config.streams[name])
            rows.append(self.encoders[name](read.signal, read.is_valid))
            present.append(read.is_valid.any(dim=1))
        latents = Latents(torch.stack(rows, 1), torch.stack(present, 1), self.modalities)
        if self.training:
            self.is_trained |= latents.is_present.any(dim=0)
        # An encoder that was never trained at all, such as a control, is taken as it is.
        is_usable = self.is_trained | ~self.is_trained.any()
        usable = hide(latents, ~latents.is_present | ~is_usable)
        if not self.training and can_look(latents.is_present):
            self._check_trained(latents, usable)
        return usable

    def fuse(self, latents: Latents) -> Float[Tensor, "B D"]:
        """Returns the embedding of given latents.

        Raises:
            MedtsError: If a window has no present modality, or one has a name that the aggregator
                was not built for.
        """
        is_empty = ~latents.is_present.any(dim=1)
        if is_empty.any():
            raise MedtsError(
                f"window {int(is_empty.nonzero()[0])} of the batch has no present modality",
                field="is_present",
                remedy=f"The model fuses {', '.join(self.modalities)}",
            )
        return self.aggregator(latents)

    def _check_trained(self, latents: Latents, usable: Latents) -> None:
        is_lost = latents.is_present.any(dim=1) & ~usable.is_present.any(dim=1)
        if not is_lost.any():
            return
        present = latents.is_present[is_lost][0].tolist()
        names = [name for name, is_there in zip(self.modalities, present, strict=True) if is_there]
        trained = zip(self.modalities, self.is_trained.tolist(), strict=True)
        raise MedtsError(
            f"all that a window has is {', '.join(names)}, which was never seen in training",
            field="streams",
            remedy=f"The model was trained on {', '.join(name for name, was in trained if was)}",
        )


class ModalityEncoder(nn.Module):
    """1D CNN of one modality: three convolutions, each with layer norm, PReLU and dropout.

    Their widths are a quarter, a half and all of ``dim``.
    """

    def __init__(
        self,
        *,
        n_channels: int,
        dim: int,
        kernels: tuple[int, int, int],
        strides: tuple[int, int, int],
        dropout: float,
    ) -> None:
        super().__init__()
        widths = (n_channels, dim // 4, dim // 2, dim)
        sizes = zip(widths[:-1], widths[1:], kernels, strides, strict=True)
        self.convs = nn.ModuleList(nn.Conv1d(c, d, k, stride=s) for c, d, k, s in sizes)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:])
        self.activations = nn.ModuleList(nn.PReLU(width) for width in widths[1:])
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, signal: Float[Tensor, "B C T"], is_valid: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B K"]:
        """Averages over valid places; zero where there is none."""
        x = signal * is_valid[:, None]
        for conv, norm, activation in zip(self.convs, self.norms, self.activations, strict=True):
            assert isinstance(conv, nn.Conv1d)
            kernel, stride = conv.kernel_size[0], conv.stride[0]
            x = conv(F.pad(x, ((kernel - 1) // 2, kernel // 2)))
            x = self.dropout(activation(norm(x.mT).mT))
            is_valid = thin_out(is_valid, stride)
            x = x * is_valid[:, None]
        return x.sum(dim=2) / is_valid.sum(dim=1, keepdim=True).clamp(min=1)


def thin_out(is_valid: Bool[Tensor, "B T"], stride: int) -> Bool[Tensor, "B T2"]:
    """Max-pools a validity mask: one value per ``stride`` samples, True where any of them is."""
    if stride == 1:
        return is_valid
    padded = F.pad(is_valid, (0, -is_valid.shape[1] % stride))
    return padded.unflatten(1, (-1, stride)).any(dim=2)


def _init_as_published(encoder: nn.Module) -> None:
    """Initialises every convolution from N(0, 0.05), alike for all encoders of one shape."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.normal_(module.weight, std=0.05, generator=torch.Generator().manual_seed(0))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
