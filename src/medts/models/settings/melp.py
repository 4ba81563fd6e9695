"""Settings of MELP; the network is `medts.models.melp`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from medts.models.settings.base import EncoderSettings, StreamInput
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.melp_tower import MelpTowerConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import TextConfig

TowerConfig = Annotated[
    EcgNatConfig | MelpTowerConfig | SparseformerConfig, Field(discriminator="kind")
]
"""Config of any encoder that can be the ECG tower: its tokens are as wide as its embedding."""


class MelpConfig(EncoderSettings):
    """Both towers and their shared space; the defaults are the paper's, but for the text model."""

    network: ClassVar[str] = "medts.models.melp:Melp"
    offers: ClassVar[frozenset[str]] = frozenset({"two_tower"})
    left_alone: ClassVar[tuple[str, ...]] = (
        *("report.", "text_projection.", "sentence_projection."),
        *("caption_pooler.", "decoder."),
    )

    kind: Literal["melp"] = "melp"
    """Name of the encoder in the registry."""

    tower: TowerConfig = MelpTowerConfig()
    """What reads the ECG."""

    text: TextConfig | None = TextConfig(name="minilm", max_tokens=128)
    """What reads reports; none leaves an encoder of ECGs alone, like the published weights."""

    n_frozen_text_layers: int = Field(default=6, ge=0)
    """Layers of the language model that stay as they are, from below; 6 of 12 in the paper."""

    is_text_causal: bool = True
    """Whether a word is kept from seeing those after it; the decoder needs it."""

    shared_dim: int = Field(default=256, ge=1)
    """Width of the space in which ECGs and texts are compared."""

    n_beats: int = Field(default=12, ge=1)
    """Queries that gather beats; 10 in the paper, 12 in its code, 14 in the published weights."""

    n_caption_queries: int = Field(default=128, ge=0)
    """Queries that gather what the decoder reads; 0 goes without."""

    caption_dim: int = Field(default=768, ge=1)
    """Width of what they gather."""

    n_pooler_heads: int = Field(default=8, ge=1)
    """Heads of both poolers."""

    decoder_layers: int = Field(default=6, ge=0)
    """Layers of the decoder that writes reports; 0 goes without."""

    decoder_dim: int = Field(default=768, ge=1)
    """Width of the decoder."""

    decoder_heads: int = Field(default=8, ge=1)
    """Heads of the decoder."""

    @property
    def stream(self) -> str:
        """Stream that the ECG tower reads."""
        return self.tower.stream

    @property
    def channels(self) -> tuple[str, ...]:
        """Leads that the ECG tower reads."""
        return self.tower.channels

    def inputs(self) -> dict[str, StreamInput]:
        """Returns what the ECG tower reads."""
        return self.tower.inputs()

    def longest_window(self) -> int | None:
        """Returns the most samples that the ECG tower reads."""
        return self.tower.longest_window()

    def abilities(self) -> frozenset[str]:
        """Returns nothing where no text is read."""
        return frozenset() if self.text is None else self.offers

    @model_validator(mode="after")
    def _decoder_has_what_it_reads(self) -> "MelpConfig":
        if self.decoder_layers and self.text is None:
            raise ValueError("a decoder needs a text model: set decoder_layers to 0")
        if self.decoder_layers and not self.n_caption_queries:
            raise ValueError("a decoder needs n_caption_queries above 0")
        if self.decoder_layers and not self.is_text_causal:
            raise ValueError(
                "a bidirectional text tower leaks the next word to the decoder: "
                "set decoder_layers to 0, or is_text_causal to True"
            )
        for name, width, n_heads in (
            ("shared_dim", self.shared_dim, self.n_pooler_heads),
            ("caption_dim", self.caption_dim, self.n_pooler_heads),
            ("decoder_dim", self.decoder_dim, self.decoder_heads),
        ):
            if width % n_heads:
                raise ValueError(f"{name} {width} is no multiple of {n_heads} heads")
        return self

    @classmethod
    def tiny(cls) -> "MelpConfig":
        """Returns sizes for the contract suite."""
        return MelpConfig(
            tower=MelpTowerConfig.tiny(),
            text=None,
            shared_dim=16,
            n_beats=4,
            n_pooler_heads=2,
            n_caption_queries=0,
            decoder_layers=0,
        )
