"""Settings of the objective dual loss; its module is `medts.objectives.dual_loss`."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from medts.nn.settings import ViewsConfig
from medts.objectives.settings.base import LearnsFrom, ObjectiveSettings


class DualLossConfig(ObjectiveSettings):
    """Weights of the two losses, and how windows are varied."""

    module: ClassVar[str] = "medts.objectives.dual_loss:DualLoss"
    learns_from: ClassVar[LearnsFrom] = "labels"

    kind: Literal["dual_loss"] = "dual_loss"
    """Name of the objective in the registry."""

    contrast: float = Field(default=0.3, ge=0.0, le=1.0)
    """Weight of the contrast; cross-entropy has the rest."""

    temperature: float = Field(default=0.1, gt=0.0)
    """Divides the cosine similarities of the contrast."""

    projection_dim: int = Field(default=128, ge=1)
    """Width of the space in which windows are compared."""

    views: ViewsConfig = ViewsConfig()
    """How the two views of a window differ from it."""

    class_balance: float = Field(default=0.0, ge=0.0, le=1.0)
    """How far rare classes are weighted up: 0 not at all, 1 to equal shares."""

    logit_adjustment: float = Field(default=0.0, ge=0.0)
    """How much of the classes' log prevalence is added to the logits while training, so that
    rare classes are not given up (Menon et al., arXiv:2007.07314); another way to balance."""

    label_smoothing: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Share of certainty taken from the label, in the cross-entropy."""

    @model_validator(mode="after")
    def _balance_is_set_once(self) -> "DualLossConfig":
        if self.class_balance > 0 and self.logit_adjustment > 0:
            raise ValueError(
                f"class_balance {self.class_balance} and logit_adjustment "
                f"{self.logit_adjustment} do the same twice; set one of them to 0"
            )
        return self
