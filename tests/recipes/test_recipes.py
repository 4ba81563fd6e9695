import pytest

from medts.core.errors import ConfigError, UnknownNameError
from medts.recipes import find_recipe, is_recipe, kind_of, recipes
from medts.recipes.base import Recipe
from medts.recipes.label_matching import matching
from medts.recipes.report_lm import ReportModelling
from medts.training.settings import Training


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_builds_says_what_it_is_and_survives_json(name):
    make = recipes()[name]
    recipe = make()
    assert recipe.name == name
    assert type(recipe) is kind_of(make)
    assert len(make.__doc__) > 20
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe
    if isinstance(recipe, ReportModelling):
        return
    try:
        encoder = recipe.encoder.build()
    except ConfigError as error:
        if "hf download" not in str(error):
            raise
        pytest.skip("the weights of its language model are not on this machine")
    assert encoder.dim > 0


def test_only_public_functions_without_arguments_that_make_a_named_config_are_recipes():
    def named_after_nothing() -> Training:
        return Training()

    def unannotated():
        return recipes()["xresnet1d"]()

    assert is_recipe(recipes()["xresnet1d"])
    assert not any(map(is_recipe, (matching, named_after_nothing, unannotated, Recipe, 3)))


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
