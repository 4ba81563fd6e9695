"""Recipes of the baselines: windows fit the encoders, small ones are trained alike."""

import pytest
import torch

from medts.data.windows import collate
from medts.inference.folder import seeded_windows
from medts.recipes import find_recipe, questions
from research.models import job_recipe
from research.tables import find_suite

CROPS = [name for name in questions()["Compare with baselines"] if name != "text_linear"]
SEQUENCES = ("crossformer", "itransformer", "lightts", "medformer", "mtst", "timesnet")


def row(suite, name):
    return job_recipe(next(job for job in find_suite(suite).jobs() if job.method.name == name))


def check_window(recipe):
    rate = recipe.preprocessing.streams[recipe.encoder.stream].sampling_rate
    window = getattr(recipe.encoder, "window", round(recipe.windowing.window_s * rate))
    assert window == recipe.windowing.window_s * rate == 250


@pytest.mark.parametrize("name", CROPS)
def test_the_encoder_reads_the_window_that_is_cut(name):
    recipe = find_recipe(name)
    check_window(recipe)
    encoder = recipe.encoder.build().eval()
    with torch.inference_mode():
        encoded = encoder(
            collate(seeded_windows(recipe.preprocessing, recipe.windowing), recipe.preprocessing)
        )
    assert encoded.pooled.shape == (2, encoder.dim)
    assert encoded.is_valid.all()
    assert encoded.pooled.isfinite().all()


@pytest.mark.parametrize("name", SEQUENCES)
def test_the_sequence_models_of_a_table_are_small_and_trained_alike(name):
    recipe, first = (row("sparseformer-ptb-xl", f"{each}_small") for each in (name, "medformer"))
    check_window(recipe)
    assert sum(p.numel() for p in recipe.encoder.build().parameters()) < 120_000
    assert recipe.windowing == first.windowing
    assert recipe.training == first.training
    assert recipe.head == first.head


def test_the_published_s4_is_the_default_of_its_encoder_and_the_small_one_like_the_others():
    published, small = row("ecg-small", "s4"), find_recipe("s4_small")
    assert published.encoder == type(published.encoder)()
    assert published.training.schedule == "constant"
    assert small.windowing == find_recipe("xresnet1d").windowing
    assert small.head == find_recipe("xresnet1d").head
