"""Settings of DeepConvLSTM; the network is `medts.models.baselines.deep_conv_lstm`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings, StreamInput


class DeepConvLSTMConfig(EncoderSettings):
    """Size and input of a DeepConvLSTM; the defaults are the paper's."""

    network: ClassVar[str] = "medts.models.baselines.deep_conv_lstm:DeepConvLSTM"
    sees_whole_window: ClassVar[bool] = False

    kind: Literal["deep_conv_lstm"] = "deep_conv_lstm"
    """Name of the encoder in the registry."""

    streams: dict[str, StreamInput] = Field(
        default_factory=lambda: {"ecg": StreamInput(channels=STANDARD_12_LEADS)}, min_length=1
    )
    """Channels of each stream that it reads, all at one rate."""

    width: int = Field(default=64, ge=1)
    """Filters of each convolution."""

    depth: int = Field(default=4, ge=1)
    """Convolutions."""

    kernel_size: int = Field(default=5, ge=1)
    """Samples that a convolution sees; odd."""

    stride: int = Field(default=1, ge=1)
    """Samples per step of the last convolution, hence per token; 1 in the paper."""

    dim: int = Field(default=128, ge=1)
    """Units of each recurrent layer."""

    n_recurrent: int = Field(default=2, ge=1)
    """Recurrent layers."""

    dropout: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Share of values dropped before each recurrent layer."""

    @model_validator(mode="after")
    def _streams_fit_together(self) -> "DeepConvLSTMConfig":
        rates = {name: stream.sampling_rate for name, stream in self.streams.items()}
        if len(set(rates.values())) > 1:
            raise ValueError(f"streams at {rates} Hz have no common time: give them one rate")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {self.kernel_size} is not odd")
        return self

    @classmethod
    def tiny(cls) -> "DeepConvLSTMConfig":
        """Returns sizes for the contract suite."""
        return DeepConvLSTMConfig(width=8, depth=2, stride=4, dim=16, dropout=0.0)
