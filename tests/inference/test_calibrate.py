import numpy as np
import pytest
import torch

from medts.core.labels import LabelSet
from medts.inference.calibrate import calibrated, record_probability
from medts.inference.manifest import Labels, PlattScaling, TemperatureScaling

MULTI = LabelSet(name="a/multi", classes=("x", "y"), kind="multi")
SINGLE = LabelSet(name="a/single", classes=("x", "y", "z"), kind="single")
LOGITS = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)


def test_without_calibration_a_record_is_the_mean_over_its_windows():
    found = record_probability(LOGITS, SINGLE, None)
    expected = torch.from_numpy(LOGITS).softmax(dim=1).mean(dim=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    found = record_probability(LOGITS[:, :2], MULTI, None)
    expected = torch.from_numpy(LOGITS[:, :2]).sigmoid().mean(dim=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("label_set", [SINGLE, MULTI])
def test_temperature_scaling_divides_the_log_odds(label_set):
    logits = LOGITS[:1, : len(label_set)]
    scaled = record_probability(logits, label_set, TemperatureScaling(temperature=2.5))
    np.testing.assert_allclose(scaled, record_probability(logits / 2.5, label_set, None), atol=1e-6)


def test_platt_scaling_is_a_line_in_the_log_odds_of_each_class():
    scaling = PlattScaling(slope={"y": 2.0, "x": 0.5}, intercept={"x": 1.0, "y": -1.0})
    logits = LOGITS[:1, :2]
    expected = record_probability(logits * [0.5, 2.0] + [1.0, -1.0], MULTI, None)
    np.testing.assert_allclose(record_probability(logits, MULTI, scaling), expected, atol=1e-6)


def test_certainty_stays_finite():
    found = calibrated(np.array([[0.0, 1.0]]), MULTI, TemperatureScaling(temperature=2.0))
    assert np.isfinite(found).all()


def test_platt_scaling_must_name_every_class_of_a_multi_set():
    scaling = PlattScaling(slope={"x": 1.0}, intercept={"x": 0.0})
    for label_set in (MULTI, SINGLE):
        with pytest.raises(ValueError, match="Platt scaling names each class"):
            Labels(label_set=label_set, calibration=scaling)
