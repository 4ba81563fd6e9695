import re

import numpy as np
import pytest
from html_page import HOSTILE, Page

from medts.core.errors import MedtsError
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.evaluation.details import Details, Example
from medts.evaluation.result import Estimate, Result, Splits
from medts.report.evaluation import evaluation_page


def result(classes, **changes) -> Result:
    rng = np.random.default_rng(1)

    def measure() -> Estimate:
        value = float(rng.uniform(0.6, 0.9))
        return Estimate(value=value, low=value - 0.05, high=value + 0.05)

    overall = ("macro_auroc", "macro_auprc", "macro_f1", "balanced_accuracy", "accuracy")
    single = ("auroc", "auprc", "f1", "sensitivity", "specificity")
    fields = {
        "metrics": {name: measure() for name in (*overall, "exact_match")},
        "per_class": {c: {name: measure() for name in single} for c in classes},
        "controls": {
            "majority": {"macro_auroc": Estimate(value=0.5), "accuracy": Estimate(value=None)},
            "label_shuffle": {name: measure() for name in overall},
        },
        "n_records": 1219,
        "n_subjects": 1104,
        "thresholds": dict.fromkeys(classes, 0.4321),
        "splits": Splits(validation={"folds": ["8"], "records": 220}, test={"folds": ["9"]}),
        "label_set": "made/set",
        "protocol": "held_out",
        "recipe": "xresnet1d",
        "seed": 7,
        "data_digest": "d" * 64,
        "bundle_digest": "b" * 64,
        "versions": {"medts": "0.1", "torch": "2.13"},
        "seconds": 12.3,
    }
    return Result(**{**fields, **changes})


def scores(n_classes, n_records=60):
    rng = np.random.default_rng(2)
    target = (rng.random((n_records, n_classes)) < 0.4).astype(np.float32)
    return target, rng.random((n_records, n_classes)).astype(np.float32)


def record(report=None, record_id="made/1") -> Record:
    signal = np.random.default_rng(0).normal(0, 0.1, (12, 1000))
    stream = Stream(signal, STANDARD_12_LEADS, 100.0, "ecg", "mV")
    return Record(record_id, {"ecg": stream}, report=report, facts={"age": 61.0, "sex": "female"})


@pytest.fixture
def written():
    def write(
        n_classes=3, classes=(), changes=None, command="", **given
    ) -> tuple[Page, str, Result]:
        classes = tuple(classes) or tuple(f"class{k}" for k in range(n_classes))
        target, probability = scores(len(classes))
        given = {"target": target, "probability": probability} | given
        made = result(classes, **(changes or {}))
        html = evaluation_page(made, Details(classes=classes, **given), command=command)
        return Page(html), html, made

    return write


HISTORY = tuple(
    {"epoch": i, "train_loss": 1 / (i + 1), "validation_macro_auroc": 0.7} for i in range(3)
)


def test_the_page_refers_to_nothing_outside_itself(written):
    example = Example(record(), {"class0": 0.5}, (), {})
    page, html, _ = written(history=HISTORY, examples=(example,))
    assert page.references() == []
    assert html.count("<svg") >= 6
    assert len(html.encode()) < 400_000


def test_the_contents_point_to_every_section(written):
    page, _, _ = written(history=HISTORY)
    sections = [a["id"] for tag, a in page.tags if tag == "section"]
    links = [(a["href"] or "")[1:] for tag, a in page.tags if tag == "a"]
    assert sections == links
    assert "learning" in sections
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("is_synthetic", [True, False])
def test_the_banner_stands_exactly_where_recordings_are_synthetic(written, is_synthetic):
    page, _, _ = written(changes={"synthetic": is_synthetic})
    assert ("says nothing about patients" in page.said) == is_synthetic


def test_the_tables_show_the_numbers_of_the_result(written):
    page, _, made = written()
    rows = {" ".join(row[0].split()): " ".join(row[1:]) for row in page.rows if row}
    for name, measures in (("xresnet1d", made.metrics), *made.per_class.items()):
        for measure in measures.values():
            assert f"{measure.value:.3f}" in rows[name]
            assert f"{measure.low:.3f}–{measure.high:.3f}" in rows[name]
    assert f"{made.controls['label_shuffle']['macro_f1'].value:.3f}" in rows["Shuffled labels"]
    assert "0.500" in rows["Majority"]
    assert "0.432" in rows["class1"]


def test_positives_are_counted_from_the_targets(written):
    page, _, _ = written()
    target, _ = scores(3)
    rows = {row[0].strip(): row for row in page.rows if row}
    for k in range(3):
        assert int(rows[f"class{k}"][1]) == target[:, k].sum()


def test_what_was_evaluated_can_be_traced(written):
    page, _, made = written(command="medts evaluate --model a --data 'b c'", changes={"seed": 41})
    for words in ("1,219 test records of 1,104 subjects", "folds 9", "seed 41", made.data_digest,
                  made.bundle_digest, "torch 2.13", "12.3 s", "validation folds 8", "class2 0.432",
                  "medts evaluate --model a --data 'b c'", "not a medical device"):  # fmt: skip
        assert words in page.said


def test_accuracy_is_defined_by_the_kind_of_label_set(written):
    page, _, made = written()
    assert "Share of all (record, class) decisions" in page.said
    kept = {k: v for k, v in made.metrics.items() if k != "exact_match"}
    target = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    page, _, _ = written(changes={"metrics": kept}, target=target)
    assert "most probable class is the labelled one" in page.said
    assert "(record, class) decisions at the thresholds" not in page.said


def test_excluded_and_rare_classes_are_flagged_and_undefined_values_are_dashes(written):
    classes = ("class0", "class1", "class2")
    target, _ = scores(3)
    target[:, 0] = 0
    per_class = result(classes).per_class | {"class0": {"auroc": Estimate(value=None)}}
    flags = {"excluded_classes": ("class0",), "few_positives": ("class2",), "per_class": per_class}
    page, html, _ = written(target=target, changes=flags)
    rows = {row[0].split()[0]: row for row in page.rows if row and row[0].split()}
    assert "excluded" in rows["class0"][0]
    assert rows["class0"][2].strip() == "–"
    assert "few positives" in rows["class2"][0]
    assert "few positives" not in rows["class1"][0]
    roc = html[html.index('id="roc"') : html.index('id="precision"')]
    assert set(re.findall(r'data-group="(.*?)"', roc)) == {"1", "2"}


def test_notes_are_shown_as_warnings(written):
    page, _, _ = written(changes={"notes": ("A leak was allowed.",)})
    assert "A leak was allowed." in page.said
    assert any(a.get("class") == "note" for _, a in page.tags)


def test_hostile_text_stays_text(written):
    classes = (HOSTILE, "b")
    example = Example(record(HOSTILE, HOSTILE), dict.fromkeys(classes, 0.7), classes, {"b": 0.2})
    changes = {"recipe": HOSTILE, "label_set": HOSTILE, "notes": (HOSTILE,)}
    changes |= {"versions": {HOSTILE: HOSTILE}, "excluded_classes": ()}
    page, html, _ = written(
        classes=classes, examples=(example,), command=HOSTILE, changes=changes, history=HISTORY
    )
    assert page.is_harmless()
    assert html.count("<img src=x") == 0
    assert page.said.count("onerror") >= 8


def test_examples_show_the_drawing_the_bars_and_the_report(written):
    probability = {"class0": 0.81, "class1": 0.65, "class2": 0.3}
    thresholds = {"class0": 0.5, "class1": 0.5, "class2": 0.5}
    example = Example(
        record("Sinus rhythm.\nNormal."), probability, ("class0", "class2"), thresholds
    )
    page, _, _ = written(examples=(example,))
    assert "made/1 · age 61 · sex female" in page.said
    for words in ("0.810 found", "0.650 false alarm", "0.300 missed", "Sinus rhythm. Normal."):
        assert words in page.said
    assert "25 mm/s" in page.said


def test_without_thresholds_the_most_probable_class_is_the_statement(written):
    example = Example(record(), {"class0": 0.4, "class1": 0.35, "class2": 0.25}, ("class1",), {})
    page, _, _ = written(examples=(example,))
    assert "0.400 false alarm" in page.said
    assert "0.350 missed" in page.said


def test_many_classes_are_chosen_from_a_list_and_the_rest_of_an_example_is_folded(written):
    classes = tuple(f"c{k}" for k in range(71))
    probability = {name: 0.9 - 0.01 * k for k, name in enumerate(classes)}
    example = Example(record(), probability, ("c70",), dict.fromkeys(classes, 0.95))
    page, _, _ = written(classes=classes, examples=(example,))
    lists = [a for tag, a in page.tags if tag == "select"]
    assert {"highlight", "show"} == {a["data-effect"] for a in lists}
    assert "62 more classes" in page.said
    assert page.said.index("c70 0.200 missed") < page.said.index("62 more classes")


@pytest.mark.parametrize("n_classes", [1, 7, 71])
def test_any_number_of_classes_has_its_curves(written, n_classes):
    page, html, _ = written(n_classes, history=HISTORY)
    places = [a["id"] for _, a in page.tags if (a.get("class") or "").startswith("plot")]
    assert places == ["roc", "precision", "reliability", "history-1", "history-2"]
    roc = html[html.index('id="roc"') : html.index('id="precision"')]
    assert len(set(re.findall(r'data-group="(.*?)"', roc))) == n_classes
    boxes = [a for tag, a in page.tags if tag == "input"]
    assert len(boxes) == (n_classes if n_classes <= 7 else 0)


def test_without_history_examples_or_curves_the_page_still_stands(written):
    target, _ = scores(2)
    page, html, _ = written(2, target=np.zeros_like(target), changes={"thresholds": {}})
    assert "there is no curve" in page.said
    assert 'id="learning"' not in html
    assert 'id="examples"' not in html


def test_names_that_do_not_fit_the_columns_are_refused():
    target, probability = scores(3)
    with pytest.raises(MedtsError, match="classes"):
        evaluation_page(result(("a", "b")), Details(target, probability, ("a", "b")))
    bad = np.where(probability > 0.9, np.float32("nan"), probability)
    classes = ("a", "b", "c")
    with pytest.raises(MedtsError, match="probability"):
        evaluation_page(result(classes), Details(target, bad, classes))
