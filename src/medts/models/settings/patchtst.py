"""Settings of PatchTST; the network is `medts.models.baselines.patchtst`."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings

if TYPE_CHECKING:
    import medts.models.base


class PatchTSTConfig(EncoderSettings):
    """Size, window and input of a PatchTST; the defaults are the paper's supervised model."""

    kind: Literal["patchtst"] = "patchtst"
    """Name of the encoder in the registry."""

    stream: str = "ecg"
    """Stream that it reads."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels that it reads, in this order."""

    window: int = Field(default=250, ge=2)
    """Most samples of a window; a longer one is refused, in a shorter one zeros follow."""

    patch: int = Field(default=16, ge=1)
    """Samples per token."""

    stride: int = Field(default=8, ge=1)
    """Samples from one token to the next."""

    dim: int = Field(default=128, ge=1)
    """Width of a token."""

    depth: int = Field(default=3, ge=1)
    """Layers."""

    n_heads: int = Field(default=16, ge=1)
    """Heads of attention; they share the width evenly."""

    hidden: int = Field(default=256, ge=1)
    """Width inside the feed-forward part of a layer."""

    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of values dropped in embedding, feed-forward part and sums."""

    is_normalised: bool = False
    """Whether each channel of a window is brought to mean 0 and spread 1, as in the paper."""

    @model_validator(mode="after")
    def _sizes_make_sense(self) -> "PatchTSTConfig":
        if self.dim % self.n_heads:
            raise ValueError(f"dim {self.dim} is not a multiple of {self.n_heads} heads")
        if self.window <= self.patch:
            raise ValueError(f"window {self.window} must be longer than patch {self.patch}")
        return self

    def build(self) -> "medts.models.base.Encoder":
        """Builds the network."""
        from medts.models.baselines.patchtst import PatchTST

        return PatchTST(self)

    @classmethod
    def tiny(cls) -> "PatchTSTConfig":
        """Returns sizes for the contract suite."""
        return PatchTSTConfig(window=1000, dim=16, depth=1, n_heads=2, hidden=16, dropout=0.0)
