"""Recipes of single corpora beside those of the package, and recipes with overrides.

An ablation is a recipe and the settings it differs in, written as on the command line:
``{"encoder.attention": "full"}``.
"""

import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

import medts.recipes
from medts.core.errors import ConfigError
from medts.core.montage import SCALP_REGIONS
from medts.data.windowing import Windowing
from medts.nn.settings import ViewsConfig
from medts.recipes import recipes_of
from medts.recipes.classify import on_whole_windows
from medts.recipes.sensors import crossl_ptb_xl, crossl_ptb_xl_pretraining
from medts.signal.preprocess import Preprocessing, StreamPreprocessing, split_stream
from medts.training.recipe import Recipe

_WHOLE = Windowing(window_s=10.0, stride_s=10.0)
_FOUR_SECONDS = Windowing(window_s=4.0, stride_s=4.0)
_SCALP = StreamPreprocessing(
    modality="eeg", unit="µV", sampling_rate=128.0, low_hz=0.5, high_hz=45.0, scale=10.0
)
_EEGMAT = Preprocessing(
    streams=split_stream("eeg", SCALP_REGIONS, _SCALP)
    | {"ecg": StreamPreprocessing(channels=("ECG",), sampling_rate=128.0)}
)


def crossl_eegmat_pretraining() -> Recipe:
    """CroSSL: latent masking between five scalp regions and ECG."""
    return crossl_ptb_xl_pretraining().reading(_EEGMAT, _FOUR_SECONDS)


def crossl_eegmat() -> Recipe:
    """CroSSL: rest against arithmetic; there is three times as much rest."""
    return crossl_ptb_xl().reading(_EEGMAT, _FOUR_SECONDS).but(objective__class_balance=1.0)


def sparseformer_small_acc() -> Recipe:
    """Ten seconds of a watch's accelerometer in g, whose means show how a wrist is held."""
    acc = StreamPreprocessing(
        modality="acc", channels=("x", "y", "z"), unit="g", sampling_rate=20.0, low_hz=None
    )
    recipe = on_whole_windows(
        {"watch-acc": acc},
        _WHOLE,
        patch_lengths=(5, 10, 25, 50),
        channel_identity="name",
        has_positions=False,
        is_normalised=False,
    )
    return recipe.but(tuning_trials=5)


def sparseformer_small_one_lead() -> Recipe:
    """Ten seconds of lead I in mV, as CinC 2017 has it; 1,000 updates on augmented windows."""
    lead = {"ecg": StreamPreprocessing(channels=("I",))}
    return on_whole_windows(lead, _WHOLE, has_positions=False, is_normalised=False).but(
        objective__views=ViewsConfig(crop_ratio=0.7, hide_ratio=0.1, drop_probability=0.0),
        training__min_updates=1000,
        tuning_trials=4,
    )


def sparseformer_small_beats() -> Recipe:
    """Beats of 0.83 s on whichever two of five named leads MIT-BIH has; patches have positions."""
    beat_s = 300 / 360
    leads = StreamPreprocessing(channels=("II", "V1", "V2", "V4", "V5"), sampling_rate=360.0)
    windowing = Windowing(window_s=beat_s, stride_s=beat_s)
    recipe = on_whole_windows({"ecg": leads}, windowing, channel_identity="name")
    return recipe.but(tuning_trials=2)


_OWN = recipes_of(sys.modules[__name__])


def find_recipe(name: str) -> Recipe:
    """Returns a recipe of this module or of the package by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    return _OWN[name]().but(name=name) if name in _OWN else medts.recipes.find_recipe(name)


def find_variant(name: str, overrides: Mapping[str, Any], reads: str = "") -> Recipe:
    """Returns a recipe by name with some settings replaced, on the streams of ``reads`` if given.

    Raises:
        UnknownNameError: If there is no such recipe or setting.
        ConfigError: If a value is not valid.
    """
    recipe = override(find_recipe(name), overrides)
    if not reads:
        return recipe
    other = find_recipe(reads)
    return recipe.reading(other.preprocessing, other.windowing)


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Returns a recipe in which the settings at dotted paths are replaced, validated again.

    Raises:
        UnknownNameError: If a path leads nowhere.
        ConfigError: If a value is not valid, or a part is replaced whole and in pieces.
    """
    try:
        return recipe.but(**{path.replace(".", "__"): each for path, each in overrides.items()})
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, each["loc"])) for each in error.errors())
        problem = "; ".join(each["msg"] for each in error.errors())
        raise ConfigError(problem, field=fields or ", ".join(overrides)) from error
