"""Settings of CroSSL; the network is `medts.models.crossl`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.core.montage import LEAD_GROUPS, STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings, StreamInput


class CrosslConfig(EncoderSettings):
    """Streams, widths and way of fusing of a CroSSL encoder."""

    network: ClassVar[str] = "medts.models.crossl:Crossl"
    offers: ClassVar[frozenset[str]] = frozenset({"has_latents"})

    kind: Literal["crossl"] = "crossl"
    """Name of the encoder in the registry."""

    streams: dict[str, StreamInput] = Field(
        default_factory=lambda: {"ecg": StreamInput(channels=STANDARD_12_LEADS)}, min_length=1
    )
    """Channels and rate of each stream that it reads; each has an encoder of its own."""

    latent_dim: int = Field(default=96, ge=4, multiple_of=4)
    """Width of a latent; the paper's code size."""

    dim: int = Field(default=32, ge=2)
    """Width of the embedding; the paper's projection size."""

    kernels: tuple[int, int, int] = (24, 16, 8)
    """Samples that each of the three convolutions sees."""

    strides: tuple[int, int, int] = (2, 2, 2)
    """Steps of the three convolutions, in samples; all 1 in the authors' code."""

    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of values dropped after every convolution."""

    aggregator: Literal["attention", "mlp"] = "attention"
    """``attention``: over the set of present modalities, in any order. ``mlp``: the authors', over
    all latents side by side."""

    missing: Literal["token", "zero"] = "token"
    """What stands for an absent latent in the ``mlp``: a learnt vector with an indicator bit, or
    zeros as in the authors' code, which look like a silent sensor."""

    n_heads: int = Field(default=4, ge=1)
    """Heads of the ``attention``; they share the latent's width evenly."""

    is_normalised: bool = True
    """Whether layer norm ends the aggregator, as in the authors' code."""

    modality_dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """How often each present modality is hidden in supervised training; one always stays."""

    features: Literal["aggregate", "encoder"] = "aggregate"
    """What the head reads: the fused embedding, or the latents side by side, absent ones zero, past
    the aggregator, as the authors' released script does."""

    weight_init: Literal["default", "paper"] = "default"
    """``paper``: the convolutions of all encoders initialised from N(0, 0.05) with one seed."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "CrosslConfig":
        if self.latent_dim % self.n_heads:
            raise ValueError(f"latent_dim {self.latent_dim} is no multiple of {self.n_heads} heads")
        if min(self.kernels) < 1 or min(self.strides) < 1:
            raise ValueError(f"kernels {self.kernels} and strides {self.strides} must be positive")
        return self

    @classmethod
    def tiny(cls) -> "CrosslConfig":
        """Returns sizes for the contract suite."""
        leads = {name: StreamInput(channels=LEAD_GROUPS[name]) for name in ("limb", "v1-v3")}
        return CrosslConfig(streams=leads, latent_dim=16, dim=8, dropout=0.0, is_normalised=False)
