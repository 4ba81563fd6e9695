import pytest

from medts.core.errors import ConfigError, UnknownNameError
from medts.recipes import find_recipe, recipes
from medts.training.recipe import Recipe


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_builds_says_what_it_is_and_survives_json(name):
    recipe = find_recipe(name)
    assert recipe.name == name
    assert len(recipes()[name].__doc__) > 20
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    try:
        encoder = recipe.encoder.build()
    except ConfigError as error:
        if "hf download" not in str(error):
            raise
        pytest.skip("the weights of its language model are not on this machine")
    assert encoder.dim > 0


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_field_has_its_sentence(name):
    def check(config):
        for field, info in type(config).model_fields.items():
            assert info.description, f"{type(config).__name__}.{field} has no sentence"
            value = getattr(config, field)
            if hasattr(type(value), "model_fields"):
                check(value)

    check(find_recipe(name))


def test_a_variant_changes_only_what_it_names():
    base, variant = find_recipe("xresnet1d"), find_recipe("xresnet1d101")
    changed = {
        field for field in Recipe.model_fields if getattr(base, field) != getattr(variant, field)
    }
    assert changed == {"name", "encoder", "training"}


def test_a_misspelt_recipe_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'xresnet1d'"):
        find_recipe("xresnet1dd")


def test_an_encoder_that_reads_other_channels_than_are_prepared_is_refused():
    recipe = find_recipe("xresnet1d")
    with pytest.raises(ValueError, match="preprocessing makes"):
        recipe.but(encoder=recipe.encoder.but(channels=("I", "II")))
