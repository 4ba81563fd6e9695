"""What is optimised, with the parts that are thrown away. A new one adds a line to two lists."""

from typing import Annotated

from pydantic import Field

from medts.objectives.base import Objective
from medts.objectives.classification import Classification, ClassificationConfig
from medts.objectives.cmsc import Cmsc, CmscConfig
from medts.objectives.dual_loss import DualLoss, DualLossConfig
from medts.objectives.masked_reconstruction import MaskedReconstruction, MaskedReconstructionConfig
from medts.objectives.simclr import SimClr, SimClrConfig
from medts.objectives.vicreg import Vicreg, VicregConfig

SupervisedConfig = Annotated[ClassificationConfig | DualLossConfig, Field(discriminator="kind")]
"""Config of any objective that learns from labels."""

PretrainingConfig = Annotated[
    MaskedReconstructionConfig | SimClrConfig | VicregConfig | CmscConfig,
    Field(discriminator="kind"),
]
"""Config of any objective that learns from signals alone."""

SUPERVISED: dict[str, type[Classification | DualLoss]] = {
    "classification": Classification,
    "dual_loss": DualLoss,
}
"""Objectives with a head, by the ``kind`` of their config."""

PRETRAINING: dict[str, type[Objective]] = {
    "cmsc": Cmsc,
    "masked_reconstruction": MaskedReconstruction,
    "simclr": SimClr,
    "vicreg": Vicreg,
}
"""Objectives without labels, by the ``kind`` of their config."""
