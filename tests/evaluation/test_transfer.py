from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from medts.core.errors import LeakError, MedtsError, UnknownNameError
from medts.core.labels import LabelSet
from medts.data.ingest import ingest
from medts.data.sources.memory import Memory
from medts.data.sources.synthetic import synthetic_record
from medts.data.store import Store
from medts.evaluation.protocols.transfer import TransferConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import Task, make_task
from medts.evaluation.transfer import carry_over, class_map
from medts.inference.bundle import load_bundle
from medts.inference.stored import predict_store

SUB = LabelSet(
    name="ptb-xl/sub", classes=("AMI", "IMI", "CRBBB", "NORM"), kind="multi", system="scp-ecg"
)
SUPER = LabelSet(name="ptb-xl/super", classes=("NORM", "MI", "CD"), kind="multi", system="scp-ecg")


@pytest.fixture(scope="module")
def model(tiny_run):
    return load_bundle(tiny_run)


def test_narrower_classes_answer_for_the_broader_one_and_never_the_reverse():
    assert class_map(SUB, SUPER) == {"MI": ("AMI", "IMI"), "CD": ("CRBBB",), "NORM": ("NORM",)}
    assert class_map(SUPER, SUB) == {"NORM": ("NORM",)}


def test_the_largest_probability_wins_whatever_the_order_of_classes():
    mapping = class_map(SUB, SUPER)
    probability = np.array([[0.1, 0.7, 0.2, 0.3], [0.6, 0.2, 0.9, 0.0]])
    expected = np.array([[0.3, 0.7, 0.2], [0.0, 0.6, 0.9]])
    np.testing.assert_array_equal(carry_over(probability, SUB, SUPER, mapping), expected)
    turned = SUB.but(classes=SUB.classes[::-1])
    found = carry_over(probability[:, ::-1], turned, SUPER, mapping)
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Another hospital: its own people, three classes that we know and one that we do not."""
    kinds = [("SR", ("NORM",)), ("AFIB", ("AFIB",)), ("PVC", ("PVC", "PACE")), ("SR", ())]
    records, labels = [], []
    for number in range(16):
        rhythm, names = kinds[number % 4]
        records.append(
            synthetic_record(rhythm=rhythm, duration_s=5.0, subject_id=f"other-{number}")
        )
        labels.append(names)
    label_set = LabelSet(
        name="memory/codes", classes=("PACE", "PVC", "AFIB", "NORM"), kind="multi",
        system="scp-ecg",
    )  # fmt: skip
    path = tmp_path_factory.mktemp("stores") / "elsewhere"
    ingest(Memory(records, labels, ["test"] * len(records), label_set), "-", path)
    return make_task(Store(path), "memory/codes", test_folds=["test"])


def test_a_model_is_scored_on_another_corpus_by_name(model, elsewhere):
    found = run_protocol("transfer", model, elsewhere)
    assert set(found.per_class) == {"PVC", "AFIB", "NORM"}
    own = model.label_set.classes
    p = predict_store(model, elsewhere.store, elsewhere.test.rows.tolist())
    for name in found.per_class:
        is_positive = elsewhere.test.target[:, elsewhere.label_set.classes.index(name)]
        expected = roc_auc_score(is_positive, p[:, own.index(name)])
        assert found.per_class[name]["auroc"].value == pytest.approx(expected)
        assert found.thresholds[name] == model.thresholds()[name]
    assert any("without counterpart in synthetic/findings: PACE" in n for n in found.notes)
    assert any("not used: " in note and "SBRAD" in note for note in found.notes)


def test_the_majority_control_knows_the_source_only(model, elsewhere):
    found = run_protocol("transfer", model, elsewhere)
    assert found.controls["majority"]["macro_auroc"].value == pytest.approx(0.5)


def test_a_mapping_of_the_caller_takes_the_strictest_threshold(model, elsewhere):
    settings = TransferConfig(mapping={"PVC": ("PVC", "BIGU"), "NORM": ("NORM",)})
    found = run_protocol("transfer", model, elsewhere, settings)
    assert set(found.per_class) == {"PVC", "NORM"}
    expected = max(model.thresholds()["PVC"], model.thresholds()["BIGU"])
    assert found.thresholds["PVC"] == pytest.approx(expected)
    assert found.settings["used_mapping"]["PVC"] == ("PVC", "BIGU")


def test_an_unknown_class_in_a_mapping_is_refused(model, elsewhere):
    with pytest.raises(UnknownNameError, match="class of synthetic/findings 'PVCS'"):
        run_protocol("transfer", model, elsewhere, TransferConfig(mapping={"PVC": ("PVCS",)}))
    with pytest.raises(UnknownNameError, match="class of memory/codes 'PVCS'"):
        run_protocol("transfer", model, elsewhere, TransferConfig(mapping={"PVCS": ("PVC",)}))


def test_nothing_in_common_is_refused(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/findings", test_folds=["9"])
    foreign = LabelSet(name="synthetic/findings", classes=("cat", "dog"), kind="multi")
    part = task.test.take(np.arange(3))
    task = Task(synthetic_store, foreign, replace(part, target=np.ones((3, 2), np.float32)))
    with pytest.raises(MedtsError, match="no class of synthetic/findings has a counterpart"):
        run_protocol("transfer", model, task)


def test_of_a_single_label_set_only_records_of_known_classes_count(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/rhythm", test_folds=["9", "10"])
    found = run_protocol("transfer", model, task)
    is_sinus = task.test.target[:, task.label_set.classes.index("SR")] > 0
    assert found.n_records == (~is_sinus).sum()
    assert "SR" not in found.per_class
    assert any(f"{is_sinus.sum()} test records of classes" in note for note in found.notes)


def test_the_people_a_model_was_trained_on_are_refused(model, synthetic_store):
    task = make_task(synthetic_store, "synthetic/rhythm", test_folds=["7"])
    with pytest.raises(LeakError):
        run_protocol("transfer", model, task)
