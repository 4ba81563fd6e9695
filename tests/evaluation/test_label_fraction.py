import numpy as np
import pyarrow.parquet as pq
import pytest

from medts.core.errors import ConfigError
from medts.data.splits import labelled_part
from medts.evaluation.protocols.label_fraction import (
    LabelFractionConfig,
    labelled_order,
    missing_classes,
    n_labelled,
)
from medts.evaluation.run import run_protocol


@pytest.fixture(scope="module")
def measured(tiny_run, task, kept, tmp_path_factory):
    from dataclasses import replace

    from medts.inference.bundle import load_bundle

    out = tmp_path_factory.mktemp("fractions")
    settings = LabelFractionConfig(
        fractions=(0.2, 30, 1.0), draws=3, controls=("simple_features",), cache=kept
    )
    return run_protocol(
        "label_fraction", load_bundle(tiny_run), replace(task, out=out), settings, seed=4
    ), out


def test_every_draw_and_every_mean_is_reported(measured, task):
    result, _ = measured
    assert [each.name for each in result.conditions] == [
        "20 % of labels",
        *(f"20 % of labels, draw {n}" for n in (1, 2, 3)),
        "30 labelled records",
        *(f"30 labelled records, draw {n}" for n in (1, 2, 3)),
        "100 % of labels",
        "100 % of labels, draw 1",
    ]
    n_train = len(task.train)
    counts = [each.n_train_records for each in result.conditions]
    assert counts == [round(0.2 * n_train)] * 4 + [30] * 4 + [n_train] * 2
    assert [each.seed for each in result.conditions[:4]] == [None, 4, 5, 6]
    assert {each.label_fraction for each in result.conditions} == {0.2, 30, 1.0}


def test_the_headline_is_the_mean_over_draws_of_the_first_fraction(measured):
    result, _ = measured
    assert result.metrics == result.conditions[0].metrics
    for name, measure in result.metrics.items():
        draws = [each.metrics[name].value for each in result.conditions[1:4]]
        assert measure.value == pytest.approx(np.mean(draws))
        assert measure.low <= min(measure.value, measure.high)
    assert result.thresholds == {}
    assert result.controls.keys() == {"majority", "label_shuffle", "simple_features"}


def test_the_chosen_records_are_saved_nested_and_those_of_finetune(measured, task):
    _, out = measured
    table = pq.read_table(out / "draws.parquet").to_pylist()
    ids = task.store.record_ids[task.train.rows]
    for draw, seed in enumerate((4, 5, 6)):
        small, large = (
            {
                row["record_id"]
                for row in table
                if row["part"] == "train" and row["condition"] == f"{name}, draw {draw + 1}"
            }
            for name in ("20 % of labels", "30 labelled records")
        )
        assert small < large
        assert small == set(ids[labelled_part(task.train.target, fraction=0.2, seed=seed)])
    assert {row["part"] for row in table} == {"train", "validation"}


def test_each_draw_has_its_own_predictions(measured, task):
    _, out = measured
    table = pq.read_table(out / "predictions.parquet").to_pylist()
    assert len(table) == 7 * len(task.test)
    assert len({row["condition"] for row in table}) == 7


def test_classes_are_covered_as_soon_as_there_are_enough_records(task):
    target = task.train.target
    present = target.any(axis=0)
    n_kinds = present.sum() + (~target.any(axis=1)).any()
    for seed in range(5):
        order = labelled_order(task.store, task.train, seed)
        assert sorted(order) == list(range(len(target)))
        assert (target[order[:n_kinds]].any(axis=0) == present).all()


def test_a_class_without_an_example_is_named(model, task, kept):
    settings = LabelFractionConfig(fractions=(2,), draws=1, controls=(), cache=kept)
    result = run_protocol("label_fraction", model, task, settings)
    assert any("no labelled example of" in note for note in result.notes)
    assert missing_classes(np.eye(3)[:2], ("a", "b", "c")) == ("no labelled example of c",)
    assert missing_classes(np.eye(3), ("a", "b", "c")) == ()


def test_whole_subjects_can_be_drawn(task):
    order = labelled_order(task.store, task.train, 0, "subject")
    assert sorted(order) == list(range(len(task.train)))
    subjects = task.store.subject_ids[task.train.rows[order]]
    n_changes = (subjects[1:] != subjects[:-1]).sum()
    assert n_changes == len(set(subjects)) - 1
    other = labelled_order(task.store, task.train, 1, "subject")
    assert (order != other).any()


@pytest.mark.parametrize(
    ("fraction", "count"), [(0.1, 10), (0.014, 1), (1.0, 100), (1.4, 1), (100, 100)]
)
def test_shares_and_numbers_of_records(fraction, count):
    assert n_labelled(fraction, 100) == count


@pytest.mark.parametrize("fraction", [0.001, 0.0, -3, 101])
def test_a_fraction_that_cannot_be_had_is_refused(fraction):
    with pytest.raises(ConfigError, match="fractions"):
        n_labelled(fraction, 100)
