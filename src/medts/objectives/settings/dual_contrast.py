"""Settings of the objective dual contrast; its module is `medts.objectives.dual_contrast`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class DualContrastConfig(ObjectiveSettings):
    """Noise, temperature, and when the alignment of passes begins."""

    module: ClassVar[str] = "medts.objectives.dual_contrast:DualContrast"
    learns_from: ClassVar[LearnsFrom] = "pairs"
    needs: ClassVar[frozenset[str]] = frozenset({"two_passes"})

    kind: Literal["dual_contrast"] = "dual_contrast"
    """Name of the objective in the registry."""

    noise: float = Field(default=0.5, ge=0.0)
    """Standard deviation of the noise on a view, in units of the prepared signal."""

    temperature: float = Field(default=0.1, gt=0.0)
    """Divides the cosine similarities."""

    alignment: float = Field(default=0.1, ge=0.0)
    """Weight of the terms between signal pass and text pass, once it is reached."""

    alone_ratio: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the run's training batches before these terms begin; a tenth in the paper."""

    rising_ratio: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the batches in which their weight then rises from 0 in a line; 0 switches it on, as
    in the paper."""

    equal_reports: Literal["positives", "negatives"] = "positives"
    """What windows with the same report are to each other; ``negatives`` in the paper."""

    @model_validator(mode="after")
    def _weight_is_reached(self) -> "DualContrastConfig":
        if self.alone_ratio + self.rising_ratio >= 1.0:
            raise ValueError(
                f"alone_ratio {self.alone_ratio} and rising_ratio {self.rising_ratio} leave no "
                "batch with the whole weight"
            )
        return self
