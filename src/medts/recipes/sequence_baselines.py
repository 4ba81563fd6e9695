"""Recipes of the sequence models that papers on medical time series compare with.

Each is small enough for two cores: about a thousand records in three minutes on one. All read
random crops of 2.5 s at 100 Hz, as the other baselines do, average the crops of a record, and are
trained alike.
"""

from medts.data.windowing import Windowing
from medts.models.settings.base import EncoderSettings
from medts.models.settings.crossformer import CrossformerConfig
from medts.models.settings.itransformer import ITransformerConfig
from medts.models.settings.lightts import LightTSConfig
from medts.models.settings.medformer import MedformerConfig
from medts.models.settings.mtst import MtstConfig
from medts.models.settings.timesnet import TimesNetConfig
from medts.training.recipe import Recipe
from medts.training.settings import Training

_CROPS = Windowing(window_s=2.5, stride_s=1.25)


def _small(name: str, encoder: EncoderSettings) -> Recipe:
    return Recipe(
        name=name,
        encoder=encoder,
        windowing=_CROPS,
        training=Training(epochs=20, batch_size=64, learning_rate=2e-3),
    )


def medformer_small() -> Recipe:
    """Patches of 0.1, 0.2 and 0.4 s in parallel, a quarter of the authors' width."""
    encoder = MedformerConfig(
        patch_lengths=(10, 20, 40), dim=32, depth=3, n_heads=4, hidden=64, dropout=0.2
    )
    return _small("medformer_small", encoder)


def mtst_small() -> Recipe:
    """Every lead alone at three patch lengths, the longest a whole beat."""
    encoder = MtstConfig(
        patch_lengths=(10, 25, 50), dim=16, depth=2, n_heads=4, hidden=32, dropout=0.2
    )
    return _small("mtst_small", encoder)


def itransformer_small() -> Recipe:
    """A token per lead, a quarter of the width and half the layers of the Medformer paper."""
    encoder = ITransformerConfig(window=250, dim=32, depth=3, n_heads=4, hidden=64, dropout=0.2)
    return _small("itransformer_small", encoder)


def crossformer_small() -> Recipe:
    """Segments of 0.1 s of every lead, which meet at each place through four routers."""
    encoder = CrossformerConfig(
        patch=10, dim=32, depth=2, n_heads=4, hidden=64, n_routers=4, dropout=0.2
    )
    return _small("crossformer_small", encoder)


def timesnet_small() -> Recipe:
    """Folds at the two strongest periods, three kernels, a quarter of the default width."""
    encoder = TimesNetConfig(window=250, dim=16, hidden=16, n_periods=2, n_kernels=3)
    return _small("timesnet_small", encoder)


def lightts_small() -> Recipe:
    """Tables of 25 samples by 10; the smallest of all."""
    return _small("lightts_small", LightTSConfig(window=250, chunk=25, dim=32, hidden=16))
