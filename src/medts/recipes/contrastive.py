"""Recipes of contrastive pretraining on one shared encoder: the usual suspects to compare with.

All three train the encoder of ``xresnet1d`` on the same windows, so that they differ in nothing
but what they ask of it.
"""

from medts.data.windowing import Windowing
from medts.objectives.settings.cmsc import CmscConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.objectives.settings.vicreg import VicregConfig
from medts.recipes.xresnet1d import xresnet1d
from medts.training.recipe import Recipe
from medts.training.settings import Training


def simclr() -> Recipe:
    """SimCLR: two altered views of a window find each other among the batch."""
    base = xresnet1d()
    return Recipe(
        name="simclr",
        encoder=base.encoder,
        objective=SimClrConfig(),
        preprocessing=base.preprocessing,
        windowing=Windowing(window_s=2.5, stride_s=2.5, crops_per_record=2),
        training=Training(epochs=30, batch_size=128, learning_rate=2e-3, monitor="loss"),
    )


def vicreg() -> Recipe:
    """VICReg: two views agree, and no dimension of the embedding may collapse."""
    return simclr().but(name="vicreg", objective=VicregConfig())


def cmsc() -> Recipe:
    """CMSC: the two halves of a window find each other among the batch."""
    return simclr().but(
        name="cmsc",
        objective=CmscConfig(),
        windowing=Windowing(window_s=5.0, stride_s=5.0, crops_per_record=2),
    )
