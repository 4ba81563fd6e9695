"""Classify with labels.

``--init BUNDLE`` fine-tunes a pretrained encoder. Sparseformer (MedSpaformer, AAAI 2026,
arXiv:2503.15578) and `matching` identify classes by their words; reading these needs the extra
[text], and the texts' vectors are then kept with the model. Ablations are overrides, such as
``--encoder.attention full``.
"""

from typing import Any

from medts.core.montage import MONTAGES
from medts.data.windowing import Windowing
from medts.models.settings.ecg_nat import EcgNatConfig
from medts.models.settings.heads import HeadConfig, MatchingHeadConfig
from medts.models.settings.sparseformer import SparseformerConfig
from medts.nn.settings import ViewsConfig
from medts.objectives.settings.dual_loss import DualLossConfig
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.recipes.baselines import xresnet1d
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training

PUBLISHED_INPUT: dict[str, Any] = {
    "patch_lengths": (25, 50, 100, 150),
    "channel_identity": "none",
    "has_positions": True,
    "is_normalised": True,
}
"""How Sparseformer's paper reads a window; without positions, not printed, there is no order."""


def matching(recipe: Recipe) -> Recipe:
    """Returns a recipe with the matching head of MedSpaformer, for zero-shot label sets.

    Such a head has no row per class, so it cannot start from a probe.
    """
    return recipe.but(
        name=f"{recipe.name}_matching",
        head=MatchingHeadConfig(),
        objective=LabelMatchingConfig(),
        starts_from_probe=False,
        tuning_trials=0,
    )


def xresnet1d_matching() -> Recipe:
    """xresnet1d with a matching head: label sets as words, several at once."""
    return matching(xresnet1d())


def ecg_nat() -> Recipe:
    """ECG-NAT: cross-entropy with supervised contrast; takes `--init`.

    Learning rate and LP-FT start were chosen among six settings with 105 labels, on validation.
    """
    return Recipe(
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


def sparseformer() -> Recipe:
    """Sparseformer at the published sizes, token counts capped; for a GPU.

    AdamW, cosine, batch, epochs and patience are the paper's; learning rate, decay and dropout are
    not printed and ours. The paper chooses the epoch by macro F1, we by macro AUROC.
    """
    return Recipe(
        encoder=SparseformerConfig(
            channel_identity="name", has_positions=False, is_normalised=False
        ),
        head=MatchingHeadConfig(dim=None),
        objective=LabelMatchingConfig(),
        windowing=Windowing(window_s=10.0, stride_s=10.0),
        training=Training(
            epochs=60,
            batch_size=32,
            learning_rate=1e-4,
            weight_decay=1e-4,
            schedule="cosine",
            patience=7,
        ),
    )


def sparseformer_small() -> Recipe:
    """Sparseformer at half the width, on random crops of 2.5 s; two cores.

    A thousand whole records are memorised within 300 updates, hence crops. A crop starts anywhere,
    hence no positions. Chosen among 32 settings on fold 8 of PTB-XL.
    """
    return sparseformer().but(
        encoder__patch_lengths=(10, 25, 50, 100),
        encoder__dim=64,
        encoder__n_heads=4,
        encoder__tokens_per_block=(32, 16),
        encoder__cap_ratios=(0.5, 0.25),
        encoder__mlp_ratio=2.0,
        encoder__hidden=128,
        head__hidden=128,
        windowing=Windowing(window_s=2.5, stride_s=1.25),
        training=Training(
            epochs=20,
            min_updates=600,
            batch_size=32,
            learning_rate=4e-4,
            weight_decay=1e-2,
            schedule="cosine",
        ),
        tuning_trials=32,
    )


def sparseformer_small_eeg() -> Recipe:
    """Sparseformer on scalp EEG: 10-20 electrodes by name, windows of 4 s.

    Every window of a record is read, so that an epoch is long and no least updates are needed.
    """
    eeg = StreamPreprocessing(
        modality="eeg", channels=MONTAGES["eeg-10-20"].channels, unit="µV", scale=20.0
    )
    recipe = on_whole_windows(
        {"eeg": eeg},
        Windowing(window_s=4.0, stride_s=4.0, crops_per_record=None),
        channel_identity="name",
        has_positions=False,
    )
    return recipe.but(training__min_updates=0)


def sparseformer_small_any_lead() -> Recipe:
    """Sparseformer on one or two leads, sampled anew for every window.

    Leads have no names. Absent leads cost nothing, which makes 2,000 updates affordable.
    """
    windowing = Windowing(window_s=10.0, stride_s=10.0)
    views = ViewsConfig(
        crop_ratio=0.7, hide_ratio=0.1, drop_probability=1.0, drop_least=10, drop_most=11
    )
    return on_whole_windows({"ecg": StreamPreprocessing()}, windowing).but(
        objective__views=views, training__min_updates=2000, tuning_trials=4
    )


def on_whole_windows(
    streams: dict[str, StreamPreprocessing], windowing: Windowing, **encoder: Any
) -> Recipe:
    """Returns `sparseformer_small` on other streams, which are read as in the paper.

    Args:
        streams: What is prepared, by the name of the stream.
        windowing: How records are cut; no window may be shorter than the shortest patch.
        encoder: Settings of the encoder that differ from the paper's.
    """
    changes = {f"encoder__{name}": each for name, each in (PUBLISHED_INPUT | encoder).items()}
    recipe = sparseformer_small().reading(Preprocessing(streams=streams), windowing)
    return recipe.but(**changes, tuning_trials=0)
