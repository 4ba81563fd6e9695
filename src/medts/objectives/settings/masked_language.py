"""Settings of the objective masked language; its module is `medts.objectives.masked_language`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class MaskedLanguageConfig(ObjectiveSettings):
    """How many tokens are hidden, and how; BERT's numbers."""

    module: ClassVar[str] = "medts.objectives.masked_language:MaskedLanguage"
    learns_from: ClassVar[LearnsFrom] = "reports"
    needs: ClassVar[frozenset[str]] = frozenset({"masks_language"})

    kind: Literal["masked_language"] = "masked_language"
    """Name of the objective."""

    mask_ratio: float = Field(default=0.15, gt=0.0, lt=1.0)
    """Share of a text's tokens that are predicted; at least one."""

    shown_as_mask: float = Field(default=0.8, ge=0.0, le=1.0)
    """Share of those that the model sees as the mask token."""

    shown_as_other: float = Field(default=0.1, ge=0.0, le=1.0)
    """Share of those that it sees as a random token; the rest it sees as they are."""

    max_tokens: int = Field(default=128, ge=8)
    """Tokens of a report that are read, special ones included."""

    @model_validator(mode="after")
    def _shares_fit(self) -> "MaskedLanguageConfig":
        if self.shown_as_mask + self.shown_as_other > 1.0:
            raise ValueError("shown_as_mask and shown_as_other together exceed 1")
        return self
