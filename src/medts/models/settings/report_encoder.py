"""Settings of a text encoder of reports; the network is `medts.models.report_encoder`."""

from typing import ClassVar, Literal

from medts.models.settings.base import EncoderSettings, StreamInput
from medts.nn.settings import TextConfig


class ReportEncoderConfig(EncoderSettings):
    """Which language model learns the wording of reports."""

    network: ClassVar[str] = "medts.models.report_encoder:ReportEncoder"
    offers: ClassVar[frozenset[str]] = frozenset({"masks_language"})
    reads_signal: ClassVar[bool] = False
    left_alone: ClassVar[tuple[str, ...]] = ("model.cls", "model.lm_head")

    kind: Literal["report_encoder"] = "report_encoder"
    """Name of the encoder in the registry."""

    text: TextConfig = TextConfig(name="minilm", max_tokens=128)
    """Encoder such as BERT to start from: ``minilm``, a local folder, or a hub model at hand."""

    def inputs(self) -> dict[str, StreamInput]:
        """Returns nothing: no stream is read."""
        return {}

    @classmethod
    def tiny(cls) -> "ReportEncoderConfig":
        """Returns sizes for the contract suite."""
        return ReportEncoderConfig(text=TextConfig(name="random-tiny-bert", max_tokens=32))
