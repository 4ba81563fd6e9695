"""Compare with baselines.

On ECG at 100 Hz: random crops of 2.5 s, as in the PTB-XL benchmark (Strodthoff et al. 2021), which
takes the maximum over the crops of a record; these take the mean. ``_small`` fits two cores, with
settings that were chosen on validation.
"""

from medts.core.reports import ReportSettings
from medts.data.windowing import Windowing
from medts.models.settings.dlinear import DLinearConfig
from medts.models.settings.heads import HeadConfig
from medts.models.settings.itransformer import ITransformerConfig
from medts.models.settings.medformer import MedformerConfig
from medts.models.settings.patchtst import PatchTSTConfig
from medts.models.settings.s4 import S4Config
from medts.models.settings.text_linear import TextLinearConfig
from medts.models.settings.timesnet import TimesNetConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.signal.preprocess import Preprocessing
from medts.training.recipe import Recipe
from medts.training.settings import Training


def xresnet1d() -> Recipe:
    """A residual network for two cores: the default supervised baseline."""
    return Recipe(
        encoder=XResNet1dConfig(size="18", width=64),
        windowing=Windowing(window_s=2.5, stride_s=1.25),
        training=Training(epochs=20, batch_size=64, learning_rate=5e-3),
        tuning_trials=5,
    )


def xresnet1d_small() -> Recipe:
    """xresnet1d of `medts demo`: a tenth of the size, two minutes."""
    return xresnet1d().but(encoder__width=32, encoder__stem=(16, 16, 32))


def xresnet1d101() -> Recipe:
    """xresnet1d at the size that the PTB-XL benchmark published."""
    return xresnet1d().but(
        encoder=XResNet1dConfig(size="101"),
        training=Training(epochs=50, batch_size=128, learning_rate=1e-2),
    )


def s4_small() -> Recipe:
    """S4: a state-space model, four samples per token."""
    return xresnet1d().but(
        encoder=S4Config(dim=128, stride=4), training__learning_rate=3e-3, tuning_trials=7
    )


def patchtst_small() -> Recipe:
    """PatchTST: patches of every lead alone, a quarter of the width."""
    return xresnet1d().but(
        encoder=PatchTSTConfig(window=250, dim=32, n_heads=4, hidden=64),
        training__epochs=16,
        training__learning_rate=3e-3,
        tuning_trials=1,
    )


def dlinear() -> Recipe:
    """DLinear: weighted sums of samples under a head with a hidden layer.

    With a linear head it stays at chance on ECGs: no fixed weights fit beats that begin anywhere.
    """
    return xresnet1d().but(
        encoder=DLinearConfig(window=250), training__learning_rate=1e-3, tuning_trials=4
    )


def medformer_small() -> Recipe:
    """Medformer: patches of 0.1, 0.2 and 0.4 s in parallel."""
    return xresnet1d().but(
        encoder=MedformerConfig(
            patch_lengths=(10, 20, 40), dim=32, depth=3, n_heads=4, hidden=64, dropout=0.2
        ),
        training__learning_rate=2e-3,
        tuning_trials=0,
    )


def itransformer_small() -> Recipe:
    """iTransformer: a token per lead, three layers."""
    return medformer_small().but(
        encoder=ITransformerConfig(window=250, dim=32, depth=3, n_heads=4, hidden=64, dropout=0.2)
    )


def timesnet_small() -> Recipe:
    """TimesNet: folds at the two strongest periods, three kernels."""
    return medformer_small().but(
        encoder=TimesNetConfig(window=250, dim=16, hidden=16, n_periods=2, n_kernels=3)
    )


def text_linear() -> Recipe:
    """A linear head on the report's frozen embedding; no signal at all."""
    return Recipe(
        encoder=TextLinearConfig(),
        head=HeadConfig(hidden=0, dropout=0.0),
        preprocessing=Preprocessing(reports=ReportSettings()),
        training=Training(epochs=20, batch_size=64, learning_rate=1e-2, schedule="cosine"),
    )
