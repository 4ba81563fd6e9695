import json

import numpy as np
import pytest

from medts.core.errors import LeakError, MedtsError
from medts.core.labels import LabelSet
from medts.core.reports import ReportSettings
from medts.evaluation.files import details_of
from medts.evaluation.protocols.zero_shot import ZeroShotConfig
from medts.evaluation.result import read_result
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.evaluation.text import read_like_prompts
from medts.evaluation.zero_shot import class_words, likeness
from medts.inference.bundle import Bundle, load_bundle
from medts.report.files import write_result
from medts.signal.preprocess import Preprocessing


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
    phrases = class_words(task.label_set, ZeroShotConfig())

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
    return run_protocol("zero_shot", oracle, task)


def test_a_model_that_understands_the_words_ranks_perfectly(result):
    assert result.metrics["macro_auroc"].value == 1.0
    assert result.metrics["macro_f1"].value > 0.6


def test_with_the_words_of_other_classes_nothing_is_left(result):
    control = result.controls["shuffled_prompts"]["macro_auroc"]
    assert control.value < 0.65
    assert control.low <= control.value <= control.high
    assert result.controls["majority"]["macro_auroc"].value == pytest.approx(0.5)


def test_words_may_come_from_a_file_in_any_order(oracle, task, result, tmp_path):
    found = class_words(task.label_set, ZeroShotConfig())
    words = {name: phrases[:1] for name, phrases in found.items()}
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(dict(reversed(words.items()))))
    found = run_protocol("zero_shot", oracle, task, ZeroShotConfig(prompt_file=str(path)))
    assert found.metrics["macro_auroc"] == result.metrics["macro_auroc"]
    first = task.label_set.classes[0]
    path.write_text(json.dumps(words | {first: "a " + "very " * 100 + "long prompt"}))
    found = run_protocol("zero_shot", oracle, task, ZeroShotConfig(prompt_file=str(path)))
    assert any(note.startswith("1 prompts have more than 64 words") for note in found.notes)
    assert found.metrics["macro_auroc"].value < 1.0


def test_classes_with_the_same_words_are_refused():
    label_set = LabelSet(
        name="x/y", kind="multi", classes=("a", "b"), phrases={"a": ("noise",), "b": ("Noise",)}
    )
    with pytest.raises(MedtsError, match="'a' and 'b' of x/y have the same words"):
        class_words(label_set, ZeroShotConfig())


def test_thresholds_come_from_validation_and_the_result_says_that_this_took_labels(result):
    assert any("labelled validation records" in note for note in result.notes)
    assert result.thresholds


def test_without_validation_only_rankings_are_given(oracle, task):
    bare = make_task(task.store, "synthetic/findings", test_folds=["9", "10"])
    found = run_protocol("zero_shot", oracle, bare)
    assert set(found.metrics) == {"macro_auroc", "macro_auprc"}
    assert found.thresholds == {}
    assert found.metrics["macro_auroc"].value == 1.0
    assert all("f1" not in measures for measures in found.per_class.values())
    assert any("rankings only" in note for note in found.notes)


def test_the_page_holds_the_classes_that_were_frequent_enough(oracle, task, tiny_run, tmp_path):
    bare = make_task(task.store, "synthetic/findings", test_folds=["9", "10"], out=tmp_path)
    n_test = np.sort(bare.test.target.sum(axis=0))
    found = run_protocol("zero_shot", oracle, bare, ZeroShotConfig(min_test=int(n_test[0]) + 1))
    details = details_of(bare, found, model=tiny_run)
    report, metrics = write_result(tmp_path, found, details)
    assert read_result(metrics).per_class.keys() < set(bare.label_set.classes)
    rarest = bare.label_set.classes[int(bare.test.target.sum(axis=0).argmin())]
    assert rarest not in read_result(metrics).per_class
    assert report.is_file()


def test_a_model_without_a_text_tower_is_refused(bundle, task):
    with pytest.raises(MedtsError, match="this model has no text tower"):
        run_protocol("zero_shot", bundle, task)


def test_a_model_that_has_met_the_records_is_refused(oracle, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    with pytest.raises(LeakError):
        run_protocol("zero_shot", oracle, task)


def test_phrases_come_from_the_label_set_then_the_ontology_then_the_name():
    labels = LabelSet(
        name="ptb-xl/sub", classes=("CRBBB", "XYZ"), kind="multi", system="scp-ecg",
        phrases={"CRBBB": ("right bundle branch block, complete",)},
    )  # fmt: skip
    english = class_words(labels, ZeroShotConfig())
    assert english["CRBBB"][0] == "right bundle branch block, complete"
    assert len(english["CRBBB"]) > 1
    assert english["XYZ"] == ("XYZ",)
    german = class_words(labels, ZeroShotConfig(language="de"))
    assert "right bundle branch block, complete" not in german["CRBBB"]


def test_a_broad_class_is_also_described_by_what_falls_under_it():
    labels = LabelSet(
        name="ptb-xl/super", classes=("NORM", "CD", "HYP"), kind="multi", system="scp-ecg"
    )
    words = class_words(labels, ZeroShotConfig())
    assert "left anterior fascicular block" in words["CD"]
    assert "left ventricular hypertrophy" in words["HYP"]
    assert not set(words["CD"]) & set(words["HYP"])
    plain = class_words(labels, ZeroShotConfig(is_narrower_named=False))
    assert all(words[name][: len(own)] == own for name, own in plain.items())
    assert "left anterior fascicular block" not in plain["CD"]


def test_another_class_never_changes_the_ranking_within_a_class():
    rng = np.random.default_rng(0)
    records, classes = rng.normal(size=(20, 4)), rng.normal(size=(2, 4))
    records /= np.linalg.norm(records, axis=1, keepdims=True)
    classes /= np.linalg.norm(classes, axis=1, keepdims=True)
    alone = likeness(records, classes)[:, 0]
    other = likeness(records, np.stack([classes[0], -classes[1]]))[:, 0]
    np.testing.assert_array_equal(alone, other)


def test_a_single_set_is_stated_by_the_likeliest_class_and_has_no_brier_score(oracle, task):
    rhythm = make_task(task.store, "synthetic/rhythm", test_folds=["9", "10"])
    found = run_protocol("zero_shot", oracle, rhythm)
    assert {"macro_auroc", "accuracy", "macro_f1"} <= found.metrics.keys()
    assert "brier" not in found.metrics
    assert all({"auroc", "f1"} <= each.keys() - {"brier"} for each in found.per_class.values())
    assert all("brier" not in control for control in found.controls.values())
    shares = rhythm.test.target.mean(axis=0)
    assert found.controls["majority"]["accuracy"].value == pytest.approx(shares.max())


def test_a_model_that_read_reports_of_the_corpus_is_not_zero_shot(oracle, bundle, task):
    notes = run_protocol("zero_shot", oracle, task).notes
    (corpus,) = bundle.provenance.corpora
    assert any("NOT ZERO-SHOT" in note and corpus in note for note in notes)


def test_prompts_are_read_in_the_language_of_the_models_reports(bundle):
    settings = Preprocessing(reports=ReportSettings())
    german = Bundle(
        bundle.config, preprocessing=settings, labels=bundle.labels, provenance=bundle.provenance
    )
    phrases = ("Vorhofflimmern", "atrial fibrillation", "inferiorer Myokardinfarkt", "xyz")
    assert read_like_prompts(german, phrases) == (
        "atrial fibrillation", "inferior myocardial infarction", "xyz",
    )  # fmt: skip
    assert read_like_prompts(bundle, phrases) == phrases


def test_a_template_without_a_place_for_the_phrase_is_refused():
    with pytest.raises(ValueError, match="needs one"):
        ZeroShotConfig(templates=("ECG",))
