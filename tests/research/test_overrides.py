import pytest

from medts.core.errors import ConfigError, MedtsError
from research.models import fused_jobs, job_recipe, start_recipe
from research.recipes import find_recipe, find_variant, override
from research.tables import SUITES, find_suite


@pytest.mark.parametrize("other", ["sparseformer_small_eeg", "sparseformer_small_beats"])
@pytest.mark.parametrize("name", ["xresnet1d", "itransformer_small", "sparseformer_small"])
def test_a_recipe_can_read_what_another_reads(name, other):
    wanted = find_recipe(other)
    made = find_variant(name, {}, reads=other)
    assert made.encoder.inputs().keys() == wanted.encoder.inputs().keys()
    for stream, spec in wanted.encoder.inputs().items():
        assert made.encoder.inputs()[stream].channels == spec.channels
    assert (made.preprocessing, made.windowing) == (wanted.preprocessing, wanted.windowing)
    assert made.training == find_recipe(name).training
    made.encoder.build()


def test_an_encoder_of_one_length_is_built_for_the_windows_of_the_other():
    assert find_variant("dlinear", {}, reads="sparseformer_small_acc").encoder.window == 200


def test_one_stream_cannot_stand_for_several():
    with pytest.raises(ConfigError, match="reads one stream"):
        find_variant("xresnet1d", {}, reads="crossl_wisdm")


@pytest.mark.parametrize("name", sorted(SUITES))
def test_every_method_of_a_suite_resolves_to_a_recipe(name):
    suite = find_suite(name)
    for method in suite.methods:
        job = next(job for job in suite.jobs() if job.method == method)
        for each in (job, *fused_jobs(job)):
            if each.method.recipe:
                job_recipe(each)
            if each.method.start:
                start_recipe(each, each.method.start)


def test_an_override_changes_what_it_names_and_nothing_else():
    base = find_recipe("ecg_nat")
    made = override(base, {"encoder.attention": "full", "training.epochs": 3})
    assert (made.encoder.attention, made.training.epochs) == ("full", 3)
    assert made.but(encoder=base.encoder, training=base.training) == base
    assert made.encoder.but(attention=base.encoder.attention) == base.encoder


def test_settings_that_depend_on_each_other_are_replaced_together():
    made = override(
        find_recipe("sparseformer_small"),
        {"objective": {"kind": "classification"}, "head": {"hidden": 0, "dropout": 0.0}},
    )
    assert made.objective.kind == "classification"
    assert made.head.hidden == 0


@pytest.mark.parametrize(
    ("overrides", "field", "problem"),
    [
        ({"encoder.atention": "full"}, None, "Did you mean 'attention'"),
        ({"encoder.attention": "wide"}, "attention", "Input should be"),
        ({"training.epochs.first": 1}, "epochs", "no settings of its own"),
        ({"head": None, "head.hidden": 1}, "head", "whole and in pieces"),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(overrides, field, problem):
    with pytest.raises(MedtsError, match=problem) as caught:
        override(find_recipe("ecg_nat"), overrides)
    assert caught.value.field == field
