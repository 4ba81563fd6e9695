"""MiniRocket: reproducible features of fixed windows, and plain words for what cannot work."""

import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medts.core.errors import MedtsError
from medts.models.baselines.minirocket import MiniRocketFeatures
from medts.models.baselines.multirocket import MultiRocketFeatures

pytest.importorskip("aeon")


def windows(n=12, n_channels=3, n_samples=80, seed=0):
    shape = n, n_channels, n_samples
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_features_are_shares_and_the_same_for_the_same_seed():
    signals = windows()
    features = MiniRocketFeatures(168, seed=3).fit(signals).transform(signals)
    assert features.shape == (12, 168)
    assert features.min() >= 0
    assert features.max() <= 1
    again = MiniRocketFeatures(168, seed=3).fit(signals).transform(signals)
    np.testing.assert_array_equal(again, features)
    other = MiniRocketFeatures(168, seed=4).fit(signals).transform(signals)
    assert not np.array_equal(other, features)


def test_windows_are_transformed_independently_of_each_other():
    rocket = MiniRocketFeatures(84).fit(windows())
    unseen = windows(seed=1)
    together = rocket.transform(unseen)
    np.testing.assert_array_equal(rocket.transform(unseen[5:6]), together[5:6])
    flat = rocket.transform(np.zeros_like(unseen))
    assert np.isfinite(flat).all()


def test_a_logistic_regression_on_them_tells_shapes_apart():
    generator = np.random.default_rng(0)
    time = np.arange(80)
    target = np.arange(60) % 2
    phase = generator.uniform(0, 6.28, size=(60, 1, 1))
    signals = np.sin(np.where(target, 0.5, 0.8)[:, None, None] * time + phase)
    signals = signals + 0.3 * generator.normal(size=(60, 2, 80))
    rocket = MiniRocketFeatures(168).fit(signals[:40])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    model.fit(rocket.transform(signals[:40]), target[:40])
    assert model.score(rocket.transform(signals[40:]), target[40:]) > 0.9


@pytest.mark.parametrize("kind", [MiniRocketFeatures, MultiRocketFeatures])
def test_training_after_it_keeps_its_number_of_threads(kind):
    before = torch.get_num_threads()
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            kind(672).fit(windows()).transform(windows())
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


def test_what_cannot_work_is_said():
    with pytest.raises(MedtsError, match="fewer than 84"):
        MiniRocketFeatures(10)
    with pytest.raises(MedtsError, match="nothing is fitted"):
        MiniRocketFeatures(84).transform(windows())
    with pytest.raises(MedtsError, match="shorter than the kernels"):
        MiniRocketFeatures(84).fit(windows(n_samples=8))
    rocket = MiniRocketFeatures(84).fit(windows())
    with pytest.raises(MedtsError, match="fitted were"):
        rocket.transform(windows(n_samples=90))
    broken = windows()
    broken[0, 0, 0] = np.nan
    with pytest.raises(MedtsError, match="not finite"):
        rocket.transform(broken)


def test_without_aeon_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.transformations.collection.convolution_based", None)
    with pytest.raises(MedtsError, match=r"pip install medts\[bench\]"):
        MiniRocketFeatures(84)
