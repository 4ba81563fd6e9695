import numpy as np
import pytest
from sklearn.metrics import r2_score

import medts
from medts.core.errors import ConfigError, MedtsError
from medts.data.sources.synthetic import synthetic_record
from medts.inference.bundle import load_bundle
from medts.recipes import find_recipe
from medts.targets import read_classes
from medts.training.settings import Training

RECIPE = find_recipe("xresnet1d_test").but(
    training=Training(epochs=20, batch_size=16, monitor="loss")
)


@pytest.fixture(scope="module")
def records():
    return [
        synthetic_record(rhythm=rhythm, duration_s=5.0, seed=seed, subject_id=f"{rhythm}-{seed}")
        for seed in range(24)
        for rhythm in ("SBRAD", "STACH")
    ]


@pytest.fixture(scope="module")
def labels():
    return ["slow", "fast"] * 24


def test_records_are_learnt_and_predicted(records, labels):
    model = medts.Classifier(RECIPE).fit(records, labels)
    assert model.classes_.tolist() == ["fast", "slow"]
    probability = model.predict_proba(records)
    assert probability.shape == (48, 2)
    assert np.allclose(probability.sum(axis=1), 1.0, atol=1e-6)
    assert model.score(records, labels) > 0.9


def test_arrays_give_what_their_records_give(records, labels):
    stream = records[0].streams["ecg"]
    arrays = np.stack([np.nan_to_num(record.streams["ecg"].signal) for record in records])
    model = medts.Classifier(
        RECIPE, sampling_rate=stream.sampling_rate, channels=stream.channels, unit="mV"
    )
    groups = [record.subject_id for record in records]
    assert model.fit(arrays, labels, groups=groups).score(arrays, labels) > 0.9
    in_uv = medts.Classifier(RECIPE).fit(
        arrays * 1000, labels, groups=groups,
        sampling_rate=stream.sampling_rate, channels=stream.channels, unit="uV",
    )  # fmt: skip
    assert np.allclose(
        model.predict_proba(arrays[:3]), in_uv.predict_proba(arrays[:3] * 1000), atol=1e-3
    )


def test_several_labels_may_hold(records):
    rows = np.array([[1, 0], [0, 1]] * 24)
    model = medts.Classifier(RECIPE).fit(records, rows)
    assert model.predict(records).shape == (48, 2)
    assert set(np.unique(model.predict(records))) <= {0, 1}
    named = medts.Classifier(RECIPE).fit(records, [["slow"], ["fast", "regular"]] * 24)
    assert named.classes_.tolist() == ["fast", "regular", "slow"]


def test_a_store_is_learnt_by_its_folds(synthetic_store):
    model = medts.Classifier("xresnet1d_test").fit(
        synthetic_store, label_set="synthetic/rhythm",
        train_folds=["1", "2", "3"], val_folds=["8", "9"],
    )  # fmt: skip
    assert model.predict_proba(synthetic_store).shape == (100, 6)
    with pytest.raises(ConfigError, match="needs label_set="):
        medts.Classifier("xresnet1d_test").fit(synthetic_store)


def test_no_subject_both_trains_and_chooses(records, labels, tmp_path):
    groups = [number // 4 for number in range(48)]
    medts.Classifier(RECIPE, folder=tmp_path).fit(records, labels, groups=groups)
    splits = load_bundle(tmp_path).provenance.splits
    parts = [splits[name] for name in ("train", "validation")]
    assert sum(part["n_subjects"] for part in parts) == 12
    assert [part["n_records"] for part in parts] == [4 * part["n_subjects"] for part in parts]


def test_what_is_missing_or_does_not_fit_is_named(records, labels):
    arrays = np.zeros((48, 12, 500))
    with pytest.raises(ConfigError, match="needs sampling_rate, channels, unit"):
        medts.Classifier(RECIPE).fit(arrays, labels)
    with pytest.raises(ConfigError, match="48 records but 3 labels"):
        medts.Classifier(RECIPE).fit(records, labels[:3])
    with pytest.raises(ConfigError, match="there is only one"):
        medts.Classifier(RECIPE).fit(records, labels, groups=["one"] * 48)


def test_it_has_the_parameters_that_scikit_learn_clones():
    from sklearn.base import clone

    model = clone(medts.Classifier("xresnet1d_test", seed=4))
    assert model.get_params()["seed"] == 4


def test_numbers_are_learnt_and_predicted_in_their_unit(records):
    rng = np.random.default_rng(0)
    y = 1000 + 50 * rng.normal(size=len(records))
    model = medts.Regressor(RECIPE).fit(records, y)
    found = model.predict(records)
    assert found.shape == y.shape
    assert 800 < found.mean() < 1200
    assert model.score(records, y) == pytest.approx(r2_score(y, found))
    both = medts.Regressor(RECIPE).fit(records, np.stack([y, np.where(y > 1000, np.nan, 1)], 1))
    assert both.predict(records).shape == (len(records), 2)
    assert np.isfinite(both.predict(records[0])).all()


def test_numbers_of_a_store_are_learnt_by_its_folds(synthetic_store):
    model = medts.Regressor(RECIPE).fit(
        synthetic_store, label_set="synthetic/rate", train_folds=("1", "2"), val_folds=("8",)
    )
    assert model.predict(synthetic_store).shape == (len(synthetic_store),)
    with pytest.raises(MedtsError, match="has numbers"):
        medts.Classifier(RECIPE).fit(synthetic_store, label_set="synthetic/rate")
    with pytest.raises(MedtsError, match="has classes"):
        medts.Regressor(RECIPE).fit(synthetic_store, label_set="synthetic/rhythm")


def test_what_is_no_number_is_refused(records):
    with pytest.raises(MedtsError, match="not every target is a number"):
        medts.Regressor(RECIPE).fit(records, ["a"] * len(records))
    with pytest.raises(MedtsError, match="shape"):
        medts.Regressor(RECIPE).fit(records, np.full(len(records), np.inf))


def test_several_labels_of_a_record_may_be_numbers(records):
    model = medts.Classifier(RECIPE).fit(records[:24], [[0], [1], [0, 1], [1]] * 6)
    assert model.classes_.tolist() == [0, 1]
    assert model.predict_proba(records[:2]).shape == (2, 2)


def test_targets_are_read_in_every_form_of_the_ecosystem():
    pd, sparse, torch = (pytest.importorskip(n) for n in ("pandas", "scipy.sparse", "torch"))
    rows = np.array([[1, 0], [1, 1], [0, 1]])
    held = [("0",), ("0", "1"), ("1",)]
    for several in (rows, rows.tolist(), rows.astype(bool), sparse.csr_matrix(rows)):
        assert read_classes(several).labels == held
        assert read_classes(several).label_set.kind == "multi"
    frame = pd.DataFrame(rows, columns=["AF", "PVC"], index=[7, 8, 9])
    assert read_classes(frame).labels == [("AF",), ("AF", "PVC"), ("PVC",)]
    lists = read_classes([["SR"], ["SR", "AFIB"], []])
    assert (lists.values, lists.labels[2]) == (["AFIB", "SR"], ())
    names = ["a", "b", "a"]
    for one in (names, np.array(names)[:, None], pd.Series(names, index=[5, 6, 7]),
                pd.DataFrame({"y": names}), pd.Series(names, dtype="category")):  # fmt: skip
        assert read_classes(one).labels == [("a",), ("b",), ("a",)]
        assert read_classes(one).label_set.kind == "single"
    assert read_classes(torch.tensor([10, 2, 10])).values == [2, 10]


@pytest.mark.parametrize(
    "y",
    [
        ["a", "b", None],
        np.array([0.0, 1.0, np.nan]),
        [["a"], ["a", "b"], [None]],
        np.array([[1, 0], [1, 1], [np.nan, 1]]),
    ],
)
def test_a_missing_label_is_no_class(y):
    with pytest.raises(ConfigError, match="row 2") as refused:
        read_classes(y)
    assert refused.value.field == "y"


def test_lists_of_labels_are_scored_as_their_rows(records):
    several = [["slow"], ["slow", "fast"]] * 24
    model = medts.Classifier(RECIPE.but(training__epochs=1)).fit(records, several)
    predicted = model.predict(records)
    rows = np.array([[0, 1], [1, 1]] * 24)
    assert model.score(records, several) == pytest.approx((predicted == rows).all(axis=1).mean())
    with pytest.raises(ConfigError, match="other"):
        model.score(records[:1], [["other"]])


def test_validation_subjects_hold_the_rarer_class():
    subjects = [f"s{n}" for n in range(20)]
    targets = read_classes(["rare" if n < 4 else "common" for n in range(20)])
    for seed in range(20):
        folds = medts.Classifier(seed=seed)._folds(subjects, targets)
        assert {folds[n] for n in range(4)} == {"train", "validation"}


def test_nothing_to_fit_is_refused():
    empty = np.zeros((0, 1, 100), dtype=np.float32)
    model = medts.Classifier(RECIPE, sampling_rate=100, channels=["I"], unit="mV")
    with pytest.raises(ConfigError) as refused:
        model.fit(empty, [])
    assert refused.value.field == "X"
