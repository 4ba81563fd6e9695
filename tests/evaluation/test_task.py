from dataclasses import replace

import numpy as np
import pytest

from medts.core.errors import ConfigError, LeakError, StoreError
from medts.data.splits import take_part
from medts.evaluation.head_predictions import head_origin
from medts.evaluation.protocols.linear_probe import LinearProbeConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import Task, make_task, origin_of
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest

LABELS = "synthetic/findings"
TRAIN = [str(fold) for fold in range(1, 8)]


def test_validation_may_not_be_the_test_part(synthetic_store):
    with pytest.raises(LeakError, match="both validation and test"):
        make_task(synthetic_store, LABELS, test_folds=["9"], train_folds=TRAIN, val_folds=["9"])


def test_a_task_with_a_subject_in_two_parts_cannot_be_made_by_hand_either(synthetic_store):
    train, test = (take_part(synthetic_store, LABELS, folds) for folds in (["1", "2"], ["9"]))
    straying = test.take(np.array([0]))
    mixed = replace(
        train,
        rows=np.concatenate([train.rows, straying.rows]),
        target=np.concatenate([train.target, straying.target]),
    )
    with pytest.raises(LeakError, match="1 subjects are in both train and test"):
        Task(synthetic_store, synthetic_store.label_set(LABELS), test=test, train=mixed)


@pytest.mark.parametrize(("part", "flag"), [("train", "--train-folds"), ("validation", "--val-f")])
def test_a_missing_part_is_asked_for_by_its_flag(synthetic_store, part, flag):
    task = make_task(synthetic_store, LABELS, test_folds=["9"])
    with pytest.raises(ConfigError, match=flag):
        task.training() if part == "train" else task.choosing()


def test_a_fold_without_records_is_named(synthetic_store):
    with pytest.raises(StoreError, match="'11'"):
        make_task(synthetic_store, LABELS, test_folds=["11"])


def test_a_model_that_met_the_test_subjects_is_refused_or_stamped(synthetic_store, tiny_run):
    model = load_bundle(tiny_run)
    task = make_task(synthetic_store, LABELS, test_folds=["7"], train_folds=["1"], val_folds=["8"])
    with pytest.raises(LeakError, match="trained on fold 7"):
        run_protocol("linear_probe", model, task, LinearProbeConfig(controls=()))
    allowed = run_protocol(
        "linear_probe", model, replace(task, allow_leak=True), LinearProbeConfig(controls=())
    )
    assert any("LEAK" in note for note in allowed.notes)


def test_the_digest_in_memory_is_that_of_the_files(tiny_run):
    assert load_bundle(tiny_run).digest() == bundle_digest(tiny_run)


def test_the_origin_names_the_parts_of_the_task(synthetic_store, tiny_run):
    task = make_task(synthetic_store, LABELS, test_folds=["9"], train_folds=["1", "2"])
    origin = origin_of(load_bundle(tiny_run), task, "linear_probe", seed=4)
    assert origin.splits.keys() == {"train"}
    assert origin.splits["train"]["folds"] == ["1", "2"]
    assert origin.seed == 4


def test_a_class_that_training_never_showed_is_named(synthetic_store, tiny_run):
    bundle = load_bundle(tiny_run)
    task = make_task(synthetic_store, LABELS, test_folds=["9", "10"])
    assert not head_origin(bundle, task, "held_out", seed=0).notes
    first, *others = task.label_set.classes
    shares = {first: 0.0, **dict.fromkeys(others, 0.5)}
    bundle.provenance = bundle.provenance.but(prevalence=shares)
    (note,) = head_origin(bundle, task, "held_out", seed=0).notes
    assert first in note
