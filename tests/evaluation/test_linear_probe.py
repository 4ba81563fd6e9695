from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medts.core.errors import ConfigError
from medts.evaluation import probing
from medts.evaluation.protocols.linear_probe import LinearProbeConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task
from medts.inference.stored import embed_store


def test_the_numbers_are_those_of_sklearn_on_the_same_embeddings(model, task, plain):
    result = run_protocol("linear_probe", model, task, plain)
    store, target = task.store, task.train.target
    train, test = (
        embed_store(model, store, part.rows.tolist()) for part in (task.train, task.test)
    )
    c = result.settings["chosen"]["all labels"]["c"]
    areas = {}
    for k, name in enumerate(task.label_set.classes):
        if name not in result.excluded_classes and 0 < target[:, k].sum() < len(target):
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
            probe.fit(train.astype(np.float64), target[:, k])
            scores = probe.decision_function(test.astype(np.float64))
            areas[name] = roc_auc_score(task.test.target[:, k], scores)
    assert areas
    for name, area in areas.items():
        assert result.per_class[name]["auroc"].value == pytest.approx(area, abs=0.02)
    assert result.protocol == "linear_probe"
    assert result.splits.train["folds"] == ["1", "2", "3", "4", "5", "6", "7"]
    assert not result.conditions


def test_what_the_test_records_are_labelled_chooses_nothing(model, task, plain, tmp_path):
    changed = task.test.target[np.random.default_rng(0).permutation(len(task.test))]
    results = {}
    for name, target in (("true", task.test.target), ("changed", changed)):
        out = tmp_path / name
        results[name] = run_protocol(
            "linear_probe",
            model,
            replace(task, test=replace(task.test, target=target), out=out),
            plain,
        )
    tables = [pq.read_table(tmp_path / name / "predictions.parquet") for name in results]
    for column in tables[0].column_names:
        if column.startswith("probability"):
            assert tables[0][column] == tables[1][column]
    true, other = results["true"], results["changed"]
    assert true.thresholds == other.thresholds
    assert true.settings == other.settings
    assert true.metrics != other.metrics


def test_controls_take_the_encoders_place(model, task, kept):
    result = run_protocol("linear_probe", model, task, LinearProbeConfig(cache=kept), seed=3)
    wanted = {"majority", "label_shuffle", "random_encoder", "simple_features"}
    assert result.controls.keys() == wanted
    for control in ("random_encoder", "simple_features"):
        measure = result.controls[control]["macro_auroc"]
        assert 0 <= measure.low <= measure.value <= measure.high <= 1
        assert measure != result.metrics["macro_auroc"]


def test_a_constant_encoder_ends_at_one_half_and_in_no_error(model, task):
    with torch.no_grad():
        for weight in model.encoder.parameters():
            weight.zero_()
    result = run_protocol("linear_probe", model, task, LinearProbeConfig(controls=()))
    assert result.metrics["macro_auroc"].value == 0.5


def test_a_single_label_set_is_probed_by_one_softmax(model, synthetic_store, plain, tmp_path):
    task = make_task(
        synthetic_store, "synthetic/rhythm", test_folds=["9", "10"], train_folds=["1", "2", "3"],
        val_folds=["8"], out=tmp_path,
    )  # fmt: skip
    result = run_protocol("linear_probe", model, task, plain)
    table = pq.read_table(tmp_path / "predictions.parquet").to_pydict()
    columns = [values for name, values in table.items() if name.startswith("probability")]
    np.testing.assert_allclose(np.sum(columns, axis=0), 1.0)
    assert result.thresholds == {}
    assert result.metrics["accuracy"].value > 0.3


def test_classes_without_two_kinds_of_example_are_listed(model, task, plain):
    target = task.train.target.copy()
    target[:, 1] = 0
    few = replace(task, train=replace(task.train, target=target))
    result = run_protocol("linear_probe", model, few, plain)
    name = task.label_set.classes[1]
    (note,) = [note for note in result.notes if "constant probability" in note]
    assert name in note
    if name not in result.excluded_classes:
        assert result.per_class[name]["auroc"].value == 0.5


def test_the_encoder_is_asked_once_for_all_parts(model, task, plain, monkeypatch):
    asked = []

    def counting(model, store, rows, folder, **settings):
        asked.append(rows)
        return np.random.default_rng(0).normal(size=(len(rows), 3))

    monkeypatch.setattr(probing, "embed", counting)
    run_protocol("linear_probe", model, task, plain)
    (rows,) = asked
    assert (
        len(set(rows.tolist()))
        == len(rows)
        == sum(map(len, (task.train, task.validation, task.test)))
    )


def test_the_model_is_left_as_it_was(model, task, plain):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run_protocol("linear_probe", model, task, plain)
    assert all((before[name] == value).all() for name, value in model.state_dict().items())


def test_strength_and_thresholds_need_validation_records(model, task, plain):
    with pytest.raises(ConfigError, match="needs validation records"):
        run_protocol("linear_probe", model, replace(task, validation=None), plain)


def test_an_unknown_control_is_named():
    with pytest.raises(ValueError, match="random_encoder"):
        LinearProbeConfig(controls=("random_encode",))
