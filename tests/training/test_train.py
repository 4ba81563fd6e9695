import json
import shutil

import numpy as np
import pytest
import running
import torch

from medts.core.errors import ConfigError, LeakError, MedtsError
from medts.data.splits import Split, Subsample
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest
from medts.recipes import find_recipe
from medts.training.material import find_material
from medts.training.module import TrainingModule
from medts.training.settings import Training

LABELS = "synthetic/findings"
FOLDS = {"train_folds": ["1", "2", "3"], "val_folds": ["8", "9"]}


def run(store, out, recipe=None, **changes):
    return running.run(
        recipe or "xresnet1d_test", store, out=out, **{"labels": LABELS, **FOLDS, **changes}
    )


def material(store, *, shuffle_labels=False, **few):
    return find_material(
        find_recipe("xresnet1d_test"), store, labels=(LABELS,), seed=0,
        split=Split(train="1-3", validation="8"), subsample=Subsample(**few),
        shuffle_labels=shuffle_labels,
    )  # fmt: skip


def test_a_run_leaves_everything_that_made_it(tiny_run):
    asked = json.loads((tiny_run / "run.json").read_text())
    assert asked["split"]["train"] == [str(fold) for fold in range(1, 8)]
    assert asked["recipe"]["name"] == "xresnet1d_test"
    assert {"medts", "torch", "numpy"} <= asked["versions"].keys()
    assert (tiny_run / "log" / "metrics.csv").is_file()
    history = json.loads((tiny_run / "history.json").read_text())
    assert [row["epoch"] for row in history] == [0, 1, 2]
    assert {"train_loss", "validation_loss", "validation_score"} <= history[0].keys()


def test_the_bundle_remembers_its_splits_and_chose_thresholds_on_validation(tiny_run):
    bundle = load_bundle(tiny_run)
    assert bundle.provenance.splits["validation"]["folds"] == ["8"]
    assert bundle.provenance.synthetic
    points = bundle.labels.operating_points
    assert points.keys() == set(bundle.label_set.classes)
    assert all(point.split == "validation: synthetic 8" for point in points.values())


def test_the_same_seed_gives_the_same_model_and_another_seed_another(synthetic_store, tmp_path):
    digests = [
        bundle_digest(run(synthetic_store, tmp_path / str(number), seed=seed))
        for number, seed in enumerate([1, 1, 2])
    ]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_a_killed_run_goes_on_from_its_last_epoch(synthetic_store, tmp_path, monkeypatch):
    recipe = find_recipe("xresnet1d_test").but(training=Training(epochs=4, batch_size=16))

    class KilledError(Exception):
        pass

    step = TrainingModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2:
            raise KilledError
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", die)
        with pytest.raises(KilledError):
            run(synthetic_store, tmp_path / "killed", recipe)
    assert not (tmp_path / "killed" / "bundle").exists()
    run(synthetic_store, tmp_path / "killed", recipe)
    history = json.loads((tmp_path / "killed" / "history.json").read_text())
    assert [row["epoch"] for row in history] == [0, 1, 2, 3]
    table = (tmp_path / "killed" / "log" / "metrics.csv").read_text().splitlines()
    assert len(table) == 5
    assert "validation_score" in table[0]


def test_few_records_are_not_validated_more_often(synthetic_store, tmp_path):
    recipe = find_recipe("xresnet1d_test").but(
        training=Training(epochs=2, batch_size=16, min_updates=12)
    )
    run(synthetic_store, tmp_path / "run", recipe, label_fraction=16)
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(history) == 12
    assert [row["epoch"] for row in history if "validation_score" in row] == [5, 11]


def test_time_that_ends_before_a_validation_leaves_a_model_and_more_time_goes_on(
    synthetic_store, tmp_path
):
    def train(minutes):
        training = Training(epochs=1, batch_size=16, min_updates=12, max_minutes=minutes)
        recipe = find_recipe("xresnet1d_test").but(training=training)
        bundle = run(synthetic_store, tmp_path / "run", recipe, label_fraction=16)
        return bundle_digest(bundle), json.loads((tmp_path / "run" / "history.json").read_text())

    first, history = train(1e-5)
    assert "validation_score" in history[-1]
    assert len(history) < 12
    assert train(1e-5)[0] == first
    longer, history = train(5)
    assert len(history) == 12
    assert longer != first


def test_batches_may_be_prepared_by_other_processes(synthetic_store, tmp_path):
    recipe = find_recipe("xresnet1d_test").but(
        training=Training(epochs=1, batch_size=16, n_workers=1)
    )
    assert load_bundle(run(synthetic_store, tmp_path / "run", recipe)).head is not None


def test_a_finished_run_is_not_repeated_and_another_is_not_mixed_in(
    tiny_run, synthetic_store, tmp_path
):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    folds = {"train_folds": [str(fold) for fold in range(1, 8)], "val_folds": ["8"]}
    before = (copy / "bundle" / "model.safetensors").stat().st_mtime_ns
    run(synthetic_store, copy, **folds)
    assert (copy / "bundle" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds another run: seed differ"):
        run(synthetic_store, copy, **folds, seed=5)
    recipe = find_recipe("xresnet1d_test")
    faster = recipe.but(training=recipe.training.but(learning_rate=0.5))
    with pytest.raises(ConfigError, match=r"another run: recipe\.training\.learning_rate differ"):
        run(synthetic_store, copy, faster, **folds)
    with pytest.raises(ConfigError, match=r"encoder\.kind.* and \d+ more differ"):
        run(synthetic_store, copy, find_recipe("sparseformer_test"), **folds)


def test_a_run_of_an_earlier_version_lacks_settings_and_is_still_known(
    tiny_run, synthetic_store, tmp_path
):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    asked = json.loads((copy / "run.json").read_text())
    assert asked["recipe"]["training"].pop("layer_decay") == 1.0
    (copy / "run.json").write_text(json.dumps(asked))
    folds = {"train_folds": [str(fold) for fold in range(1, 8)], "val_folds": ["8"]}
    assert run(synthetic_store, copy, **folds) == copy / "bundle"


def test_folds_that_share_subjects_are_refused(synthetic_store, tmp_path):
    with pytest.raises(LeakError, match="subjects are in both"):
        run(synthetic_store, tmp_path / "run", train_folds=["1", "8"])


def test_fewer_labels_are_nested_and_another_draw_is_another(synthetic_store):
    def rows(fraction, draw=0):
        return set(material(synthetic_store, fraction=fraction, seed=draw).train.rows)

    assert rows(0.3) < rows(0.6) < rows(1.0)
    assert len(rows(9)) == 9
    assert rows(9) != rows(9, draw=1)


def test_shuffled_labels_keep_their_counts_and_lose_their_records(synthetic_store):
    plain, shuffled = material(synthetic_store), material(synthetic_store, shuffle_labels=True)
    assert np.array_equal(plain.train.target.sum(axis=0), shuffled.train.target.sum(axis=0))
    assert not np.array_equal(plain.train.target, shuffled.train.target)
    assert not np.array_equal(plain.validation.target, shuffled.validation.target)
    assert np.array_equal(plain.validation.rows, shuffled.validation.rows)


def test_a_run_may_start_from_a_bundle_of_the_same_shape_only(tiny_run, synthetic_store, tmp_path):
    recipe = find_recipe("xresnet1d_test").but(training=Training(epochs=1, learning_rate=1e-9))
    started = run(synthetic_store, tmp_path / "started", recipe, init=tiny_run)
    weights = load_bundle(started).encoder.state_dict()
    given = load_bundle(tiny_run).encoder.state_dict()
    name = "stem.0.conv.weight"
    assert torch.allclose(weights[name], given[name], atol=1e-4)
    assert set(load_bundle(tiny_run).provenance.seen[0].subjects) <= set(
        load_bundle(started).provenance.seen[0].subjects
    )
    other = recipe.but(encoder=recipe.encoder.but(width=32))
    with pytest.raises(ConfigError, match="another shape"):
        run(synthetic_store, tmp_path / "other", other, init=tiny_run)


def test_a_loss_that_is_no_number_ends_the_run_with_advice(synthetic_store, tmp_path):
    recipe = find_recipe("xresnet1d_test").but(
        training=Training(epochs=3, batch_size=16, learning_rate=1e18, gradient_clip=0)
    )
    with pytest.raises(MedtsError, match=r"Lower --training.learning-rate"):
        run(synthetic_store, tmp_path / "run", recipe)


@pytest.mark.parametrize(
    ("field", "value"), [("scale", 1.0), ("low_hz", 1.0), ("filter", "butterworth")]
)
def test_a_start_that_read_signals_prepared_in_another_way_is_refused(
    tiny_run, synthetic_store, tmp_path, field, value
):
    recipe = find_recipe("xresnet1d_test")
    ecg = recipe.preprocessing.streams["ecg"].but(**{field: value})
    other = recipe.but(preprocessing=recipe.preprocessing.but(streams={"ecg": ecg}))
    with pytest.raises(ConfigError, match=f"prepared in another way.*{field}"):
        run(synthetic_store, tmp_path / "run", other, init=tiny_run)
    assert not (tmp_path / "run").exists()


def test_a_start_that_read_its_leads_in_another_order_is_refused(
    tiny_run, synthetic_store, tmp_path
):
    recipe = find_recipe("xresnet1d_test")
    leads = recipe.encoder.channels[::-1]
    ecg = recipe.preprocessing.streams["ecg"].but(channels=leads)
    other = recipe.but(
        encoder=recipe.encoder.but(channels=leads),
        preprocessing=recipe.preprocessing.but(streams={"ecg": ecg}),
    )
    with pytest.raises(ConfigError, match=r"prepared in another way.*channels"):
        run(synthetic_store, tmp_path / "run", other, init=tiny_run)
