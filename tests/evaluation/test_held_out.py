import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score, roc_auc_score

import medts
from medts import evaluate
from medts.core.errors import ConfigError, LeakError, StoreError
from medts.data.in_memory import RecordsInMemory
from medts.evaluation.protocols.retrieval import RetrievalConfig
from medts.evaluation.protocols.subgroups import SubgroupsConfig
from medts.evaluation.result import Estimate, read_result

SHAPE = {
    "schema", "metrics", "per_class", "controls", "n_records", "n_subjects", "excluded_classes",
    "excluded_records", "thresholds", "splits", "label_set", "protocol", "recipe",
    "tuning_trials", "seed", "data_digest", "bundle_digest", "versions", "seconds",
}  # fmt: skip


@pytest.fixture(scope="module")
def evaluated(tiny_run, synthetic_store, tmp_path_factory):
    out = tmp_path_factory.mktemp("evaluated")
    result = evaluate(tiny_run, synthetic_store, folds=["9", "10"], out=out)
    return out, result


def test_metrics_json_has_its_stable_shape_and_reads_back(evaluated):
    out, result = evaluated
    content = json.loads((out / "metrics.json").read_text())
    assert content.keys() >= SHAPE
    assert content["schema"] == 1
    assert content["splits"].keys() == {"train", "validation", "test"}
    assert {"value", "low", "high"} == content["metrics"]["macro_auroc"].keys()
    assert {"majority", "label_shuffle"} <= content["controls"].keys()
    assert read_result(out / "metrics.json").metrics.keys() == result.metrics.keys()


def test_the_numbers_are_those_of_the_scores_that_were_kept(evaluated):
    out, result = evaluated
    table = pq.read_table(out / "predictions.parquet").to_pydict()
    classes = [name.removeprefix("target:") for name in table if name.startswith("target:")]
    target = np.array([table[f"target:{name}"] for name in classes]).T
    probability = np.array([table[f"probability:{name}"] for name in classes]).T
    kept = [k for k, name in enumerate(classes) if name not in result.excluded_classes]
    expected = roc_auc_score(target[:, kept], probability[:, kept], average="macro")
    assert result.metrics["macro_auroc"].value == pytest.approx(expected, abs=1e-9)
    stated = probability >= np.array([result.thresholds[name] for name in classes])
    expected = f1_score(target[:, kept], stated[:, kept], average="macro", zero_division=0)
    assert result.metrics["macro_f1"].value == pytest.approx(expected, abs=1e-9)


def test_every_number_lies_within_its_interval(evaluated):
    _, result = evaluated
    for measures in (result.metrics, *result.per_class.values()):
        for measure in measures.values():
            if measure.low is not None and np.isfinite(measure.low):
                assert measure.low <= measure.value <= measure.high


def test_controls_know_nothing(evaluated):
    _, result = evaluated
    assert result.controls["majority"]["macro_auroc"].value == pytest.approx(0.5)
    shuffled = result.controls["label_shuffle"]["macro_auroc"]
    assert shuffled.value == pytest.approx(0.5, abs=0.03)
    assert shuffled.low < 0.5 < shuffled.high


def test_classes_without_positives_are_listed_and_in_no_macro(tiny_run, synthetic_store, tmp_path):
    result = evaluate(tiny_run, synthetic_store, folds=["9"], out=tmp_path)
    table = pq.read_table(tmp_path / "predictions.parquet").to_pydict()
    targets = {k.removeprefix("target:"): v for k, v in table.items() if k.startswith("target:")}
    undefined = {name for name, values in targets.items() if len(set(values)) == 1}
    assert undefined  # ten records do not show all twelve findings
    assert set(result.excluded_classes) == undefined
    assert all(str(result.per_class[name]["auroc"]) == "–" for name in undefined)
    defined = [m["auroc"].value for name, m in result.per_class.items() if name not in undefined]
    assert result.metrics["macro_auroc"].value == pytest.approx(np.mean(defined))


def test_the_report_is_written_and_says_synthetic(evaluated):
    out, result = evaluated
    page = (out / "report.html").read_text()
    assert result.synthetic
    assert "ynthetic" in page


@pytest.mark.parametrize(("folds", "verb"), [(["7"], "trained"), (["8", "9"], "selected")])
def test_a_fold_that_trained_or_selected_is_refused(
    tiny_run, synthetic_store, tmp_path, folds, verb
):
    with pytest.raises(LeakError, match=f"{verb} on fold"):
        evaluate(tiny_run, synthetic_store, folds=folds, out=tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_an_allowed_leak_is_stamped(tiny_run, synthetic_store, tmp_path):
    result = evaluate(tiny_run, synthetic_store, folds=["7"], out=tmp_path, allow_leak=True)
    assert any("LEAK" in note for note in result.notes)
    assert "LEAK" in (tmp_path / "report.html").read_text()


def test_the_same_people_under_other_folds_are_still_refused(tiny_run, tmp_path):
    from medts.data.ingest import ingest
    from medts.data.sources.base import Entry
    from medts.data.sources.synthetic import Synthetic
    from medts.data.store import Store

    class Renumbered(Synthetic):
        def entries(self, path):
            for entry in super().entries(path):
                yield Entry(entry.record_id, entry.subject_id, "10", entry.load, entry.labels)

    ingest(Renumbered(n_subjects=10, records_per_subject=1, duration_s=5.0, seed=3), "-", tmp_path)
    with pytest.raises(LeakError, match="test subjects were seen"):
        evaluate(tiny_run, Store(tmp_path), folds=["10"], out=tmp_path / "out")


def test_an_unknown_fold_is_named(tiny_run, synthetic_store, tmp_path):
    with pytest.raises(StoreError, match="no record in fold '11'"):
        evaluate(tiny_run, synthetic_store, folds=["11"], out=tmp_path)


def test_of_a_range_the_folds_that_exist_are_taken(tiny_run, synthetic_store, evaluated):
    result = evaluate(tiny_run, synthetic_store, folds="9-51")
    assert result.splits.test["folds"] == ["9", "10"]
    assert result.metrics == evaluated[1].metrics
    with pytest.raises(ConfigError, match="none of the folds 11, 12"):
        evaluate(tiny_run, synthetic_store, folds="9,11-12")
    with pytest.raises(StoreError, match="no record in fold '11'"):
        evaluate(tiny_run, synthetic_store, folds="9,11")


def test_loaded_models_and_paths_of_stores_give_the_same_and_without_a_folder_nothing_is_written(
    tiny_run, synthetic_store, evaluated, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    predictor = medts.load(tiny_run)
    for model in (predictor, predictor.bundle):
        found = evaluate(model, synthetic_store.paths[0], folds="9-10")
        assert found.but(seconds=0) == evaluated[1].but(seconds=0)
    assert not list(tmp_path.iterdir())


def test_records_in_memory_are_evaluated_like_a_store(
    tiny_run, synthetic_store, evaluated, tmp_path
):
    rows = synthetic_store.select(["9", "10"])
    own = synthetic_store.label_set("synthetic/findings")
    records = RecordsInMemory(
        [synthetic_store.record(int(row)) for row in rows],
        folds=synthetic_store.folds[rows].tolist(),
        label_set=own.but(name="memory/findings"),
        labels=[synthetic_store.labels(own.name)[row] for row in rows],
    )
    found = evaluate(tiny_run, records, folds="9-10", labels="memory/findings", out=tmp_path)
    for name, each in evaluated[1].metrics.items():
        assert found.metrics[name].value == pytest.approx(each.value, abs=1e-6), name
    assert (tmp_path / "report.html").is_file()
    for protocol, settings in {
        "retrieval": RetrievalConfig(ks=(1,)), "subgroups": SubgroupsConfig(least_subjects=2),
    }.items():  # fmt: skip
        own, kept = (
            evaluate(tiny_run, data, folds="9-10", labels=labels, protocol=protocol,
                     settings=settings)
            for data, labels in ((records, "memory/findings"), (synthetic_store, None))
        )  # fmt: skip
        assert [each.name for each in own.conditions] == [each.name for each in kept.conditions]
        assert own.metrics.keys() == kept.metrics.keys()


def test_a_measure_shows_its_interval_or_a_dash():
    assert str(Estimate(value=0.5, low=0.25, high=0.75)) == "0.500 [0.250, 0.750]"
    assert str(Estimate(value=float("nan"))) == "–"
    assert Estimate(value=float("nan")).model_dump()["value"] is None
