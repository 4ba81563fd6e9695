"""Recipes of the baselines besides xresnet1d: S4, Transformer, PatchTST, DLinear.

Every one has the size that its paper published, and where that is too much for two cores, a small
one beside it. All read random crops of 2.5 s at 100 Hz, as the PTB-XL benchmark does, and average
the crops of a record. The small ones end within about three minutes on one core for a thousand
records; their settings were chosen on validation, never on test records.
"""

from medts.data.windowing import Windowing
from medts.models.settings.dlinear import DLinearConfig
from medts.models.settings.heads import HeadConfig
from medts.models.settings.patchtst import PatchTSTConfig
from medts.models.settings.s4 import S4Config
from medts.models.settings.transformer import TransformerConfig
from medts.training.recipe import Recipe
from medts.training.settings import Training

_CROPS = Windowing(window_s=2.5, stride_s=1.25)
_LINEAR = HeadConfig(hidden=0, dropout=0.0, normalise=False)


def s4() -> Recipe:
    """The benchmark's state-space model at its own size; a GPU is advised.

    Size, linear head, rate, decay, batch and epochs are the defaults of the authors' code, which
    at validation lays crops side by side.
    """
    return Recipe(
        name="s4",
        encoder=S4Config(),
        head=_LINEAR,
        windowing=Windowing(window_s=2.5, stride_s=2.5),
        training=Training(
            epochs=100,
            batch_size=128,
            learning_rate=1e-3,
            weight_decay=1e-3,
            schedule="constant",
            warmup_ratio=0.0,
            gradient_clip=0.0,
        ),
    )


def s4_small() -> Recipe:
    """A quarter of the width and four samples per token, for two cores; our own settings."""
    return s4().but(
        name="s4_small",
        encoder=S4Config(dim=128, stride=4),
        head=HeadConfig(),
        windowing=_CROPS,
        training=Training(epochs=20, batch_size=64, learning_rate=3e-3),
        tuning_trials=7,
    )


def transformer() -> Recipe:
    """The base model of "Attention Is All You Need"; a GPU is advised."""
    return Recipe(
        name="transformer",
        encoder=TransformerConfig(),
        windowing=_CROPS,
        training=Training(epochs=50, batch_size=128, learning_rate=3e-4),
    )


def transformer_small() -> Recipe:
    """A quarter of the width and four layers, for two cores."""
    return transformer().but(
        name="transformer_small",
        encoder=TransformerConfig(dim=128, depth=4, hidden=256),
        training=Training(epochs=24, batch_size=64, learning_rate=1e-3),
        tuning_trials=1,
    )


def patchtst() -> Recipe:
    """The paper's supervised model; rate, batch and epochs are those of the authors' scripts."""
    return Recipe(
        name="patchtst",
        encoder=PatchTSTConfig(window=250),
        windowing=_CROPS,
        training=Training(epochs=100, batch_size=128, learning_rate=1e-4),
    )


def patchtst_small() -> Recipe:
    """A quarter of the width, for two cores."""
    return patchtst().but(
        name="patchtst_small",
        encoder=PatchTSTConfig(window=250, dim=32, n_heads=4, hidden=64),
        training=Training(epochs=16, batch_size=64, learning_rate=3e-3),
        tuning_trials=1,
    )


def dlinear() -> Recipe:
    """Weighted sums of samples under the usual head, whose hidden layer alone is not linear.

    With a linear head it stays at chance on ECGs, as it must: no fixed weights fit beats that
    begin anywhere.
    """
    return Recipe(
        name="dlinear",
        encoder=DLinearConfig(window=250),
        windowing=_CROPS,
        training=Training(epochs=20, batch_size=64, learning_rate=1e-3),
        tuning_trials=4,
    )
