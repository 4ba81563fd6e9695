"""Late fusion: validation chooses how answers are put together."""

import numpy as np
import pytest

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.evaluation.late_fusion import fit_fusion, fuse
from medts.inference.bundle import load_bundle
from medts.training.probe import macro_auroc

LETTERS = LabelSet(name="made-up/letters", classes=("A", "B"), kind="multi")


def answers(seed=0, n=400, noise=(1.0, 1.0)):
    rng = np.random.default_rng(seed)
    target = (rng.random((n, 2)) < 0.4).astype(np.float32)
    found = [
        1 / (1 + np.exp(-(4 * target - 2 + each * rng.standard_normal((n, 2))))) for each in noise
    ]
    return found, target, [str(number // 2) for number in range(n)]


def test_two_equal_models_are_better_together():
    found, target, subjects = answers(noise=(3.0, 3.0))
    fusion = fit_fusion(found, target, subjects, LETTERS)
    others, truth, _ = answers(seed=1, noise=(3.0, 3.0))
    fused = macro_auroc(truth, fusion(others))
    assert fused > max(macro_auroc(truth, each) for each in others) + 0.02
    if fusion.kind == "mean":
        assert np.array_equal(fusion(others), np.mean(others, axis=0))


def test_a_model_that_knows_nothing_is_weighed_down_by_the_regression():
    found, target, subjects = answers(noise=(2.0, 60.0))
    fusion = fit_fusion(found, target, subjects, LETTERS)
    assert fusion.kind == "regression"
    assert fusion.scores["regression"] > fusion.scores["mean"] + 0.02
    others, truth, _ = answers(seed=1, noise=(2.0, 60.0))
    alone = macro_auroc(truth, others[0])
    assert macro_auroc(truth, fusion(others)) == pytest.approx(alone, abs=0.02)


def test_single_label_answers_stay_probabilities():
    kind = LETTERS.but(kind="single")
    rng = np.random.default_rng(0)
    target = np.eye(2, dtype=np.float32)[rng.integers(2, size=60)]
    found = [rng.dirichlet([1, 1], size=60) for _ in range(2)]
    fusion = fit_fusion(found, target, [str(n) for n in range(60)], kind)
    assert np.allclose(fusion(found).sum(axis=1), 1)


def test_one_model_cannot_be_fused():
    found, target, subjects = answers()
    with pytest.raises(ConfigError, match="1 model") as refused:
        fit_fusion(found[:1], target, subjects, LETTERS)
    assert refused.value.field == "models"


def test_finished_models_are_fused_and_scored(medualtime_run, tiny_run, task):
    models = [load_bundle(tiny_run), load_bundle(medualtime_run)]
    scored, fusion = fuse(models, task)
    assert fusion.kind in ("mean", "regression")
    assert 0 <= scored.metrics()["macro_auroc"].value <= 1
    assert len(scored.thresholds) == len(task.label_set)
