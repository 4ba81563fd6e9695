"""Settings of the objective report alignment; its module is `medts.objectives.report_alignment`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.core.errors import ConfigError
from medts.models.settings.base import EncoderSettings
from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class ReportAlignmentConfig(ObjectiveSettings):
    """Weights and temperatures of the three levels; the paper's unless stated."""

    module: ClassVar[str] = "medts.objectives.report_alignment:ReportAlignment"
    learns_from: ClassVar[LearnsFrom] = "pairs"
    needs: ClassVar[frozenset[str]] = frozenset({"two_tower"})

    kind: Literal["report_alignment"] = "report_alignment"
    """Name of the objective in the registry."""

    rhythm: float = Field(default=1.0, ge=0.0)
    """Weight of the whole report; 0 switches the level off."""

    beat: float = Field(default=0.2, ge=0.0)
    """Weight of the sentences; 0 switches the level off."""

    token: float = Field(default=2.0, ge=0.0)
    """Weight of the words; 0 switches the level off, and needs an encoder without a decoder."""

    n_drawn_words: int = Field(default=0, ge=0)
    """In training, sampled softmax: how many words outside the batch's own are scored, sampled
    anew at every step; 0 takes the whole vocabulary, as in the paper."""

    temperature: float = Field(default=0.07, gt=0.0)
    """What the rhythm level's learnt temperature starts at; it never falls under 0.01."""

    beat_temperature: float = Field(default=0.25, gt=0.0)
    """Divides the cosines by which a sentence weighs beats; tau_1."""

    sentence_temperature: float = Field(default=0.2, gt=0.0)
    """Divides the cosines of sentences with what they gathered; tau_2, 0.1 in the paper's text and
    0.2 in its code."""

    score_temperature: float = Field(default=0.1, gt=0.0)
    """Divides the score of a recording and a report at the beat level."""

    beat_variant: Literal["clean", "code"] = "clean"
    """Form of the beat level; ``code`` is the released one, with the defects named there."""

    lead_hiding: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Probability of hiding each lead in training; one always stays."""

    sentence_hiding: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Probability of hiding each sentence from the rhythm level in training; one always stays. So
    the text tower also learns what a single finding means, as a prompt is one; 0 in the paper."""

    shuffles_pairs: bool = False
    """A control: every recording is given the report of another one in the batch."""

    collapse_after: int = Field(default=100, ge=1)
    """Steps with constant embeddings in a row after which training stops with an error."""

    @model_validator(mode="after")
    def _some_level_is_on(self) -> "ReportAlignmentConfig":
        if self.rhythm == self.beat == self.token == 0:
            raise ValueError("all three levels are off: set rhythm, beat or token above 0")
        return self

    def check_encoder(self, encoder: EncoderSettings) -> None:
        """Refuses a decoder that would not be trained, and a token level without one.

        Raises:
            ConfigError: If there is one without the other.
        """
        n_layers = getattr(encoder, "decoder_layers", None)
        if n_layers is not None and (self.token > 0) != (n_layers > 0):
            raise ConfigError(
                f"weight {self.token:g} of the token level and {n_layers} layers of the decoder "
                "contradict each other",
                field="objective.token",
                remedy="Set both to 0 or both above 0 (encoder.decoder_layers)",
            )
