"""Settings of a linear reader of reports; the network is `medts.models.baselines.text_linear`."""

from typing import ClassVar, Literal

from pydantic import Field

from medts.core.config import NOT_IDENTITY
from medts.core.montage import STANDARD_12_LEADS
from medts.models.settings.base import EncoderSettings
from medts.nn.settings import TextConfig


class TextLinearConfig(EncoderSettings):
    """Which language model reads, and how much of a report."""

    network: ClassVar[str] = "medts.models.baselines.text_linear:TextLinear"
    reads_signal: ClassVar[bool] = False

    kind: Literal["text_linear"] = "text_linear"
    """Name of the encoder in the registry."""

    text: TextConfig = TextConfig(name="minilm", max_tokens=128)
    """The frozen language model."""

    stream: str = "ecg"
    """Stream whose windows the reports belong to; its signal is not read."""

    channels: tuple[str, ...] = Field(default=STANDARD_12_LEADS, min_length=1)
    """Channels of that stream, which are not read either."""

    cache_mib: float = Field(default=512.0, ge=0.0, json_schema_extra=NOT_IDENTITY)
    """Memory for reports that were read."""

    @classmethod
    def tiny(cls) -> "TextLinearConfig":
        """Returns sizes for the contract suite."""
        return TextLinearConfig(text=TextConfig(name="random-tiny-gpt2", max_tokens=32))
