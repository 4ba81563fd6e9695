"""Recipes of the baselines: windows fit the encoders, and a small one differs in size alone."""

import pytest
import torch

from medts.data.windows import collate
from medts.inference.folder import seeded_windows
from medts.recipes import baselines
from medts.recipes.baselines import patchtst, s4, s4_small, transformer

NAMES = [
    "dlinear",
    "patchtst",
    "patchtst_small",
    "s4",
    "s4_small",
    "transformer",
    "transformer_small",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_fixed_window_is_the_window_that_is_cut(name):
    recipe = getattr(baselines, name)()
    rate = recipe.preprocessing.streams[recipe.encoder.stream].sampling_rate
    window = getattr(recipe.encoder, "window", round(recipe.windowing.window_s * rate))
    assert window == recipe.windowing.window_s * rate == 250


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("s4", "transformer")])
def test_the_encoder_reads_what_the_recipe_prepares(name):
    recipe = getattr(baselines, name)()
    encoder = recipe.encoder.build().eval()
    with torch.inference_mode():
        encoded = encoder(
            collate(seeded_windows(recipe.preprocessing, recipe.windowing), recipe.preprocessing)
        )
    assert encoded.pooled.shape == (2, encoder.dim)
    assert encoded.is_valid.all()
    assert encoded.pooled.isfinite().all()


def test_published_sizes_are_untouched_defaults_of_the_encoders():
    for recipe in (s4(), transformer(), patchtst()):
        encoder = recipe.encoder
        assert encoder == type(encoder)(), recipe.name


def test_the_small_s4_is_trained_like_the_others_on_two_cores():
    assert s4_small().windowing == transformer().windowing
    assert s4_small().head == transformer().head
    assert s4().training.schedule == "constant"
