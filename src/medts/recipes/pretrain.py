"""Pretrain without labels.

Each ends in a bundle without a head, the start of ``medts train RECIPE --init BUNDLE`` with a
recipe of the same encoder. Other objectives are overrides in Python:
``recipe("simclr").but(objective=VicregConfig())``.
"""

from medts.data.windowing import Windowing
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.objectives.settings.cmsc import CmscConfig
from medts.objectives.settings.masked_reconstruction import MaskedReconstructionConfig
from medts.objectives.settings.simclr import SimClrConfig
from medts.recipes.baselines import xresnet1d
from medts.training.recipe import Recipe
from medts.training.settings import Training


def ecg_nat_pretraining() -> Recipe:
    """ECG-NAT: masked reconstruction of ECG; any number of corpora."""
    return Recipe(
        encoder=EcgNatConfig(size="tiny", drop_path=0.0),
        objective=MaskedReconstructionConfig(),
        windowing=Windowing(window_s=10.24, stride_s=10.24, crops_per_record=None),
        training=Training(
            epochs=50,
            min_updates=5000,
            batch_size=32,
            learning_rate=1e-3,
            weight_decay=0.05,
            betas=(0.9, 0.95),
            schedule="cosine",
            precision="bf16",
            monitor="loss",
        ),
    )


def simclr() -> Recipe:
    """SimCLR on xresnet1d: contrast of two augmented views of a window."""
    base = xresnet1d()
    return Recipe(
        encoder=base.encoder,
        objective=SimClrConfig(),
        preprocessing=base.preprocessing,
        windowing=Windowing(window_s=2.5, stride_s=2.5, crops_per_record=2),
        training=Training(epochs=30, batch_size=128, learning_rate=2e-3, monitor="loss"),
    )


def cmsc() -> Recipe:
    """CMSC (CLOCS) on xresnet1d: contrast of adjacent halves of a window."""
    return simclr().but(
        objective=CmscConfig(),
        windowing=Windowing(window_s=5.0, stride_s=5.0, crops_per_record=2),
    )
