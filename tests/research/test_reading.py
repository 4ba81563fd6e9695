import pytest

from medts.core.errors import ConfigError
from medts.recipes import find_recipe
from research.reading import reading
from research.tables import SUITES


@pytest.mark.parametrize("other", ["sparseformer_small_eeg", "sparseformer_small_beats"])
@pytest.mark.parametrize("name", ["xresnet1d", "itransformer_small", "sparseformer_small"])
def test_a_recipe_can_read_what_another_reads(name, other):
    wanted = find_recipe(other)
    made = reading(find_recipe(name), wanted)
    assert made.encoder.inputs().keys() == wanted.encoder.inputs().keys()
    for stream, spec in wanted.encoder.inputs().items():
        assert made.encoder.inputs()[stream].channels == spec.channels
    assert (made.preprocessing, made.windowing) == (wanted.preprocessing, wanted.windowing)
    assert made.training == find_recipe(name).training
    made.encoder.build()


def test_an_encoder_of_one_length_is_built_for_the_windows_of_the_other():
    made = reading(find_recipe("dlinear"), find_recipe("sparseformer_small_acc"))
    assert made.encoder.window == 200


def test_one_stream_cannot_stand_for_several():
    with pytest.raises(ConfigError, match="reads one stream"):
        reading(find_recipe("xresnet1d"), find_recipe("crossl_wisdm"))


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_method_of_a_suite_can_read_what_it_is_asked_to(name):
    for method in SUITES[name]().methods:
        if method.reads:
            reading(find_recipe(method.recipe), find_recipe(method.reads))
