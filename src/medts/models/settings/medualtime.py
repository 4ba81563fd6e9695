"""Settings of MedualTime; the network is `medts.models.medualtime`."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from medts.core.config import NOT_IDENTITY
from medts.models.settings.base import OneStreamSettings
from medts.nn.settings import TextConfig


class MedualTimeConfig(OneStreamSettings):
    """Language model, adapters and fusion of a `MedualTime`; see ``medualtime_paper``."""

    network: ClassVar[str] = "medts.models.medualtime:MedualTime"
    offers: ClassVar[frozenset[str]] = frozenset({"two_passes"})
    sees_whole_window: ClassVar[bool] = False

    kind: Literal["medualtime"] = "medualtime"
    """Name of the encoder in the registry."""

    language_model: TextConfig = TextConfig(name="minilm", max_tokens=128)
    """The language model; its ``max_tokens`` is how much of a report the text pass reads."""

    text_encoder: TextConfig | None = None
    """Makes the report's vector for the signal pass; none takes ``language_model``, unadapted."""

    text_pool: Literal["mean", "first"] = "mean"
    """How the report's vector is made of its tokens; ``first`` is the paper's CLS token."""

    n_adapted: int | None = Field(default=None, ge=0)
    """Blocks with adapters, from the top; none takes all but the lowest, 0 injects nothing."""

    n_tokens: int = Field(default=5, ge=1)
    """Adaptation tokens per adapted block."""

    is_gate_shared: bool = False
    """Whether both passes use the same gates, as in the authors' code."""

    is_message_normed: bool = True
    """Whether a message is brought to unit spread and its tokens pass the block's norm; False, as
    in the authors' code, injects the report's vector at whatever size it has."""

    patch: int = Field(default=25, ge=1)
    """Samples per signal token, all channels together; 0.25 s at 100 Hz."""

    is_signal_normed: bool = True
    """Whether each channel of a window has mean 0 and spread 1 in the signal pass; the network
    that injects the signal sees amplitudes in either case."""

    pool: Literal["auto", "last", "mean"] = "auto"
    """How a pass is pooled; ``auto`` takes the last token if attention is causal, else the mean."""

    fusion: Literal["mean", "gate", "concat"] = "mean"
    """How the two embeddings become one; ``mean`` is the paper's."""

    passes: Literal["both", "signal", "text"] = "both"
    """Which passes there are; the ablations keep one, with the other modality injected."""

    reads: Literal["both", "signal", "text"] = "both"
    """A control: ``signal`` hides every report, ``text`` every signal, from the same model."""

    modality_dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """How often, in training, a window loses its report or its signal; never both."""

    conv_widths: tuple[int, ...] = Field(default=(64, 128, 128), min_length=1)
    """Widths of the residual blocks that make the signal's vector."""

    conv_kernels: tuple[int, ...] = Field(default=(7, 5, 3), min_length=1)
    """Samples that the convolutions of each residual block span, odd."""

    conv_stride: int = Field(default=1, ge=1)
    """Samples per step of the first convolution; 1 in the paper."""

    is_language_model_trained: bool = False
    """A control: whether the language model is trained too; the checkpoint then holds it all."""

    cache_mib: float = Field(default=512.0, ge=0.0, json_schema_extra=NOT_IDENTITY)
    """Memory for reports as they are below the first adapter; 0 computes them at every step."""

    @field_validator("conv_kernels")
    @classmethod
    def _kernels_are_odd(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if any(size < 1 or size % 2 == 0 for size in sizes):
            raise ValueError(f"conv_kernels must be odd, got {sizes}")
        return sizes

    @model_validator(mode="after")
    def _fusion_has_two_sides(self) -> "MedualTimeConfig":
        if self.passes != "both" and self.fusion != "mean":
            raise ValueError(f"fusion {self.fusion!r} needs both passes, not {self.passes!r} alone")
        return self

    def abilities(self) -> frozenset[str]:
        """Returns nothing where one of the passes is left out."""
        return self.offers if self.passes == "both" else frozenset()

    @classmethod
    def tiny(cls) -> "MedualTimeConfig":
        """Returns sizes for the contract suite."""
        return MedualTimeConfig(
            language_model=TextConfig(name="random-tiny-gpt2", max_tokens=32),
            conv_widths=(4, 8),
            is_signal_normed=False,
            modality_dropout=0.0,
        )
