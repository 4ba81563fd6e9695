"""Recipes of ECG-NAT: masked pretraining on several corpora, then fine-tuning with two losses.

The abstract states no hyper-parameters (arXiv:2605.13194); these are ours. ``_paper`` keeps to
what the abstract says and adds none of our robustness choices.
"""

from medts.data.windows import Windowing
from medts.models.ecg_nat import EcgNatConfig
from medts.models.heads import HeadConfig
from medts.objectives.classification import ClassificationConfig
from medts.objectives.dual_loss import DualLossConfig
from medts.objectives.masked_reconstruction import MaskedReconstructionConfig
from medts.recipes.base import Pretraining, Recipe
from medts.training.settings import Training


def ecg_nat_pretraining() -> Pretraining:
    """Hides stretches of ECG and has the encoder reconstruct them; any number of corpora."""
    return Pretraining(
        name="ecg_nat",
        encoder=EcgNatConfig(size="tiny", drop_path=0.0),
        objective=MaskedReconstructionConfig(),
        windowing=Windowing(window_s=10.24, stride_s=10.24, crops_per_record=None),
        training=Training(
            epochs=40,
            batch_size=32,
            learning_rate=1e-3,
            weight_decay=0.05,
            betas=(0.9, 0.95),
            schedule="cosine",
            monitor="loss",
        ),
    )


def ecg_nat_pretraining_test() -> Pretraining:
    """Seconds on one core; for tests."""
    base = ecg_nat_pretraining()
    return base.but(
        name="ecg_nat_test",
        encoder=EcgNatConfig(size="nano", drop_path=0.0),
        windowing=Windowing(window_s=5.12, stride_s=5.0, crops_per_record=None),
        training=base.training.but(epochs=2, batch_size=16),
    )


def ecg_nat() -> Recipe:
    """Fine-tunes ECG-NAT with cross-entropy and supervised contrast on two views."""
    return Recipe(
        name="ecg_nat",
        encoder=EcgNatConfig(size="tiny"),
        head=HeadConfig(hidden=0, dropout=0.1, normalise=False),
        objective=DualLossConfig(),
        windowing=Windowing(window_s=10.24, stride_s=10.24),
        training=Training(
            epochs=30,
            min_updates=500,
            batch_size=32,
            learning_rate=1e-3,
            weight_decay=0.05,
            schedule="cosine",
        ),
    )


def ecg_nat_cross_entropy() -> Recipe:
    """The same without the contrastive loss; one of the paper's ablations."""
    return ecg_nat().but(name="ecg_nat_cross_entropy", objective=ClassificationConfig())


def ecg_nat_test() -> Recipe:
    """Seconds on one core; for tests."""
    return ecg_nat().but(
        name="ecg_nat_test",
        encoder=EcgNatConfig(size="nano", drop_path=0.0),
        windowing=Windowing(window_s=5.12, stride_s=5.0),
        training=Training(epochs=2, batch_size=16, learning_rate=1e-3),
    )
