"""Zero-shot and few-shot of a model that knows classes by their words."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from medts.core.errors import ConfigError
from medts.data.label_texts import in_words
from medts.evaluation.embeddings import encoder_digest
from medts.evaluation.protocols.few_shot import FewShotConfig
from medts.evaluation.protocols.zero_shot import ZeroShotConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.bundle import load_bundle
from medts.inference.stored import predict_store

FINDINGS = "synthetic/findings"


@pytest.fixture(scope="module")
def bundle(joint_run):
    return load_bundle(joint_run)


@pytest.fixture(scope="module")
def result(bundle, synthetic_store):
    task = make_task(synthetic_store, FINDINGS, test_folds=["9", "10"])
    return run_protocol("zero_shot", bundle, task)


def test_a_label_set_that_was_never_trained_on_is_ranked_beside_its_controls(result):
    assert set(result.metrics) == {"macro_auroc", "macro_auprc"}
    assert {"chance", "majority", "shuffled_prompts", "label_shuffle"} <= set(result.controls)
    chance = result.controls["chance"]["macro_auroc"]
    assert chance.low < 0.5 < chance.high
    assert result.controls["majority"]["macro_auroc"].value == pytest.approx(0.5)
    assert any("rankings only" in note for note in result.notes)
    assert not any("NOT ZERO-SHOT" in note for note in result.notes)


def test_words_without_meaning_are_said_to_be_a_control(result):
    assert any("CONTROL: the words of classes are random" in note for note in result.notes)


def test_the_phrases_reported_are_those_that_were_read(result, synthetic_store):
    read = in_words(synthetic_store, FINDINGS)
    expected = {name: (read.phrase(name),) for name in read.classes}
    assert result.settings["phrases"] == expected


def test_the_scores_are_those_of_the_model_asked_about_that_set(bundle, synthetic_store, tmp_path):
    task = make_task(synthetic_store, FINDINGS, test_folds=["9"], out=tmp_path)
    run_protocol("zero_shot", bundle, task, ZeroShotConfig(n_shuffles=1))
    expected = predict_store(
        bundle,
        synthetic_store,
        task.test.rows.tolist(),
        label_set=synthetic_store.label_set(FINDINGS),
    )
    written = pq.read_table(tmp_path / "predictions.parquet")
    names = [f"probability:{name}" for name in task.label_set.classes]
    found = np.column_stack([written[name].to_numpy() for name in names])
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("labels", [FINDINGS, "synthetic/rhythm"])
def test_classes_with_too_few_test_examples_are_left_out_and_named(bundle, synthetic_store, labels):
    task = make_task(synthetic_store, labels, val_folds=["8"], test_folds=["9", "10"])
    counts = sorted(task.test.target.sum(axis=0).tolist())
    settings = ZeroShotConfig(n_shuffles=1, min_test=int(counts[0]) + 1)
    found = run_protocol("zero_shot", bundle, task, settings)
    kept = [
        name
        for name, n_test in zip(task.label_set.classes, task.test.target.sum(axis=0), strict=True)
        if n_test >= settings.min_test
    ]
    assert 1 < len(kept) < len(task.label_set)
    assert list(found.settings["phrases"]) == kept
    assert set(found.per_class) <= set(kept)
    assert any("too few test examples were left out" in note for note in found.notes)


def test_a_set_that_was_trained_on_is_not_called_zero_shot(bundle, synthetic_store):
    task = make_task(synthetic_store, "synthetic/rhythm", test_folds=["9", "10"])
    found = run_protocol("zero_shot", bundle, task, ZeroShotConfig(n_shuffles=1))
    assert any("NOT ZERO-SHOT" in note for note in found.notes)


def test_phrases_can_not_be_read_otherwise_than_in_training(bundle, synthetic_store):
    task = make_task(synthetic_store, FINDINGS, test_folds=["9"])
    with pytest.raises(ConfigError, match="language: a matching head reads the plainest"):
        run_protocol("zero_shot", bundle, task, ZeroShotConfig(language="de"))


def test_with_training_records_the_majority_is_known(bundle, synthetic_store):
    folds = [str(fold) for fold in range(1, 8)]
    task = make_task(synthetic_store, "synthetic/rhythm", train_folds=folds, test_folds=["9", "10"])
    found = run_protocol("zero_shot", bundle, task, ZeroShotConfig(n_shuffles=1))
    commonest = task.train.target.sum(axis=0).argmax()
    expected = float((task.test.target.argmax(axis=1) == commonest).mean())
    assert found.controls["majority"]["accuracy"].value == pytest.approx(expected)


def test_few_shot_freezes_the_encoder_and_trains_a_head_for_the_new_classes(
    bundle, synthetic_store, tmp_path
):
    folds = [str(fold) for fold in range(1, 8)]
    task = make_task(synthetic_store, FINDINGS, train_folds=folds, test_folds=["9", "10"])
    before = encoder_digest(bundle)
    settings = FewShotConfig(
        shots=(1,), episodes=10, classifier="centroid", controls=(), cache=tmp_path
    )
    found = run_protocol("few_shot", bundle, task, settings)
    assert len([each for each in found.conditions if each.draw is not None]) == 10
    assert encoder_digest(bundle) == before
