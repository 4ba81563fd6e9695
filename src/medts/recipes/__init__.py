"""Recipes: functions that return everything one run needs. A new one adds one line here."""

from collections.abc import Callable

from medts.core.errors import unknown_name
from medts.recipes.base import Pretraining, Recipe
from medts.recipes.baselines import (
    dlinear,
    patchtst,
    patchtst_small,
    s4,
    s4_small,
    transformer,
    transformer_small,
)
from medts.recipes.contrastive import cmsc, simclr, vicreg
from medts.recipes.ecg_nat import (
    ecg_nat,
    ecg_nat_convolution,
    ecg_nat_cross_entropy,
    ecg_nat_full_attention,
    ecg_nat_kernels_7,
    ecg_nat_kernels_31,
    ecg_nat_pretraining,
    ecg_nat_pretraining_test,
    ecg_nat_scratch,
    ecg_nat_scratch_cross_entropy,
    ecg_nat_single_scale,
    ecg_nat_test,
)
from medts.recipes.xresnet1d import xresnet1d, xresnet1d101, xresnet1d_small, xresnet1d_test

RECIPES: dict[str, Callable[[], Recipe]] = {
    "dlinear": dlinear,
    "ecg_nat": ecg_nat,
    "ecg_nat_convolution": ecg_nat_convolution,
    "ecg_nat_cross_entropy": ecg_nat_cross_entropy,
    "ecg_nat_full_attention": ecg_nat_full_attention,
    "ecg_nat_kernels_31": ecg_nat_kernels_31,
    "ecg_nat_kernels_7": ecg_nat_kernels_7,
    "ecg_nat_scratch": ecg_nat_scratch,
    "ecg_nat_scratch_cross_entropy": ecg_nat_scratch_cross_entropy,
    "ecg_nat_single_scale": ecg_nat_single_scale,
    "ecg_nat_test": ecg_nat_test,
    "patchtst": patchtst,
    "patchtst_small": patchtst_small,
    "s4": s4,
    "s4_small": s4_small,
    "transformer": transformer,
    "transformer_small": transformer_small,
    "xresnet1d": xresnet1d,
    "xresnet1d101": xresnet1d101,
    "xresnet1d_small": xresnet1d_small,
    "xresnet1d_test": xresnet1d_test,
}
"""Recipes of `medts finetune`."""

PRETRAINING_RECIPES: dict[str, Callable[[], Pretraining]] = {
    "cmsc": cmsc,
    "ecg_nat": ecg_nat_pretraining,
    "ecg_nat_test": ecg_nat_pretraining_test,
    "simclr": simclr,
    "vicreg": vicreg,
}
"""Recipes of `medts pretrain`."""


def find_recipe(name: str) -> Recipe:
    """Returns a recipe of `medts finetune` by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


def find_pretraining(name: str) -> Pretraining:
    """Returns a recipe of `medts pretrain` by name.

    Raises:
        UnknownNameError: If there is none; the nearest is suggested.
    """
    if name not in PRETRAINING_RECIPES:
        raise unknown_name("pretraining recipe", name, PRETRAINING_RECIPES)
    return PRETRAINING_RECIPES[name]()
