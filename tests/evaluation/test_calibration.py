import numpy as np
import pytest

from medts.core.errors import ConfigError, LeakError
from medts.evaluation.calibration import logits_of, rescale
from medts.evaluation.protocols.calibration import CalibrationConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.inference.stored import predict_store
from medts.metrics.calibration import calibration_error, fit_temperature
from medts.metrics.conformal import fit_labels


@pytest.fixture(scope="module")
def model(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", val_folds=["8"], test_folds=["9", "10"])


@pytest.fixture(scope="module")
def result(model, task):
    return run_protocol("calibration", model, task, CalibrationConfig(n_bins=5, error_rates=(0.2,)))


def condition(result, name):
    return next(each for each in result.conditions if each.name == name)


def draw(kind, n=400, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, n_classes)) * 1.5
    if kind == "single":
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        target = np.eye(n_classes)[[rng.choice(n_classes, p=row) for row in p]]
    else:
        p = 1 / (1 + np.exp(-logits))
        target = (rng.random(p.shape) < p).astype(float)
    return target, p


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_a_weight_of_the_calibration_error_is_a_repetition(kind):
    target, p = draw(kind)
    weights = np.random.default_rng(1).integers(0, 3, size=(1, len(p))).astype(float)
    rows = np.repeat(np.arange(len(p)), weights[0].astype(int))
    expected = calibration_error(target[rows], p[rows], kind, 10)
    assert calibration_error(target, p, kind, 10, weights) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_temperature_undoes_overconfidence_and_keeps_rankings(kind):
    target, honest = draw(kind, n=4000)
    boastful = rescale(honest, 1 / 3, kind)
    np.testing.assert_allclose(rescale(boastful, 3.0, kind), honest, atol=1e-3)
    found = fit_temperature(target, logits_of(boastful, kind), kind)
    assert found == pytest.approx(3.0, rel=0.1)
    mended = rescale(boastful, found, kind)
    assert calibration_error(target, mended, kind) < calibration_error(target, boastful, kind) / 2
    order = np.argsort(boastful[:, 0]) if kind == "multi" else boastful.argmax(axis=1)
    again = np.argsort(mended[:, 0]) if kind == "multi" else mended.argmax(axis=1)
    np.testing.assert_array_equal(order, again)


def test_the_temperature_comes_from_validation_and_never_sees_test(result, model, task):
    rows = task.validation.rows.tolist()
    known = predict_store(model, task.store, rows).astype(float)
    expected = fit_temperature(task.validation.target, logits_of(known, "multi"), "multi")
    found = condition(result, "temperature from validation").metrics["temperature"].value
    assert found == pytest.approx(expected)
    on_test = predict_store(model, task.store, task.test.rows.tolist()).astype(float)
    cheated = fit_temperature(task.test.target, logits_of(on_test, "multi"), "multi")
    assert found != pytest.approx(cheated, rel=1e-4)


def test_before_and_after_stand_beside_each_other_with_intervals(result, model, task):
    before = condition(result, "as the model gives them").metrics
    after = condition(result, "temperature from validation").metrics
    p = predict_store(model, task.store, task.test.rows.tolist()).astype(float)
    expected = calibration_error(task.test.target, p, "multi", 5)[0]
    assert before["calibration_error"].value == pytest.approx(expected)
    assert result.metrics["calibration_error"] == before["calibration_error"]
    for control in result.controls.values():
        assert control.keys() >= result.metrics.keys()
    gain = after["calibration_error"].value - before["calibration_error"].value
    assert after["calibration_error_difference"].value == pytest.approx(gain)
    for measures in (before, after):
        for measure in measures.values():
            if measure.low is not None:
                assert measure.low <= measure.value <= measure.high
    assert before["calibration_error"].low >= 0


def test_the_reliability_curve_holds_every_statement_once(result, task):
    for name in ("as the model gives them", "temperature from validation"):
        bins = [
            each.metrics
            for each in result.conditions
            if each.name.startswith(f"reliability, {name}")
        ]
        assert sum(each["n_statements"].value for each in bins) == task.test.target.size
        positives = sum(each["n_statements"].value * each["observed"].value for each in bins)
        assert positives == pytest.approx(task.test.target.sum())


def test_conformal_labels_are_counted_on_test_with_limits_from_validation(result, model, task):
    metrics = condition(result, "conformal labels that hold the truth in 80%").metrics
    subjects = task.store.subject_ids[task.validation.rows]
    first = [list(subjects).index(each) for each in dict.fromkeys(subjects)]
    known = predict_store(model, task.store, task.validation.rows[first].tolist()).astype(float)
    limits = fit_labels(task.validation.target[first], known, 0.2)
    p = predict_store(model, task.store, task.test.rows.tolist()).astype(float)
    has = task.test.target > 0
    expected = (limits.can_be_present(p) & has).sum() / has.sum()
    assert metrics["coverage_present"].value == pytest.approx(expected)
    assert metrics["coverage_absent"].value > 0.5


def test_no_validation_is_refused(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["9"])
    with pytest.raises(ConfigError, match="needs validation records"):
        run_protocol("calibration", model, task, CalibrationConfig())


def test_validation_that_is_test_is_refused(synthetic_store):
    with pytest.raises(LeakError, match="both validation and test"):
        make_task(synthetic_store, "synthetic/findings", val_folds=["9"], test_folds=["9"])
