"""Recipes of ECG-NAT: masked pretraining on several corpora, then fine-tuning with two losses.

The abstract states no hyper-parameters (arXiv:2605.13194); these are ours. ``_paper`` keeps to
what the abstract says and adds none of our robustness choices.
"""

from medts.data.windowing import Windowing
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.heads import HeadConfig
from medts.objectives.masked_reconstruction import abstract_only
from medts.objectives.settings.classification import ClassificationConfig
from medts.objectives.settings.dual_loss import DualLossConfig
from medts.objectives.settings.masked_reconstruction import MaskedReconstructionConfig
from medts.training.recipe import Recipe
from medts.training.settings import Training


def ecg_nat_pretraining() -> Recipe:
    """Hides stretches of ECG and has the encoder reconstruct them; any number of corpora."""
    return Recipe(
        name="ecg_nat",
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


def ecg_nat_pretraining_paper() -> Recipe:
    """What the abstract names and no more: no leads are dropped, every corpus counts alike."""
    base = ecg_nat_pretraining()
    return base.but(
        name="ecg_nat_paper",
        objective=abstract_only(),
        corpus_balance=1.0,
        training=base.training.but(
            epochs=100, min_updates=0, batch_size=256, learning_rate=1.5e-4, precision="fp32"
        ),
    )


def ecg_nat_pretraining_test() -> Recipe:
    """Seconds on one core; for tests."""
    base = ecg_nat_pretraining()
    return base.but(
        name="ecg_nat_test",
        encoder=EcgNatConfig(size="nano", drop_path=0.0),
        windowing=Windowing(window_s=5.12, stride_s=5.0, crops_per_record=None),
        training=base.training.but(epochs=2, min_updates=0, batch_size=16),
    )


def ecg_nat() -> Recipe:
    """Fine-tunes a pretrained ECG-NAT with cross-entropy and contrast; give it ``--init``.

    Rate and start were chosen among six settings with 105 labels, on validation.
    """
    return Recipe(
        name="ecg_nat",
        encoder=EcgNatConfig(size="tiny"),
        head=HeadConfig(hidden=0, dropout=0.1, normalise=False),
        starts_from_probe=True,
        objective=DualLossConfig(),
        windowing=Windowing(window_s=10.24, stride_s=10.24),
        training=Training(
            epochs=20,
            min_updates=300,
            batch_size=32,
            learning_rate=3e-4,
            layer_decay=0.85,
            weight_decay=0.05,
            schedule="cosine",
            precision="bf16",
        ),
        tuning_trials=6,
    )


def ecg_nat_paper() -> Recipe:
    """The same with one rate for all layers, no dropout and no probe: as the abstract has it."""
    base = ecg_nat()
    return base.but(
        name="ecg_nat_paper",
        head=HeadConfig(hidden=0, dropout=0.0, normalise=False),
        starts_from_probe=False,
        training=base.training.but(layer_decay=1.0, precision="fp32"),
    )


def ecg_nat_cross_entropy() -> Recipe:
    """The same without the contrastive loss; one of the paper's ablations."""
    return ecg_nat().but(name="ecg_nat_cross_entropy", objective=ClassificationConfig())


def ecg_nat_scratch() -> Recipe:
    """The same from random weights, at one higher rate for all layers."""
    base = ecg_nat()
    return base.but(
        name="ecg_nat_scratch",
        starts_from_probe=False,
        training=base.training.but(learning_rate=1e-3, layer_decay=1.0),
        tuning_trials=0,
    )


def ecg_nat_scratch_cross_entropy() -> Recipe:
    """From random weights and without the contrastive loss."""
    return ecg_nat_scratch().but(
        name="ecg_nat_scratch_cross_entropy", objective=ClassificationConfig()
    )


def ecg_nat_full_attention() -> Recipe:
    """An ablation from random weights: every token attends to all."""
    return _ablated("ecg_nat_full_attention", attention="full")


def ecg_nat_convolution() -> Recipe:
    """An ablation from random weights: convolutions in place of attention."""
    return _ablated("ecg_nat_convolution", attention="conv")


def ecg_nat_kernels_7() -> Recipe:
    """An ablation from random weights: seven neighbors at every scale."""
    return _ablated("ecg_nat_kernels_7", kernel_sizes=(7, 7, 7, 7))


def ecg_nat_kernels_31() -> Recipe:
    """An ablation from random weights: thirty-one neighbors at every scale."""
    return _ablated("ecg_nat_kernels_31", kernel_sizes=(31, 31, 31, 31))


def ecg_nat_single_scale() -> Recipe:
    """An ablation from random weights: all layers at the third scale."""
    return _ablated("ecg_nat_single_scale", is_single_scale=True)


def _ablated(name: str, **changes: object) -> Recipe:
    base = ecg_nat_scratch()
    assert isinstance(base.encoder, EcgNatConfig)
    return base.but(name=name, encoder=base.encoder.but(**changes))


def ecg_nat_test() -> Recipe:
    """Seconds on one core; for tests."""
    return ecg_nat().but(
        name="ecg_nat_test",
        encoder=EcgNatConfig(size="nano", drop_path=0.0),
        starts_from_probe=False,
        tuning_trials=0,
        windowing=Windowing(window_s=5.12, stride_s=5.0),
        training=Training(epochs=2, batch_size=16, learning_rate=1e-3),
    )
