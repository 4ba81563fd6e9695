import json

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, roc_auc_score

from medts.evaluation.curves import (
    ALL_CLASSES,
    best_epoch,
    learning_figure,
    precision_figure,
    reliability,
    reliability_figure,
    roc_figure,
)


def scores(n_records=90, n_classes=3):
    rng = np.random.default_rng(4)
    target = (rng.random((n_records, n_classes)) < 0.3).astype(np.float32)
    probability = np.round(rng.beta(2 + 2 * target, 4), 2)  # rounding makes ties
    return target, probability, tuple(f"c{k}" for k in range(n_classes))


def curve(figure, k):
    line = next(t for t in figure["data"] if t["meta"] == k and t["mode"] == "lines")
    return np.array(line["x"]), np.array(line["y"])


def test_the_area_under_the_drawn_roc_is_the_auroc():
    target, probability, classes = scores()
    figure = roc_figure(target, probability, classes, {})
    for k in range(3):
        x, y = curve(figure, k)
        expected = roc_auc_score(target[:, k], probability[:, k])
        assert auc(x, y) == pytest.approx(expected, abs=1e-3)


def test_the_steps_of_the_precision_curve_hold_the_average_precision():
    target, probability, classes = scores()
    figure = precision_figure(target, probability, classes, {})
    for k in range(3):
        x, y = curve(figure, k)
        expected = average_precision_score(target[:, k], probability[:, k])
        assert (-np.diff(x) * y[:-1]).sum() == pytest.approx(expected, abs=1e-3)


def test_operating_points_lie_where_the_threshold_puts_them():
    target, probability, classes = scores()
    cut = 0.45
    stated, truth = probability[:, 1] >= cut, target[:, 1] > 0.5
    roc = roc_figure(target, probability, classes, {"c1": cut})
    (dot,) = [t for t in roc["data"] if t["mode"] == "markers"]
    assert dot["x"][0] == pytest.approx((stated & ~truth).sum() / (~truth).sum(), abs=1e-4)
    assert dot["y"][0] == pytest.approx((stated & truth).sum() / truth.sum(), abs=1e-4)
    precision = precision_figure(target, probability, classes, {"c1": cut})
    (dot,) = [t for t in precision["data"] if t["mode"] == "markers"]
    assert dot["y"][0] == pytest.approx((stated & truth).sum() / stated.sum(), abs=1e-4)


def test_a_class_of_one_kind_has_no_curve():
    target, probability, classes = scores()
    target[:, 0], target[:, 2] = 0, 1
    for draw in (roc_figure, precision_figure):
        assert {t["meta"] for t in draw(target, probability, classes, {})["data"]} == {1}


def test_reliability_agrees_with_a_loop_over_bins():
    target, probability, _ = scores(400, 1)
    truth, score = target[:, 0] > 0.5, probability[:, 0]
    bins = reliability(truth, score)
    gap, n_bins = 0.0, 0
    for i in range(10):
        is_in = (np.floor(score * 10) == i) | ((i == 9) & (score == 1.0))
        if is_in.any():
            gap += is_in.mean() * abs(truth[is_in].mean() - score[is_in].mean())
            n_bins += 1
    assert bins.error == pytest.approx(gap)
    assert len(bins.count) == n_bins
    assert bins.count.sum() == 400


def test_reliability_shows_all_classes_first_and_hides_the_others():
    target, probability, _ = scores()
    figure = reliability_figure(target, probability)
    assert {t["meta"] for t in figure["data"] if t["visible"]} == {ALL_CLASSES}
    assert {t["meta"] for t in figure["data"]} == {ALL_CLASSES, 0, 1, 2}
    counts = next(t for t in figure["data"] if t["type"] == "bar")["y"]
    assert sum(counts) == target.size


def test_the_best_epoch_is_judged_by_the_score_and_else_by_the_loss():
    history = [
        {"epoch": 1, "validation_loss": 0.5, "validation_macro_auroc": 0.8},
        {"epoch": 2, "validation_loss": 0.6, "validation_macro_auroc": 0.9},
        {"epoch": 3, "validation_loss": 0.4, "validation_macro_auroc": float("nan")},
        {"epoch": 4, "validation_loss": 0.7, "validation_macro_auroc": 0.9},
    ]
    assert best_epoch(history) == (2, "validation_macro_auroc")
    losses = [{k: v for k, v in row.items() if "auroc" not in k} for row in history]
    assert best_epoch(losses) == (3, "validation_loss")
    assert best_epoch([{"epoch": 0, "train_loss": 1.0}]) is None


def test_the_learning_curve_leaves_out_what_was_not_measured():
    history = [{"train_loss": 1.0}, {"train_loss": float("nan"), "validation_loss": 0.9}]
    figure = learning_figure(history)
    assert {t["name"]: (t["x"], t["y"]) for t in figure["data"]} == {
        "Training loss": ([0], [1.0]),
        "Validation loss": ([1], [0.9]),
    }
    assert "yaxis2" not in figure["layout"]


def test_every_figure_is_strict_json():
    target, probability, classes = scores()
    figures = [
        roc_figure(target, probability, classes, dict.fromkeys(classes, 0.5)),
        precision_figure(target, probability, classes, dict.fromkeys(classes, 0.99)),
        reliability_figure(target, probability),
        learning_figure([{"validation_macro_f1": 0.2, "validation_loss": float("inf")}]),
    ]
    for figure in figures:
        json.dumps(figure, allow_nan=False)
