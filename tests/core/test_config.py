import pytest
from pydantic import ValidationError

import medts
from medts.core.errors import ConfigError, MedtsError


def test_a_variant_reaches_into_nested_settings():
    recipe = medts.recipe("xresnet1d")
    changed = recipe.but(training__epochs=3, training__batch_size=8, encoder__size="50")
    assert (changed.training.epochs, changed.training.batch_size) == (3, 8)
    assert changed.encoder.model_dump()["size"] == "50"
    assert recipe.training.epochs != 3
    assert changed.but(training=recipe.training, encoder=recipe.encoder) == recipe


def test_a_wrong_path_is_refused():
    recipe = medts.recipe("xresnet1d")
    with pytest.raises(ConfigError) as refused:
        recipe.but(name__length=3)
    assert refused.value.field == "name"
    for path in ("training__epoch", "trainings"):
        with pytest.raises((ValidationError, MedtsError)):
            recipe.but(**{path: 1})
