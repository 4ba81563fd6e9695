"""Every template, with the worst that may come from outside; and what the room may import."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from html_page import HOSTILE, Page

import medts.report
from medts.core.montage import STANDARD_12_LEADS
from medts.core.records import Record, Stream
from medts.evaluation.comparison import PRIMARY, Comparison, Difference, Failure, Row
from medts.evaluation.details import Details, Example
from medts.evaluation.explained import Curves, Explained, StreamRelevance
from medts.evaluation.result import Condition, Estimate, Result, Splits
from medts.report.comparison import comparison_page
from medts.report.evaluation import evaluation_page
from medts.report.explanation import explanation_page
from medts.report.page import environment
from medts.report.paper import draw_record
from medts.report.reconstructions import RestoredWindow, write_reconstructions
from medts.report.recording import look_at, recording_page
from medts.report.regression import numbers_page
from medts.report.sentences import sentence_page
from medts.report.svg import visible

BIDI = "\u202e\u2066evil\x01\u200f"
STRINGS = [HOSTILE, f"{BIDI}<script>alert(1)</script>", "{{ 7 * 7 }}{% raw %}", "<b>" * 3_334]


def measures(name: str) -> dict[str, Estimate]:
    return {name: Estimate(value=0.5, low=0.1, high=0.9), "share_kept": Estimate(value=0.5)}


def record(bad: str) -> Record:
    signal = np.random.default_rng(0).normal(0, 0.1, (2, 1000))
    stream = Stream(signal, (bad, "II"), 100.0, "ecg", "mV")
    return Record(bad, {"ecg": stream}, report=bad, facts={"sex": bad, "age": bad})


def evaluation(bad: str) -> str:
    condition = Condition(
        name=bad, metrics=measures(bad), n_records=1, regime=bad, n_missing=1, notes=(bad,)
    )
    split = {"folds": [bad], bad: {bad: bad}}
    result = Result(
        metrics=measures(bad),
        per_class={bad: measures("auroc")},
        controls={bad: measures(bad)},
        conditions=(condition,),
        n_records=2,
        n_subjects=2,
        few_positives=(bad,),
        excluded_classes=(f"{bad}2",),
        thresholds={bad: 0.4},
        splits=Splits(train=split, validation=split, test=split),
        label_set=bad,
        protocol=bad,
        recipe=bad,
        seed=0,
        data_digest=bad,
        bundle_digest=bad,
        versions={bad: bad},
        seconds=1.0,
        synthetic=True,
        notes=(bad,),
    )
    probability = np.array([[0.2, 0.7], [0.9, 0.1]])
    classes = (bad, f"{bad}2")
    example = Example(record(bad), dict.fromkeys(classes, 0.7), classes, {bad: 0.2})
    history = ({"train_loss": 1.0, f"validation_{bad}": 0.5},)
    details = Details(np.eye(2, dtype=np.float32), probability, classes, history, (example,))
    return evaluation_page(result, details, command=bad)


def numbers(bad: str) -> str:
    split = {"folds": [bad], bad: {bad: bad}}
    each = {**measures(bad), **measures("bias"), "n_records": Estimate(value=2)}
    result = Result(
        metrics=measures(bad), per_class={bad: each}, controls={bad: measures(bad)}, n_records=2,
        n_subjects=2, splits=Splits(train=split, test=split), label_set=bad, protocol=bad,
        recipe=bad, seed=0, data_digest=bad, bundle_digest=bad, versions={bad: bad}, seconds=1.0,
        notes=(bad,),
    )  # fmt: skip
    target = np.array([[61.0], [np.nan]], dtype=np.float32)
    history = ({"train_loss": 1.0, f"validation_{bad}": 0.5},)
    details = Details(target, np.array([[63.5], [1.0]]), (bad,), history, units={bad: bad})
    return numbers_page(result, details, command=bad)


def explanation(bad: str) -> str:
    curves = Curves(np.linspace(0, 1, 3), np.zeros(3), np.ones(3))
    part = StreamRelevance((bad, "II"), np.ones((2, 9)), 0.0, 10.0, {bad: 1.0, "II": 0.0})
    streams = {"ecg": part}
    found = Explained(record(bad), bad, f"{bad}!", 0.5, "gradient", streams, {bad: 3},
                      {"gradient": [curves]})  # fmt: skip
    return explanation_page(found)


def comparison(bad: str) -> str:
    rows = [
        Row(
            recipe=recipe,
            label_fraction=fraction,
            n_train_records=int(100 * fraction),
            seeds=(0,),
            metrics={**measures(bad), **measures(PRIMARY)},
            by_seed=(measures(PRIMARY),),
            controls={"random_encoder": measures(PRIMARY), bad: measures(bad)},
        )
        for recipe in ("a", bad)
        for fraction in (0.1, 1.0)
    ]
    difference = Difference(
        recipe=bad,
        reference="a",
        label_fraction=1.0,
        metric=PRIMARY,
        measure=Estimate(value=0.1, low=0.05, high=0.2),
        p_value=0.01,
        p_holm=0.01,
        seeds=(0,),
    )
    found = Comparison(
        label_set=bad,
        recipes=("a", bad),
        label_fractions=(0.1, 1.0),
        folds={"test": (bad,), bad: (bad,)},
        rows=tuple(rows),
        differences=(difference,),
        failures=(Failure(recipe=bad, label_fraction=1.0, seed=0, problem=bad),),
        n_records=2,
        n_subjects=2,
        few_positives=(bad,),
        data_digest=bad,
        versions={bad: bad},
        synthetic=True,
        notes=(bad,),
    )
    return comparison_page(found, command=bad)


def sentences(bad: str, tmp_path: Path) -> str:
    stream = record(bad).streams["ecg"]
    return sentence_page(stream, [bad], np.ones((1, 4)), 10.0, title=bad, lead=bad)


def reconstructions(bad: str, tmp_path: Path) -> str:
    signal = np.random.default_rng(0).normal(size=(2, 100))
    window = RestoredWindow(bad, (bad, "II"), 10.0, signal, signal, signal > 0)
    write_reconstructions(tmp_path / "page.html", [window], loss=0.5, predict_zero=1.0)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def recording(bad: str, tmp_path: Path) -> str:
    return recording_page(look_at(record(bad), file=bad, format=bad))


PAGES = {
    "compare": lambda bad, _: comparison(bad),
    "evaluation": lambda bad, _: evaluation(bad),
    "numbers": lambda bad, _: numbers(bad),
    "explanation": lambda bad, _: explanation(bad),
    "sentences": sentences,
    "reconstructions": reconstructions,
    "recording": recording,
}


@pytest.mark.parametrize("bad", STRINGS, ids=["markup", "bidi", "jinja", "long"])
@pytest.mark.parametrize("name", PAGES)
def test_whatever_comes_from_outside_stays_text(name, bad, tmp_path):
    html = PAGES[name](bad, tmp_path)
    page = Page(html)
    assert page.is_harmless()
    assert "img" not in {tag for tag, _ in page.tags}
    bold = re.findall(r"<b>(.*?)</b>", html)  # what stands between is the template's own
    assert all(re.fullmatch(r"[A-Z][a-z ]+", each) for each in bold)
    assert html.count("<b>") == len(bold)
    assert str(visible(bad))[:40] in "".join(page.words)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", html)


def test_every_template_is_among_the_pages_that_are_tested():
    own = {name.removesuffix(".html.j2") for name in environment().list_templates(["j2"])}
    assert own - {"base", "parts", "example"} == PAGES.keys()


def test_autoescape_is_on_and_a_misspelt_name_is_an_error():
    assert environment().autoescape is True
    with pytest.raises(Exception, match="misspelt"):
        environment().from_string("{{ misspelt }}").render()


def test_a_page_brings_its_colours_for_light_dark_and_print():
    html = evaluation("x")
    for words in ("prefers-color-scheme: dark", "@media print", "color-scheme: light dark"):
        assert words in html
    assert html.count("<style>") == 1


def test_the_room_needs_no_torch():
    folder = Path(medts.report.__file__).parent
    modules = [f"medts.report.{path.stem}" for path in folder.glob("*.py") if path.stem[0] != "_"]
    assert len(modules) > 10
    program = f"import sys; sys.modules['torch'] = None; import {', '.join(modules)}"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_a_drawing_prints_inside_a_template_as_it_is():
    stream = Stream(np.zeros((12, 1000)), STANDARD_12_LEADS, 100.0, "ecg", "mV")
    drawing = draw_record(Record("r", {"ecg": stream}))
    html = environment().from_string("<p>{{ drawing }}</p>").render(drawing=drawing)
    assert html.startswith("<p><svg")
