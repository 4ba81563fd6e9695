import pytest

from medts.cli.main import main
from medts.core.errors import ConfigError, UnknownNameError
from medts.data.windowing import Windowing
from medts.recipes import find_recipe, questions, recipes
from medts.signal.preprocess import Preprocessing, StreamPreprocessing
from medts.training.recipe import Recipe


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_builds_says_what_it_is_and_survives_json(name):
    recipe = find_recipe(name)
    assert recipe.name == name
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


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_has_a_tiny_twin_that_reads_the_same(name):
    recipe, twin = find_recipe(name), find_recipe(f"{name}_test")
    assert twin.name == f"{name}_test"
    assert twin.preprocessing == recipe.preprocessing
    assert twin.encoder.inputs() == recipe.encoder.inputs()
    assert (twin.encoder.kind, twin.objective.kind) == (recipe.encoder.kind, recipe.objective.kind)
    assert twin.training.epochs <= 3


def test_they_are_few_enough_for_one_screen_and_grouped_by_question(capsys):
    own = {name for name, make in recipes().items() if make.__module__.startswith("medts.")}
    assert len(own) <= 40
    grouped = questions()
    assert set.union(*map(set, grouped.values())) == set(recipes())
    assert {"ecg_nat", "sparseformer"} <= set(grouped["Classify with labels"])
    assert main(["list", "recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 100
    assert list(grouped) == [line for line in lines if line in grouped]


@pytest.mark.parametrize("name", ["xresnet1d", "sparseformer", "crossl_wisdm"])
def test_a_recipe_can_read_other_streams(name):
    stream = StreamPreprocessing(channels=("I", "II"), sampling_rate=50.0)
    made = find_recipe(name).reading(
        Preprocessing(streams={"holter": stream}), Windowing(window_s=5.0, stride_s=5.0)
    )
    (spec,) = made.encoder.inputs().values()
    assert spec.channels == ("I", "II")
    assert spec.sampling_rate == (50.0 if name == "crossl_wisdm" else None)
    assert made.training == find_recipe(name).training


def test_a_misspelt_recipe_gets_the_nearest_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'xresnet1d'"):
        find_recipe("xresnet1dd")


def test_an_encoder_that_reads_other_channels_than_are_prepared_is_refused():
    recipe = find_recipe("xresnet1d")
    with pytest.raises(ValueError, match="preprocessing makes"):
        recipe.but(encoder=recipe.encoder.but(channels=("I", "II")))
