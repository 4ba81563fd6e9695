from dataclasses import replace

import numpy as np
import pytest

from medts.core.errors import ConfigError, MedtsError
from medts.core.labels import LabelSet
from medts.evaluation.regression import (
    fit_predict,
    linear_control,
    score_numbers,
    shuffled_targets,
    training_mean,
)
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.models.heads import RegressionHead


@pytest.fixture(scope="module")
def model(rate_run):
    return load_bundle(rate_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/rate", test_folds=("9", "10"))


def test_the_model_beats_controls_that_know_nothing_of_the_signal(model, task):
    found = run_protocol("held_out", model, task)
    assert found.metrics["r2"].value > 0.5
    assert found.metrics["r2"].low > found.controls["training_mean"]["r2"].high
    assert set(found.controls) == {"training_mean", "age_and_sex", "shuffled_targets"}
    assert found.controls["age_and_sex"]["mae"].value > 2 * found.metrics["mae"].value
    assert found.controls["shuffled_targets"]["pearson_r"].value == pytest.approx(0, abs=0.1)
    own = found.per_class["heart_rate"]
    assert own["limit_low"].value < own["bias"].value < own["limit_high"].value
    assert own["n_records"].value == found.n_records == len(task.test)


def test_the_control_of_the_mean_is_that_of_the_training_records(model, task, synthetic_store):
    train = make_task(synthetic_store, "synthetic/rate", test_folds=tuple("1234567")).test
    mean = train.target.mean()
    assert training_mean(model, task)[0] == pytest.approx(mean, rel=1e-6)
    found = score_numbers(model, task).controls["training_mean"]
    assert found["mae"].value == pytest.approx(np.abs(task.test.target - mean).mean(), rel=1e-6)
    assert found["bias"].value == pytest.approx(mean - task.test.target.mean(), abs=1e-4)


def test_least_squares_finds_a_line_and_leaves_missing_numbers_out():
    rng = np.random.default_rng(0)
    age, is_female = rng.uniform(20, 90, 50), rng.integers(0, 2, 50)
    features = np.stack([np.ones(50), age, is_female], axis=1).astype(float)
    target = np.stack([3 + 2 * age - 7 * is_female, -age], axis=1)
    target[:10, 1] = np.nan
    predicted = fit_predict(features, target, features)
    assert predicted[:, 0] == pytest.approx(target[:, 0])
    assert predicted[:, 1] == pytest.approx(-age)


def test_the_line_is_fitted_on_the_models_own_training_records(model, task):
    own, notes = linear_control(model, task)
    given = make_task(
        task.store, "synthetic/rate", test_folds=("9", "10"), train_folds=tuple("1234567")
    )
    assert not notes
    assert np.array_equal(own, linear_control(model, given)[0])
    elsewhere = load_copy(model)
    elsewhere.provenance = model.provenance.but(splits={})
    found = score_numbers(elsewhere, task)
    assert "age_and_sex" not in found.controls
    assert "no training record is in the data" in found.notes[0]


def load_copy(model):
    return model.with_preprocessing(model.preprocessing)


def test_age_is_no_control_of_itself(model, task):
    age = {"classes": ("age",), "units": {"age": "bpm"}, "phrases": {}}
    of_age = model.with_preprocessing(model.preprocessing)
    of_age.labels = model.labels.but(label_set=model.label_set.but(**age))
    of_age.head = RegressionHead(
        model.config.head, dim=model.encoder.dim, label_set=of_age.label_set
    )
    of_age.head.load_state_dict(model.head.state_dict())
    found = score_numbers(of_age, replace(task, label_set=task.label_set.but(**age)))
    assert set(found.controls) == {"training_mean", "sex", "shuffled_targets"}
    # What follows from sex alone takes at most as many values as there are sexes.
    assert len(np.unique(linear_control(model, task, ("sex",))[0].round(6))) <= 2
    assert len(np.unique(linear_control(model, task)[0].round(6))) > 2


def test_permuted_targets_end_at_chance():
    rng = np.random.default_rng(1)
    target = rng.normal(60, 10, size=(200, 1))
    found = shuffled_targets(target, target)
    assert found["pearson_r"].value == pytest.approx(0, abs=0.02)
    assert found["r2"].high < 0
    assert found["bias"].value == pytest.approx(0, abs=1e-9)


def test_protocols_of_classes_refuse_numbers(model, task):
    with pytest.raises(ConfigError, match=r"calibration.*numbers"):
        run_protocol("calibration", model, task)


def test_other_numbers_and_other_units_are_refused(model, task):
    other = LabelSet(name="synthetic/rate", classes=("heart_rate",), kind="number")
    with pytest.raises(MedtsError, match=r"heart_rate \(bpm\), not heart_rate"):
        score_numbers(model, replace(task, label_set=other))
