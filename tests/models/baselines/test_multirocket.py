"""MultiRocket: reproducible features of fixed windows, and plain words for what cannot work."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medts.core.errors import MedtsError
from medts.models.baselines.multirocket import MultiRocketFeatures

pytest.importorskip("aeon")


def windows(n=12, n_channels=3, n_samples=80, seed=0):
    shape = n, n_channels, n_samples
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_same_windows_and_seed_give_the_same_features(n_channels):
    signals = windows(n_channels=n_channels)
    features = MultiRocketFeatures(1400, seed=3).fit(signals).transform(signals)
    assert features.shape == (12, 1344)
    assert np.isfinite(features).all()
    again = MultiRocketFeatures(1400, seed=3).fit(signals).transform(signals)
    np.testing.assert_array_equal(again, features)
    other = MultiRocketFeatures(1400, seed=4).fit(signals).transform(signals)
    assert not np.array_equal(other, features)


def test_windows_are_transformed_independently_of_each_other():
    rocket = MultiRocketFeatures(672).fit(windows())
    unseen = windows(seed=1)
    together = rocket.transform(unseen)
    np.testing.assert_array_equal(rocket.transform(unseen[5:6]), together[5:6])
    assert np.isfinite(rocket.transform(np.zeros_like(unseen))).all()


def test_fitting_leaves_the_global_generator_of_numpy_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    MultiRocketFeatures(672, seed=5).fit(windows())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_differences_are_read_as_well_as_values():
    rocket = MultiRocketFeatures(672).fit(windows())
    signals = windows(seed=2)
    moved = rocket.transform(signals + 3.0) != rocket.transform(signals)
    differences = moved.any(axis=0)
    # An offset vanishes in the differences, and they are one half of the features.
    assert 0.4 < differences.mean() <= 0.55


def test_a_logistic_regression_on_them_tells_shapes_apart():
    generator = np.random.default_rng(0)
    time = np.arange(80)
    target = np.arange(60) % 2
    phase = generator.uniform(0, 6.28, size=(60, 1, 1))
    signals = np.sin(np.where(target, 0.5, 0.8)[:, None, None] * time + phase)
    signals = signals + 0.3 * generator.normal(size=(60, 2, 80))
    rocket = MultiRocketFeatures(672).fit(signals[:40])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model.fit(rocket.transform(signals[:40]), target[:40])
    assert model.score(rocket.transform(signals[40:]), target[40:]) > 0.9


def test_what_cannot_work_is_said():
    with pytest.raises(MedtsError, match="fewer than 672"):
        MultiRocketFeatures(100)
    with pytest.raises(MedtsError, match="nothing is fitted"):
        MultiRocketFeatures(672).transform(windows())
    with pytest.raises(MedtsError, match="shorter than the kernels"):
        MultiRocketFeatures(672).fit(windows(n_samples=9))
    with pytest.raises(MedtsError, match="1 windows are too few"):
        MultiRocketFeatures(672).fit(windows(n=1, n_channels=1))
    rocket = MultiRocketFeatures(672).fit(windows())
    with pytest.raises(MedtsError, match="fitted were"):
        rocket.transform(windows(n_samples=90))
    broken = windows()
    broken[0, 0, 0] = np.nan
    with pytest.raises(MedtsError, match="not finite"):
        rocket.transform(broken)


def test_without_aeon_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.transformations.collection.convolution_based", None)
    with pytest.raises(MedtsError, match=r"pip install medts\[bench\]"):
        MultiRocketFeatures(672)
