import numpy as np
import pytest

from medts.core.errors import LeakError, MedtsError
from medts.core.labels import LabelSet
from medts.evaluation import zero_shot
from medts.evaluation.task import make_task
from medts.evaluation.zero_shot import ZeroShotConfig, class_phrases, likeness
from medts.inference.bundle import load_bundle


@pytest.fixture(scope="module")
def bundle(tiny_run):
    return load_bundle(tiny_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", val_folds=["8"], test_folds=["9", "10"])


@pytest.fixture(scope="module")
def oracle(bundle, task, make_aligned):
    """Knows each record's labels, and reads a class off its phrase."""
    names = task.label_set.classes
    of_record = {}
    for part in (task.validation, task.test):
        ids = task.store.record_ids[part.rows]
        of_record |= {i: 0.01 + row for i, row in zip(ids, part.target, strict=True)}
    phrases = class_phrases(task.label_set, ZeroShotConfig())

    def of_text(text):
        found = np.zeros(len(names))
        for k, name in enumerate(names):
            if any(
                text in (t.format(p) for t in ZeroShotConfig().templates) for p in phrases[name]
            ):
                found[k] = 1.0
        return found

    return make_aligned(bundle, of_record, of_text)


@pytest.fixture(scope="module")
def result(oracle, task):
    return zero_shot.run(oracle, task)


def test_a_model_that_understands_the_words_ranks_perfectly(result):
    assert result.metrics["macro_auroc"].value == 1.0
    assert result.metrics["macro_f1"].value > 0.6


def test_with_the_words_of_other_classes_nothing_is_left(result):
    control = result.controls["shuffled_prompts"]["macro_auroc"]
    assert control.value < 0.65
    assert control.low <= control.value <= control.high
    assert result.controls["majority"]["macro_auroc"].value == pytest.approx(0.5)


def test_thresholds_come_from_validation_and_the_result_says_that_this_took_labels(result):
    assert any("labelled validation records" in note for note in result.notes)
    assert result.thresholds


def test_without_validation_only_rankings_are_given(oracle, task):
    bare = make_task(task.store, "synthetic/findings", test_folds=["9", "10"])
    found = zero_shot.run(oracle, bare)
    assert set(found.metrics) == {"macro_auroc", "macro_auprc"}
    assert found.thresholds == {}
    assert found.metrics["macro_auroc"].value == 1.0
    assert all("f1" not in measures for measures in found.per_class.values())
    assert any("rankings only" in note for note in found.notes)


def test_a_model_without_a_text_tower_is_refused(bundle, task):
    with pytest.raises(MedtsError, match="this model has no text tower"):
        zero_shot.run(bundle, task)


def test_a_model_that_has_met_the_records_is_refused(oracle, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    with pytest.raises(LeakError):
        zero_shot.run(oracle, task)


def test_phrases_come_from_the_label_set_then_the_ontology_then_the_name():
    labels = LabelSet(
        name="ptb-xl/sub", classes=("CRBBB", "XYZ"), kind="multi", system="scp-ecg",
        phrases={"CRBBB": ("right bundle branch block, complete",)},
    )  # fmt: skip
    english = class_phrases(labels, ZeroShotConfig())
    assert english["CRBBB"][0] == "right bundle branch block, complete"
    assert len(english["CRBBB"]) > 1
    assert english["XYZ"] == ("XYZ",)
    german = class_phrases(labels, ZeroShotConfig(language="de"))
    assert "right bundle branch block, complete" not in german["CRBBB"]


def test_another_class_never_changes_the_ranking_within_a_class():
    labels = LabelSet(name="x/y", classes=("a", "b"), kind="multi")
    rng = np.random.default_rng(0)
    records, classes = rng.normal(size=(20, 4)), rng.normal(size=(2, 4))
    records /= np.linalg.norm(records, axis=1, keepdims=True)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    alone = likeness(records, classes, labels)[:, 0]
    other = likeness(records, np.stack([classes[0], -classes[1]]), labels)[:, 0]
    np.testing.assert_array_equal(alone, other)


def test_a_template_without_a_place_for_the_phrase_is_refused():
    with pytest.raises(ValueError, match="needs one"):
        ZeroShotConfig(templates=("ECG",))
