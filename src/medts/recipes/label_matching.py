"""Recipes with a matching head: classes are known by their words, label sets can be many.

Any recipe becomes one by `matching`; what it changes is the head and the objective. Sparseformer,
whose paper this is (MedSpaformer, arXiv:2503.15578), has recipes of its own.
"""

from medts.models.settings.heads import MatchingHeadConfig
from medts.objectives.settings.label_matching import LabelMatchingConfig
from medts.recipes.ecg_nat import ecg_nat
from medts.recipes.xresnet1d import xresnet1d, xresnet1d_test
from medts.training.recipe import Recipe


def matching(recipe: Recipe) -> Recipe:
    """Returns a recipe with its head and objective exchanged for label matching.

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
    """A residual network that matches recordings with the words for their classes."""
    return matching(xresnet1d())


def ecg_nat_matching() -> Recipe:
    """ECG-NAT with classes known by their words; takes a pretrained encoder with `init`."""
    return matching(ecg_nat())


def xresnet1d_matching_test() -> Recipe:
    """Seconds on one core and without a language model, on drawn vectors; for tests."""
    return matching(xresnet1d_test()).but(
        name="xresnet1d_matching_test",
        head=MatchingHeadConfig(words="random", hidden=32, dim=16),
    )
