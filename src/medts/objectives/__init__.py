"""What is optimised, with the parts that are thrown away. A new one adds a line to two lists."""

from typing import Annotated

from pydantic import Field

from medts.objectives.base import Objective
from medts.objectives.classification import Classification, ClassificationConfig
from medts.objectives.cmsc import Cmsc, CmscConfig
from medts.objectives.cross_modal import CrossModal, CrossModalConfig
from medts.objectives.dual_contrast import DualContrast, DualContrastConfig
from medts.objectives.dual_loss import DualLoss, DualLossConfig
from medts.objectives.label_matching import LabelMatching, LabelMatchingConfig
from medts.objectives.latent_masking import LatentMasking, LatentMaskingConfig
from medts.objectives.masked_reconstruction import MaskedReconstruction, MaskedReconstructionConfig
from medts.objectives.report_alignment import ReportAlignment, ReportAlignmentConfig
from medts.objectives.simclr import SimClr, SimClrConfig
from medts.objectives.vicreg import Vicreg, VicregConfig

SupervisedConfig = Annotated[
    ClassificationConfig | DualLossConfig | LabelMatchingConfig, Field(discriminator="kind")
]
"""Config of any objective that learns from labels."""

PretrainingConfig = Annotated[
    MaskedReconstructionConfig
    | SimClrConfig
    | VicregConfig
    | CmscConfig
    | CrossModalConfig
    | DualContrastConfig
    | LatentMaskingConfig
    | ReportAlignmentConfig,
    Field(discriminator="kind"),
]
"""Config of any objective that learns from signals alone."""

SUPERVISED: dict[str, type[Classification | DualLoss | LabelMatching]] = {
    "classification": Classification,
    "dual_loss": DualLoss,
    "label_matching": LabelMatching,
}
"""Objectives with a head, by the ``kind`` of their config."""

PRETRAINING: dict[str, type[Objective]] = {
    "cmsc": Cmsc,
    "cross_modal": CrossModal,
    "dual_contrast": DualContrast,
    "latent_masking": LatentMasking,
    "masked_reconstruction": MaskedReconstruction,
    "report_alignment": ReportAlignment,
    "simclr": SimClr,
    "vicreg": Vicreg,
}
"""Objectives without labels, by the ``kind`` of their config."""
