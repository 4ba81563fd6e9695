from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from sklearn.neighbors import NearestCentroid

from medts.data.splits import Part
from medts.evaluation.few_shot import nearest_centroid, sample_shots
from medts.evaluation.protocols.few_shot import FewShotConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.training.probe import Labelled


def test_every_class_has_k_examples_or_all_it_has(task):
    part = task.train
    available = part.target.sum(axis=0)
    for shots in (1, 3, 40):
        for seed in range(5):
            chosen = sample_shots(task.store, part, shots, seed)
            counts = part.target[chosen].sum(axis=0)
            assert (counts >= np.minimum(shots, available)).all()
            assert len(chosen) <= shots * (part.target.shape[1] + 1)


def test_an_example_with_two_labels_counts_for_both(synthetic_store):
    target = np.array([[1, 1]] * 4 + [[0, 1]] * 4, dtype=np.float32)
    part = Part(("1",), np.arange(8), target, 0)
    for seed in range(5):
        chosen = sample_shots(synthetic_store, part, 2, seed)
        assert len(chosen) == 2
        assert (chosen < 4).all()


def test_a_single_label_set_has_exactly_k_of_each(synthetic_store):
    task = make_task(
        synthetic_store, "synthetic/rhythm", test_folds=["9"], train_folds=["1", "2", "3", "4"]
    )
    available = task.train.target.sum(axis=0)
    for shots in (1, 2, 5):
        chosen = sample_shots(synthetic_store, task.train, shots, 0)
        np.testing.assert_array_equal(
            task.train.target[chosen].sum(axis=0), np.minimum(shots, available)
        )


def test_examples_come_from_different_subjects_as_far_as_they_go(synthetic_store):
    task = make_task(
        synthetic_store, "synthetic/rhythm", test_folds=["9"], train_folds=["1", "2", "3"]
    )
    k = int(task.train.target.sum(axis=0).argmax())
    is_class = task.train.target[:, k] > 0
    subjects = synthetic_store.subject_ids[task.train.rows]
    n_people = len(set(subjects[is_class]))
    for seed in range(10):
        only = task.train.take(np.flatnonzero(is_class))
        chosen = sample_shots(synthetic_store, only, n_people, seed)
        assert len(set(synthetic_store.subject_ids[only.rows[chosen]])) == n_people


@pytest.fixture(scope="module")
def measured(tiny_run, task, kept, tmp_path_factory):
    from medts.inference.bundle import load_bundle

    out = tmp_path_factory.mktemp("shots")
    settings = FewShotConfig(shots=(3,), controls=(), cache=kept)
    return run_protocol(
        "few_shot", load_bundle(tiny_run), replace(task, out=out), settings, seed=2
    ), out


def test_ten_episodes_are_reported_one_by_one_with_their_mean(measured):
    result, out = measured
    mean, *episodes = result.conditions
    assert mean.name == "3 shots"
    assert [each.draw for each in episodes] == list(range(10))
    assert [each.seed for each in episodes] == list(range(2, 12))
    areas = [each.metrics["macro_auroc"].value for each in episodes]
    assert result.metrics["macro_auroc"].value == pytest.approx(np.mean(areas))
    assert len(set(areas)) > 5
    table = pq.read_table(out / "draws.parquet")
    assert set(table["part"].to_pylist()) == {"train"}


def test_short_classes_are_listed_with_what_they_have(measured, task):
    result, _ = measured
    available = task.train.target.sum(axis=0)
    (note,) = [note for note in result.notes if "fewer than 3 training examples" in note]
    for name, n in zip(task.label_set.classes, available, strict=True):
        assert (f"{name} ({n:.0f})" in note) == (n < 3)


def test_without_validation_nothing_is_chosen(measured):
    result, _ = measured
    assert all(choice == {"c": 0.01} for choice in result.settings["chosen"].values())


def test_with_validation_as_many_examples_choose(model, task, kept, tmp_path):
    settings = FewShotConfig(shots=(1,), validation="k-shot", controls=(), cache=kept)
    run_protocol("few_shot", model, replace(task, out=tmp_path), settings)
    rows = pq.read_table(tmp_path / "draws.parquet").to_pylist()
    first = [row["record_id"] for row in rows if row["draw"] == 0 and row["part"] == "validation"]
    ids = task.store.record_ids[task.validation.rows].tolist()
    counts = task.validation.target[[ids.index(each) for each in first]].sum(axis=0)
    assert (counts >= np.minimum(1, task.validation.target.sum(axis=0))).all()
    assert len(first) < len(ids)


def test_episodes_repeat_themselves(model, task, kept, measured):
    result, _ = measured
    again = run_protocol(
        "few_shot", model, task, FewShotConfig(shots=(3,), controls=(), cache=kept), seed=2
    )
    assert again.metrics == result.metrics


def test_the_nearest_centroid_is_sklearns():
    rng = np.random.default_rng(0)
    answer = rng.integers(3, size=40)
    embedding = rng.normal(size=(40, 5)) + answer[:, None]
    train = Labelled(embedding, np.eye(3)[answer])
    expected = NearestCentroid().fit(embedding, answer)
    unseen = rng.normal(size=(100, 5)) + 1
    probe = nearest_centroid(train, "single")
    np.testing.assert_array_equal(probe(unseen).argmax(axis=1), expected.predict(unseen))

    either = nearest_centroid(train, "multi")(unseen)
    for k in range(3):
        expected = NearestCentroid().fit(embedding, answer == k).predict(unseen)
        np.testing.assert_array_equal(either[:, k] > 0.5, expected)


def test_the_nearest_centroid_lists_a_lone_class_and_never_answers_an_absent_one():
    embedding = np.random.default_rng(0).normal(size=(6, 4))
    target = np.zeros((6, 3))
    target[:, 0], target[:3, 1] = 1, 1
    probe = nearest_centroid(Labelled(embedding, target), "multi")
    assert probe.constant_classes == (0, 2)
    assert np.ptp(probe(embedding)[:, [0, 2]], axis=0).max() == 0
    single = nearest_centroid(Labelled(embedding, np.eye(3)[[0, 0, 0, 1, 1, 1]]), "single")
    assert (single(embedding)[:, 2] == 0).all()


def test_the_classifier_can_be_the_nearest_centroid(model, task, kept):
    settings = FewShotConfig(shots=(2,), classifier="centroid", controls=(), cache=kept)
    result = run_protocol("few_shot", model, task, settings)
    assert set(result.settings["chosen"].values()) == {None}
    assert result.metrics["macro_auroc"].value > 0.4


def test_fewer_than_ten_episodes_are_refused():
    with pytest.raises(ValidationError, match="episodes"):
        FewShotConfig(episodes=9)
