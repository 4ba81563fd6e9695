"""Mistakes of published evaluations, planted on purpose: what they would do, and that they cannot.

Subjects in two parts and models that met test subjects are in test_task.
"""

from dataclasses import replace

import numpy as np
import pytest

from medts.core.errors import LeakError
from medts.evaluation.head_predictions import predict_test
from medts.evaluation.task import Task, make_task
from medts.metrics.bootstrap import bootstrap_scores
from medts.metrics.scores import make_scorer
from medts.metrics.table import interval_table
from medts.metrics.thresholds import choose_thresholds


def test_a_half_for_undefined_classes_moves_the_interval_off_its_own_estimate():
    rng = np.random.default_rng(0)
    target = np.zeros((300, 12))
    for k in range(12):
        target[rng.choice(300, size=1 if k < 10 else 60, replace=False), k] = 1
    probability = (0.3 * rng.random(target.shape) + 0.6 * target).clip(0, 1)
    subjects = [str(i) for i in range(300)]
    scorer = make_scorer(target, probability, np.full(12, 0.5), "multi")
    drawn = bootstrap_scores(scorer, subjects).per_class["auroc"]
    planted = np.quantile(np.where(np.isnan(drawn), 0.5, drawn).mean(axis=1), [0.025, 0.975])
    found = interval_table(target, probability, np.full(12, 0.5), "multi", subjects)
    ours = found.metrics["macro_auroc"]
    assert planted[1] < ours.value
    assert ours.low <= ours.value <= ours.high


def test_thresholds_chosen_on_test_would_flatter_and_are_not_what_is_reported(model, task):
    scored = predict_test(model, task)
    cheated = choose_thresholds(task.test.target, scored.probability).values
    honest = scored.table().metrics["macro_f1"].value
    flattered = replace(scored, thresholds=cheated).table().metrics["macro_f1"].value
    assert flattered > honest
    assert scored.thresholds.tolist() == [
        model.labels.operating_points[name].threshold for name in task.label_set.classes
    ]
    assert "validation" in model.labels.operating_points[task.label_set.classes[0]].split


@pytest.mark.parametrize("part", ["validation", "train"])
def test_no_part_can_be_the_test_part(task, part):
    with pytest.raises(LeakError, match=f"both {part} and test"):
        Task(task.store, task.label_set, task.test, **{part: task.test})


def test_columns_of_a_model_in_another_order_are_matched_by_name(model, task):
    plain = predict_test(model, task)
    order = np.arange(len(task.label_set))[::-1]
    turned = Task(
        task.store,
        task.label_set.but(classes=tuple(np.array(task.label_set.classes)[order].tolist())),
        make_task(task.store, "synthetic/findings", test_folds=["9", "10"]).test,
    )
    found = predict_test(model, turned)
    np.testing.assert_array_equal(found.probability, plain.probability[:, order])
    np.testing.assert_array_equal(found.thresholds, plain.thresholds[order])
