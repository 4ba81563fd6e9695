"""One bundle with several label sets, on the command line."""

import json

import pytest

from medts.cli.main import main
from medts.evaluation.result import read_result

RHYTHM, MORPHOLOGY = "synthetic/rhythm", "synthetic/morphology"


@pytest.fixture
def train(synthetic_store):
    def call(recipe, out, *labels):
        arguments = ["train", recipe, "--data", str(synthetic_store.paths[0])]
        arguments += ["--labels", *labels, "--train-folds", "1-7", "--val-folds", "8"]
        return main([*arguments, "--out", str(out)])

    return call


def test_several_label_sets_are_one_run(train, joint_run, capsys):
    assert train("xresnet1d_matching_test", joint_run, RHYTHM, MORPHOLOGY) == 0
    assert "kept epoch" in capsys.readouterr().out


def test_a_recipe_with_fixed_classes_takes_one(train, tmp_path, capsys):
    assert train("xresnet1d_test", tmp_path, RHYTHM, MORPHOLOGY) == 2
    assert "a recipe with a matching head" in capsys.readouterr().err


@pytest.mark.parametrize("recipe", ["xresnet1d_test", "xresnet1d_matching_test"])
def test_no_label_set_is_a_mistake_that_is_named(train, tmp_path, capsys, recipe):
    assert train(recipe, tmp_path) == 2
    assert "label" in capsys.readouterr().err


def test_each_of_them_can_be_measured(joint_run, synthetic_store, tmp_path):
    arguments = ["evaluate", "--model", str(joint_run), "--data", str(synthetic_store.paths[0])]
    arguments += ["--folds", "9,10", "--out", str(tmp_path), "--labels", MORPHOLOGY]
    assert main(arguments) == 0
    result = read_result(tmp_path / "metrics.json")
    assert result.label_set == MORPHOLOGY
    assert result.thresholds.keys() == set(synthetic_store.label_set(MORPHOLOGY).classes)


def test_each_of_them_can_be_asked_about_a_recording(joint_run, synthetic_store, tmp_path, capsys):
    from medts.formats import FORMATS

    record = synthetic_store.record(0)
    FORMATS["npy"].write(record, tmp_path / "one.npz")
    asked = ["predict", str(joint_run), str(tmp_path / "one.npz"), "--json", "--labels", MORPHOLOGY]
    assert main(asked) == 0
    found = json.loads(capsys.readouterr().out)["classes"]
    assert found.keys() == set(synthetic_store.label_set(MORPHOLOGY).classes)
