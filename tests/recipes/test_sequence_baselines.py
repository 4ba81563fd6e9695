"""Recipes of the sequence baselines: windows fit, all are small, and all are trained alike."""

import pytest
import torch

from medts.data.windows import collate
from medts.inference.folder import seeded_windows
from medts.recipes import recipes

NAMES = [
    f"{name}_small"
    for name in ("crossformer", "itransformer", "lightts", "medformer", "mtst", "timesnet")
]


@pytest.mark.parametrize("name", NAMES)
def test_the_encoder_reads_the_window_that_is_cut_and_is_small(name):
    recipe = recipes()[name]()
    rate = recipe.preprocessing.streams[recipe.encoder.stream].sampling_rate
    assert recipe.windowing.window_s * rate == getattr(recipe.encoder, "window", 250) == 250
    encoder = recipe.encoder.build().eval()
    assert sum(p.numel() for p in encoder.parameters()) < 120_000
    with torch.inference_mode():
        encoded = encoder(
            collate(seeded_windows(recipe.preprocessing, recipe.windowing), recipe.preprocessing)
        )
    assert encoded.pooled.shape == (2, encoder.dim)
    assert encoded.pooled.isfinite().all()


def test_all_of_them_are_cut_and_trained_alike():
    first, *others = (recipes()[name]() for name in NAMES)
    for recipe in others:
        assert recipe.windowing == first.windowing
        assert recipe.training == first.training
        assert recipe.head == first.head
