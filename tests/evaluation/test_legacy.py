from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

import medts
from medts.core.errors import LeakError, MedtsError
from medts.data.windowing import Windowing, windows_of
from medts.data.windows import collate
from medts.evaluation.legacy import (
    columns_by_position_as_merl,
    crop_probabilities,
    helme_interval,
    merl_macro_auroc,
    read_merl_tables,
)
from medts.evaluation.protocols.legacy import LegacyConfig
from medts.evaluation.run import run_protocol
from medts.evaluation.task import make_task

META = "ecg_id,patient_id,strat_fold,filename_lr,filename_hr"


def write_tables(folder: Path, train_order, test_order, labels, ids):
    """Two tables whose columns are ordered as told; ``labels`` is by name."""
    folder.mkdir(parents=True)
    for part, order in (("train", train_order), ("val", test_order)):
        lines = [f"{META},{folder.name},{','.join(order)}"]
        for row, record in enumerate(ids):
            cells = ",".join(str(int(labels[name][row])) for name in order)
            lines.append(
                f"{record},{record}.0,{9 if part == 'val' else 1 + row % 8},a,b,[],{cells}"
            )
        (folder / f"ptbxl_{folder.name}_{part}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def permuted(tmp_path):
    """Four classes, three of which change places between the tables."""
    target = np.random.default_rng(0).random((200, 4)) < 0.3
    labels = dict(zip(("NORM", "AVB", "RAO", "ISC"), target.T, strict=True))
    orders = ("NORM", "AVB", "RAO", "ISC"), ("NORM", "ISC", "AVB", "RAO")
    return write_tables(tmp_path / "sub_class", *orders, labels, range(1, 201))


def scores_of_a_perfect_probe(folder):
    tables = read_merl_tables(folder)
    order, by_position = columns_by_position_as_merl(tables.train_path, tables.test_path)
    by_name = tables.test.target(order)
    logits = 20 * by_name - 10
    areas = {}
    for how, target in (("position", by_position), ("name", by_name)):
        areas[how] = [
            roc_auc_score(target[:, k], logits[:, k])
            if 0 < target[:, k].sum() < len(target)
            else None
            for k in range(len(order))
        ]
    return order, areas


def test_a_perfect_probe_is_perfect_by_name_and_not_by_position(permuted):
    order, areas = scores_of_a_perfect_probe(permuted)
    assert areas["name"] == [1.0] * 4
    wrong = [name for name, area in zip(order, areas["position"], strict=True) if area < 1]
    assert wrong == ["AVB", "RAO", "ISC"]


def test_on_the_published_sub_classes_three_of_23_are_scored_on_the_wrong_column(real_data):
    order, areas = scores_of_a_perfect_probe(real_data / "ptb-xl-splits" / "sub_class")
    assert len(order) == 23
    assert {area for area in areas["name"] if area is not None} == {1.0}
    pairs = zip(order, areas["position"], strict=True)
    wrong = {name: area for name, area in pairs if area is not None and area < 1}
    assert set(wrong) == {"AVB", "RAO/RAE", "ISC"}
    assert all(0.4 < area < 0.6 for area in wrong.values())
    defined = [area for area in areas["position"] if area is not None]
    assert np.mean(defined) < 0.94


@pytest.mark.parametrize("task", ["super_class", "form", "rhythm"])
def test_the_other_published_tables_agree_in_their_order(real_data, task):
    _, areas = scores_of_a_perfect_probe(real_data / "ptb-xl-splits" / task)
    assert {area for area in areas["position"] if area is not None} == {1.0}


def test_published_tables_split_as_here_into_train_select_and_test(real_data):
    tables = read_merl_tables(real_data / "ptb-xl-splits" / "super_class")
    train = tables.rows_of_folds([str(fold) for fold in range(1, 8)])
    select = tables.rows_of_folds(["8"])
    assert len(train) + len(select) == len(tables.train) == 1208
    assert set(tables.test.fact("strat_fold")) == {"9"}
    people = np.array(tables.train.fact("patient_id"))
    assert not set(people[train]) & set(people[select])
    assert not set(people) & set(tables.test.fact("patient_id"))


def test_only_the_legacy_module_knows_columns_by_position():
    package = Path(medts.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "rows_in_file_order" in path.read_text() or "columns_by_position" in path.read_text()
    }
    assert users == {"data/label_table.py", "evaluation/legacy.py"}


def test_softmax_couples_classes_and_undefined_ones_count_nothing():
    rng = np.random.default_rng(0)
    target = (rng.random((100, 3)) < 0.4).astype(float)
    logits = rng.normal(size=(100, 3)) + target
    expected = roc_auc_score(target, softmax(logits, axis=1), average="macro")
    assert merl_macro_auroc(target, logits) == pytest.approx(expected)
    louder = logits.copy()
    louder[:, 2] *= 5
    alone = merl_macro_auroc(target[:, :2], logits[:, :2], is_softmax=False)
    areas = [roc_auc_score(target[:, k], softmax(each, axis=1)[:, k])
             for each in (logits, louder) for k in (0, 1)]  # fmt: skip
    assert areas[:2] != areas[2:]
    assert alone == pytest.approx(
        np.mean([roc_auc_score(target[:, k], logits[:, k]) for k in (0, 1)])
    )
    empty = np.column_stack([target, np.zeros(100)])
    wider = np.column_stack([logits, logits[:, 0]])
    plain = merl_macro_auroc(target, logits, is_softmax=False)
    found = merl_macro_auroc(empty, wider, is_softmax=False)
    assert found == pytest.approx(plain * 3 / 4)


def test_the_rejecting_bootstrap_drops_what_misses_a_class():
    target = np.zeros((60, 2))
    target[:20, 0] = target[-1, 1] = 1  # one positive: a third of the resamples miss it
    probability = np.random.default_rng(0).random((60, 2))
    found = helme_interval(target, probability, n_resamples=30)
    assert found.low < found.high
    with pytest.raises(MedtsError, match="no resample holds every class"):
        helme_interval(np.column_stack([target, np.zeros(60)]), np.ones((60, 3)), n_resamples=10)


@pytest.fixture(scope="module")
def task(synthetic_store):
    return make_task(synthetic_store, "synthetic/findings", test_folds=["9", "10"])


def test_crops_are_those_of_the_record_cut_by_hand(model, task):
    row = int(task.test.rows[0])
    found = crop_probabilities(model, task.store, task.test.rows[:1])[0]
    windows = windows_of(
        task.store.record(row), model.preprocessing, Windowing(window_s=2.5, stride_s=1.25)
    )
    expected = model.logits(collate(windows, model.preprocessing)).sigmoid()
    assert len(found) == 3  # five seconds: from 0, 1.25 and 2.5 s
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_helme_stands_beside_the_right_way_with_its_quirks_named(model, task):
    result = run_protocol("legacy", model, task, LegacyConfig(style="helme", n_resamples=10))
    names = [each.name for each in result.conditions]
    assert names[0].startswith("this package")
    assert result.conditions[0].metrics["macro_auroc"] == result.metrics["macro_auroc"]
    assert "crops of 2.5 s, the largest probability" in names
    for quirk in ("largest of crops", "rejecting bootstrap"):
        assert any(note.startswith(quirk) for note in result.notes)
    crops = crop_probabilities(model, task.store, task.test.rows)
    largest, target = np.stack([each.max(axis=0) for each in crops]), task.test.target
    defined = [k for k in range(target.shape[1]) if 0 < target[:, k].sum() < len(target)]
    expected = roc_auc_score(target[:, defined], largest[:, defined], average="macro")
    assert result.conditions[1].metrics["macro_auroc"].value == pytest.approx(expected)


def test_merl_with_tables_scores_by_name_and_by_position_side_by_side(
    model, task, tmp_path, monkeypatch
):
    classes = task.label_set.classes
    ids = range(len(task.test))
    labels = dict(zip(classes, task.test.target.T, strict=True))
    turned = [*classes[1:], classes[0]]
    folder = write_tables(tmp_path / "findings", classes, turned, labels, ids)
    # The tables number records; the store of this test names them by subject.
    numbered = np.array([f"synthetic/{i}" for i in ids], dtype=object)
    rows = task.test.rows
    known = task.store.record_ids.copy()
    known[rows] = numbered
    monkeypatch.setitem(task.store.__dict__, "record_ids", known)
    result = run_protocol("legacy", model, task, LegacyConfig(tables=folder))
    by_name = {each.name: each.metrics["macro_auroc"].value for each in result.conditions}
    undefined = len(result.excluded_classes)
    share = (len(classes) - undefined) / len(classes)
    expected = result.metrics["macro_auroc"].value * share
    assert by_name["columns by name, logits"] == pytest.approx(expected)
    assert by_name["columns by position, logits"] != pytest.approx(expected)
    assert any(note.startswith("positional columns") for note in result.notes)


def test_without_tables_nothing_is_read_by_position(model, task):
    result = run_protocol("legacy", model, task)
    assert not any("position" in each.name for each in result.conditions)
    assert not any(note.startswith("positional") for note in result.notes)


def test_a_leak_and_a_single_label_set_are_refused_here_too(model, synthetic_store):
    seen = make_task(synthetic_store, "synthetic/findings", test_folds=["7"])
    with pytest.raises(LeakError):
        run_protocol("legacy", model, seen)
    single = make_task(synthetic_store, "synthetic/rhythm", test_folds=["9"])
    with pytest.raises(MedtsError, match="single-label"):
        run_protocol("legacy", model, single)
