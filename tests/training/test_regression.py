import json

import numpy as np
import pytest
import torch
from running import run

from medts.core.errors import ConfigError
from medts.core.labels import LabelSet
from medts.data.in_memory import RecordsInMemory
from medts.data.sources.synthetic import synthetic_record
from medts.data.splits import quantile_strata
from medts.data.store import Store
from medts.inference.bundle import load_bundle
from medts.inference.export import export_onnx
from medts.inference.folder import read_manifest
from medts.inference.onnx_backend import OnnxBackend
from medts.inference.predictor import Predictor, load
from medts.inference.stored import predict_store
from medts.models.heads import RegressionHead
from medts.objectives.settings.regression import RegressionConfig
from medts.recipes import find_recipe
from medts.training.module import record_score

RATE = "synthetic/rate"


def test_a_recipe_of_classification_becomes_one_of_regression_and_says_so(rate_run):
    settings = load_bundle(rate_run).provenance.settings
    assert settings["recipe"]["objective"] == {"kind": "regression", "delta": 1.0}
    written = json.loads((rate_run / "run.json").read_text())
    assert "regression" in json.dumps(written)


def test_scale_of_the_targets_is_saved_and_predictions_are_in_their_unit(
    rate_run, synthetic_store: Store
):
    bundle = load_bundle(rate_run)
    rows = [row for row, fold in enumerate(synthetic_store.folds) if fold in "1234567"]
    labels = synthetic_store.labels(RATE)
    rate = np.array([float(labels[row][0]) for row in rows])
    assert isinstance(bundle.head, RegressionHead)
    assert float(bundle.head.mean) == pytest.approx(rate.mean(), rel=1e-6)
    assert float(bundle.head.std) == pytest.approx(rate.std(), rel=1e-6)
    assert {"head.mean", "head.std"} <= set(bundle.weights())

    test = [row for row, fold in enumerate(synthetic_store.folds) if fold in ("9", "10")]
    values = predict_store(bundle, synthetic_store, test)
    model = load(rate_run)
    records = [synthetic_store.record(row) for row in test]
    assert model.predict_values(records) == pytest.approx(values, rel=1e-4)
    answer = model.predict(records[0])
    assert answer.classes["heart_rate"].unit == "bpm"
    assert answer.value["heart_rate"] == pytest.approx(values[0, 0], rel=1e-4)
    assert not answer.probability
    assert not answer.stated
    with pytest.raises(ConfigError, match="predict_values"):
        model.predict_proba(records)
    truth = np.array([float(labels[row][0]) for row in test])
    assert np.abs(values[:, 0] - truth).mean() < 0.7 * np.abs(truth - rate.mean()).mean()


def test_the_score_of_an_epoch_is_r2_over_records(rate_run):
    history = json.loads((rate_run / "history.json").read_text())
    best = load_bundle(rate_run).provenance.selection["score"]
    assert best == pytest.approx(max(row["validation_score"] for row in history))
    label_set = LabelSet(name="a/b", classes=("x", "y"), kind="number")
    nan = float("nan")
    target = torch.tensor([[1.0, 5.0], [2.0, nan], [3.0, 7.0]])
    scores = torch.tensor([[1.0, 5.0], [2.0, 99.0], [3.0, 6.0]])
    windows = [(("a", "b", "c"), scores, target)]
    assert record_score(label_set, windows) == pytest.approx((1.0 + 0.5) / 2)


def test_missing_numbers_take_no_part_and_several_numbers_are_learnt(tmp_path):
    records = [synthetic_record(seed=k, subject_id=str(k), duration_s=5.0) for k in range(12)]
    texts = [(str(60 + k), "nan" if k % 2 else str(1000 * k)) for k in range(12)]
    label_set = LabelSet(
        name="memory/labels", classes=("small", "large"), kind="number", units={"large": "ml"}
    )
    folds = ["train"] * 8 + ["validation"] * 4
    data = RecordsInMemory(records, folds=folds, label_set=label_set, labels=texts)
    made = run(
        "xresnet1d_test", data, labels="memory/labels", out=tmp_path / "run",
        train_folds=("train",), val_folds=("validation",),
    )  # fmt: skip
    head = load_bundle(made).head
    assert isinstance(head, RegressionHead)
    assert head.mean.tolist() == pytest.approx([63.5, 3000.0])
    found = load(made).predict(records[0])
    assert np.isfinite(list(found.value.values())).all()
    assert [each.unit for each in found.classes.values()] == ["", "ml"]

    nothing = [(text, "nan") for text, _ in texts]
    data = RecordsInMemory(records, folds=folds, label_set=label_set, labels=nothing)
    with pytest.raises(ConfigError, match="no training record has a value of 'large'"):
        run(
            "xresnet1d_test", data, labels="memory/labels", out=tmp_path / "none",
            train_folds=("train",), val_folds=("validation",),
        )  # fmt: skip


def test_labels_and_objective_must_fit(synthetic_store, tmp_path):
    with pytest.raises(ConfigError, match=r"dual_loss.*does not learn numbers"):
        run("ecg_nat_test", synthetic_store, labels=RATE, out=tmp_path / "a")
    regression = find_recipe("xresnet1d_test").but(objective=RegressionConfig())
    with pytest.raises(ConfigError, match="does not learn classes"):
        run(regression, synthetic_store, labels="synthetic/rhythm", out=tmp_path / "b")
    with pytest.raises(ConfigError, match="shots are examples of a class"):
        run("xresnet1d_test", synthetic_store, labels=RATE, shots=2, out=tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_a_share_of_the_records_has_the_quantiles_of_the_whole():
    values = np.random.default_rng(0).gamma(2.0, size=103)
    values[:3] = np.nan
    strata = quantile_strata(values)
    assert strata.sum(axis=0).tolist() == [20] * 5
    order = np.argsort(values[3:])
    assert strata[3:][order].argmax(axis=1).tolist() == sorted(strata[3:].argmax(axis=1))
    assert quantile_strata(np.full(4, 7.0)).sum() == 4


def test_the_graph_without_torch_gives_the_same_numbers(rate_run, synthetic_store, tmp_path):
    folder = load_bundle(rate_run).save(tmp_path / "bundle")
    export_onnx(load_bundle(folder), folder)
    manifest = read_manifest(folder)
    without_torch = Predictor(manifest, OnnxBackend(folder, manifest), manifest.digest)
    records = [synthetic_store.record(row) for row in range(3)]
    wanted = load(folder).predict_values(records)
    assert without_torch.predict_values(records) == pytest.approx(wanted, rel=1e-5)
