"""Text controls: what is hidden is hidden, and every row stands beside the full score."""

import numpy as np
import pytest
import torch

from medts.core.labels import LabelSet
from medts.data.report_grades import GRADES
from medts.data.reports import as_read
from medts.evaluation.head_predictions import predict_test
from medts.evaluation.protocols.text_controls import TextControlsConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.evaluation.text_controls import change_reports, make_change, unknown_classes, with_change
from medts.inference.bundle import load_bundle
from medts.inference.stored import predict_store

SUPER = LabelSet(
    name="ptb-xl/super-two",
    classes=("CLBBB", "AFIB"),
    kind="multi",
    phrases={"CLBBB": ("complete left bundle branch block",), "AFIB": ("atrial fibrillation",)},
    system="scp-ecg",
)


@pytest.fixture(scope="module")
def model(medualtime_run):
    return load_bundle(medualtime_run)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])


@pytest.fixture(scope="module")
def result(model, task):
    return run_protocol("text_controls", model, task)


def test_every_control_is_a_condition_and_stands_among_the_controls(result, task):
    names = TextControlsConfig().controls
    assert [each.name for each in result.conditions] == [name.replace("_", " ") for name in names]
    assert set(names) | {"majority", "label_shuffle"} == set(result.controls)
    for condition, name in zip(result.conditions, names, strict=True):
        assert condition.n_records == len(task.test)
        found = condition.metrics["macro_auroc"].value
        assert found == result.controls[name]["macro_auroc"].value
        difference = condition.metrics["macro_auroc_difference"].value
        assert difference == pytest.approx(found - result.metrics["macro_auroc"].value)


def test_hidden_and_empty_reports_are_one_and_the_same(result):
    hidden, empty = result.controls["signal_only"], result.controls["empty_text"]
    assert hidden == empty


def test_a_change_reaches_the_encoder_and_leaves_the_model_alone(model, task):
    before = predict_test(model, task).probability
    rows, store = task.test.rows, task.store
    for control in TextControlsConfig().controls:
        change = make_change(control, store, rows, task.label_set, seed=1)
        changed = predict_store(with_change(model, change), store, rows.tolist())
        assert not np.allclose(changed, before)
    assert np.array_equal(predict_test(model, task).probability, before)


def test_signals_and_reports_are_what_the_controls_say(model, task):
    seen = []

    def keep(change):
        def look(batch):
            seen.append(change(batch))
            return seen[-1]

        return look

    rows, store = task.test.rows, task.store
    settings = model.preprocessing.reports
    texts = as_read([store.column("report")[row] for row in rows], settings)
    reports = dict(zip(store.record_ids[rows], texts, strict=True))
    for control in ("text_only", "signal_only", "shuffled_text"):
        change = keep(make_change(control, store, rows, task.label_set, settings=settings))
        predict_store(with_change(model, change), store, rows.tolist())
    text_only, signal_only, shuffled = seen[0], seen[len(seen) // 3], seen[-1]
    assert not text_only.streams["ecg"].signal.any()
    assert not text_only.streams["ecg"].is_present.any()
    assert text_only.text == tuple(reports[name] for name in text_only.record_ids)
    assert set(signal_only.text) == {None}
    assert signal_only.streams["ecg"].signal.any()
    assert shuffled.text != tuple(reports[name] for name in shuffled.record_ids)
    assert set(shuffled.text) <= set(reports.values())


def test_redaction_removes_the_sentences_that_name_a_class():
    reports = [
        "Left axis deviation. Complete left bundle branch block.",
        "No atrial fibrillation.",
        None,
        "Left axis deviation. Complete left bundle branch block.",
    ]
    redacted = change_reports(reports, "redacted", SUPER)
    assert redacted[2] is None
    assert redacted[1] == ""
    assert "bundle" not in redacted[0].lower()
    assert "axis" in redacted[0].lower()
    assert redacted[0] == redacted[3]
    unnamed = "Left axis deviation.  Heart rate 70 / min"
    assert change_reports([unnamed], "redacted", SUPER) == [unnamed]


def test_grades_can_be_redacted_though_the_ontology_has_no_words_for_them():
    grades = LabelSet(name="ptb-xl/grade", classes=GRADES, kind="single")
    assert unknown_classes(grades) == ()
    (redacted,) = change_reports(["otherwise normal ecg. sinus rhythm."], "redacted", grades)
    assert redacted == "sinus rhythm."
    strange = LabelSet(name="x/strange", classes=("AFIB", "zork"), kind="multi", system="scp-ecg")
    assert unknown_classes(strange) == ("zork",)


def test_a_shuffle_keeps_the_reports_and_repeats_with_its_seed():
    reports = [f"report {n}" for n in range(20)]
    first = change_reports(reports, "shuffled", SUPER, seed=4)
    assert sorted(first) == sorted(reports)
    assert first != reports
    assert first == change_reports(reports, "shuffled", SUPER, seed=4)
    assert first != change_reports(reports, "shuffled", SUPER, seed=5)
    assert change_reports(["a", None], "empty", SUPER) == ["", None]


def test_a_model_that_reads_no_reports_is_not_moved_by_them(tiny_run, task):
    settings = TextControlsConfig(controls=("signal_only", "shuffled_text"))
    result = run_protocol("text_controls", load_bundle(tiny_run), task, settings)
    for condition in result.conditions:
        assert condition.metrics["macro_auroc_difference"].value == 0
    assert torch.isfinite(torch.tensor(result.metrics["macro_auroc"].value))
