"""Coarse to fine: rare classes are left out by name, the rest is few-shot."""

from dataclasses import replace

import numpy as np
import pytest

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.evaluation.protocols.coarse_to_fine import CoarseToFineConfig
from medts.evaluation.protocols.few_shot import FewShotConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task, restrict
from medts.evaluation.text import without_words_of


@pytest.fixture(scope="module")
def fine(synthetic_store):
    """A label set that the model was not taught."""
    return make_task(
        synthetic_store,
        "synthetic/morphology",
        test_folds=["9", "10"],
        train_folds=[str(fold) for fold in range(1, 8)],
        val_folds=["8"],
    )


def test_classes_with_too_few_examples_are_left_out_by_name(fine):
    counts = fine.training().target.sum(axis=0)
    limit = int(np.median(counts))
    kept, left_out = restrict(fine, min_train=limit, min_test=1)
    names = [c for c, n in zip(fine.label_set.classes, counts, strict=True) if n >= limit]
    tested = fine.test.target.sum(axis=0)
    position = {name: k for k, name in enumerate(fine.label_set.classes)}
    names = [name for name in names if tested[position[name]] >= 1]
    assert list(kept.label_set.classes) == names
    assert len(left_out) == len(fine.label_set) - len(names)
    columns = [position[name] for name in names]
    assert np.array_equal(kept.test.target, fine.test.target[:, columns])
    assert np.array_equal(kept.training().target, fine.training().target[:, columns])
    assert len(kept.test) == len(fine.test)


def test_records_of_a_class_left_out_of_a_single_set_go_with_it(fine):
    single = replace(fine, label_set=fine.label_set.but(kind="single"))
    counts = single.training().target.sum(axis=0)
    kept, _ = restrict(single, min_train=int(np.median(counts)), min_test=1)
    assert kept.test.target.any(axis=1).all()
    assert len(kept.test) < len(single.test)


def test_it_is_few_shot_on_what_is_left(model, fine):
    settings = CoarseToFineConfig(
        shots=(2,), episodes=10, controls=(), classifier="centroid", min_train=5, min_test=2
    )
    result = run_protocol("coarse_to_fine", model, fine, settings, seed=3)
    kept, left_out = restrict(fine, min_train=5, min_test=2)
    plain = FewShotConfig(shots=(2,), episodes=10, controls=(), classifier="centroid")
    expected = run_protocol("few_shot", model, kept, plain, seed=3)
    assert result.metrics == expected.metrics
    assert result.protocol == "coarse_to_fine"
    assert result.settings["min_train"] == 5
    assert any("synthetic/findings" in note for note in result.notes)
    assert any("left out" in note for note in result.notes) == bool(left_out)


def test_the_label_set_that_was_taught_is_no_finer_one(model, task, fine):
    with pytest.raises(ConfigError) as refused:
        run_protocol("coarse_to_fine", model, task)
    assert refused.value.field == "label_set"
    with pytest.raises(ConfigError, match=r"0 classes .* 9000 training"):
        restrict(fine, min_train=9000, min_test=1)


def test_a_model_of_redacted_reports_is_not_told_the_finer_classes_either(model, fine):
    coarse = LabelSet(name="synthetic/coarse", classes=("a", "b"), kind="multi")
    reports = ReportSettings(is_redacted=True, hidden_classes_of=(coarse,))
    redacted = model.with_preprocessing(model.preprocessing.but(reports=reports))
    told = without_words_of(redacted, fine.label_set).preprocessing.reports
    assert told is not None
    assert [each.name for each in told.hidden_classes_of] == [coarse.name, fine.label_set.name]
    assert redacted.preprocessing.reports == reports
    assert without_words_of(model, fine.label_set) is model
