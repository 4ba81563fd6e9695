import numpy as np
import pytest
from drawn import Drawn, points, read_svg
from sklearn.metrics import roc_auc_score

from medts.evaluation.result import Condition, Estimate
from medts.report.chart import Axis, Series, chart, fitting_axis, unit_axis
from medts.report.figures import (
    ALL_CLASSES,
    learning_figures,
    missing_figure,
    precision_figure,
    reliability_figure,
    roc_figure,
)

CLASSES = ("c0", "c1", "c2")


def scores(n_records=90, n_classes=3):
    rng = np.random.default_rng(4)
    target = (rng.random((n_records, n_classes)) < 0.3).astype(np.float32)
    return target, np.round(rng.beta(2 + 2 * target, 4), 2)


def unit_line(drawing: Drawn, element) -> np.ndarray:
    """The line of a series in units of its axes, whose ends are those of the floor."""
    floor = points(drawing.of_class("floor")[-1].get("d", ""))
    rules = [points(each.get("d", "")) for each in drawing.of_class("rule")]
    left, right = rules[0][:, 0]
    top, bottom = min(r[0, 1] for r in rules), max(r[0, 1] for r in rules)
    assert floor.size
    (path,) = [each for each in element if each.tag.endswith("path")]
    found = points(path.get("d", ""))
    return (found - [left, bottom]) / [right - left, top - bottom]


def test_the_area_under_the_drawn_roc_is_the_auroc():
    target, probability = scores()
    drawing = read_svg(roc_figure(target, probability, CLASSES, {}))
    for k in range(3):
        x, y = unit_line(drawing, drawing.series(k)[0]).T
        expected = roc_auc_score(target[:, k], probability[:, k])
        assert np.trapezoid(y, x) == pytest.approx(expected, abs=2e-3)


def test_points_that_a_reader_rests_on_say_the_threshold():
    target, probability = scores()
    drawing = read_svg(roc_figure(target, probability, CLASSES, {"c1": 0.45}))
    words = [each.text or "" for each in drawing.root.iter() if each.tag.endswith("title")]
    assert "c1: operating point, threshold 0.450" in words
    assert any(each.startswith("c2: false alarms") and "threshold" in each for each in words)


def test_an_operating_point_stands_where_the_threshold_puts_it():
    target, probability = scores()
    drawing = read_svg(precision_figure(target, probability, CLASSES, {"c1": 0.45}))
    (dot,) = drawing.of_class("dot")
    stated, truth = probability[:, 1] >= 0.45, target[:, 1] > 0.5
    rules = [points(each.get("d", "")) for each in drawing.of_class("rule")]
    left, right = rules[0][:, 0]
    sensitivity = (float(dot.get("cx", "nan")) - left) / (right - left)
    assert sensitivity == pytest.approx((stated & truth).sum() / truth.sum(), abs=1e-3)


def test_a_class_of_one_kind_has_no_curve():
    target, probability = scores()
    target[:, 0], target[:, 2] = 0, 1
    for figure in (roc_figure, precision_figure):
        drawing = read_svg(figure(target, probability, CLASSES, {}))
        assert {each.get("data-group") for each in drawing.series()} == {"1"}


def test_reliability_shows_all_classes_first_and_hides_the_others():
    target, probability = scores()
    drawing = read_svg(reliability_figure(target, probability))
    shown = [each.get("data-group") for each in drawing.series() if not each.get("display")]
    assert set(shown) == {str(ALL_CLASSES)}
    groups = {each.get("data-group") for each in drawing.series()}
    assert groups == {str(ALL_CLASSES), "0", "1", "2"}
    (bars,) = [each for each in drawing.series(ALL_CLASSES) if each.findall("*[@class='bar']")]
    counts = [int((each.text or "").replace(",", "")) for each in bars if each.tag.endswith("text")]
    assert sum(counts) == target.size


def test_the_learning_curve_leaves_out_what_was_not_measured():
    history = [{"train_loss": 1.0}, {"train_loss": float("nan"), "validation_loss": 0.9}]
    (losses,) = learning_figures(history)
    drawing = read_svg(losses)
    assert {each.get("data-name") for each in drawing.series()} == {
        "Training loss",
        "Validation loss",
    }
    assert learning_figures([]) == []


def test_the_best_epoch_is_marked_on_both_panels():
    history = [{"epoch": i, "train_loss": 1.0 / (i + 1), "validation_f1": i % 3} for i in range(5)]
    losses, validation = map(read_svg, learning_figures(history))
    marks = [each for each in losses.of_class("floor") if each.get("stroke-dasharray")]
    assert len(marks) == 1
    assert len([e for e in validation.of_class("floor") if e.get("stroke-dasharray")]) == 1


def test_the_missing_curve_starts_where_nothing_is_missing():
    conditions = [
        Condition(
            name=str(n),
            metrics={"share_kept": Estimate(value=1 - 0.2 * n, low=0.1, high=0.9)},
            n_records=9,
            regime="r<1>",
            n_missing=n,
        )
        for n in (2, 1)
    ]
    drawing = read_svg(missing_figure(conditions))
    (series,) = drawing.series()
    line = points(next(e for e in series if e.get("stroke-width") == "0.5").get("d", ""))
    assert (np.diff(line[:, 0]) > 0).all()
    assert (np.diff(line[:, 1]) > 0).all()
    assert "r<1>" in drawing.words
    assert "1 missing: 0.800 kept" in "".join(e.text or "" for e in series.iter())


@pytest.mark.parametrize("values", [[0.0, 1.0], [3.0], [], [0.131, 0.744], [1e-3, 2e4], [-4, 9]])
def test_a_fitting_axis_has_a_few_round_ticks_around_its_values(values):
    axis = fitting_axis("", values)
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.low <= value <= axis.high for value in values)
    assert len({round(step, 9) for step in np.diff(axis.ticks).tolist()}) == 1


def test_a_logarithmic_axis_spaces_powers_alike():
    axis = fitting_axis("", [10.0, 1000.0], is_log=True)
    at = axis.share(np.array([10.0, 100.0, 1000.0]))
    assert np.diff(at)[0] == pytest.approx(np.diff(at)[1])
    assert {10.0, 100.0, 1000.0} <= set(axis.ticks)


def test_an_empty_series_and_one_without_numbers_are_drawn_as_nothing():
    empty, unknown = np.zeros(0), np.full(3, np.nan)
    series = [Series("empty", empty, empty), Series("unknown", unknown, unknown, is_dotted=True)]
    drawing = read_svg(chart(series, unit_axis("x"), Axis("y", 0.0, 1.0, ()), has_legend=True))
    assert not drawing.of_class("dot")
    assert {"empty", "unknown"} <= set(drawing.words)
