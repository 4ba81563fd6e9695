"""Recipes of xresnet1d: the supervised baseline on ECG at 100 Hz.

The benchmark (Strodthoff et al., 2021) trains on random crops of 2.5 s and combines overlapping
crops of a record; so do these. It takes their maximum, we take their mean.
"""

from medts.data.windowing import Windowing
from medts.models.settings.heads import HeadConfig
from medts.models.settings.xresnet1d import XResNet1dConfig
from medts.training.recipe import Recipe
from medts.training.settings import Training


def xresnet1d() -> Recipe:
    """A residual network that fits two cores; the default supervised baseline."""
    return Recipe(
        name="xresnet1d",
        encoder=XResNet1dConfig(size="18", width=64),
        windowing=Windowing(window_s=2.5, stride_s=1.25),
        training=Training(epochs=20, batch_size=64, learning_rate=5e-3),
        tuning_trials=5,
    )


def xresnet1d101() -> Recipe:
    """The size that the PTB-XL benchmark published."""
    return xresnet1d().but(
        name="xresnet1d101",
        encoder=XResNet1dConfig(size="101"),
        training=Training(epochs=50, batch_size=128, learning_rate=1e-2),
    )


def xresnet1d_small() -> Recipe:
    """A tenth of the size, for two minutes on two cores; what `medts demo` trains."""
    return xresnet1d().but(
        name="xresnet1d_small",
        encoder=XResNet1dConfig(size="18", width=32, stem=(16, 16, 32)),
        training=Training(epochs=20, batch_size=64, learning_rate=5e-3),
    )


def xresnet1d_test() -> Recipe:
    """Seconds on one core; for tests."""
    return xresnet1d().but(
        name="xresnet1d_test",
        encoder=XResNet1dConfig(size="10", width=16, stem=(8, 8, 16)),
        head=HeadConfig(hidden=0, dropout=0.0),
        training=Training(epochs=3, batch_size=16, learning_rate=1e-2),
    )
