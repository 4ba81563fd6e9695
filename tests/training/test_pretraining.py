import numpy as np
import pytest
import running

from medts.core.errors import ConfigError, LeakError
from medts.inference.bundle import load_bundle
from medts.inference.stored import embed_store
from medts.recipes import find_recipe
from medts.training.material import balanced_weight
from medts.training.settings import Training

FOLDS = {"train_folds": ["1", "2", "3"], "val_folds": ["8"]}


@pytest.fixture(scope="module")
def pretrained(synthetic_store, tmp_path_factory):
    out = tmp_path_factory.mktemp("pretrained") / "run"
    return running.run(find_recipe("ecg_nat_pretraining_test"), synthetic_store, out=out, **FOLDS)


def test_an_encoder_without_head_becomes_a_bundle_that_embeds(pretrained, synthetic_store):
    bundle = load_bundle(pretrained)
    assert bundle.head is None
    assert bundle.labels.label_set is None
    embedding = embed_store(bundle, synthetic_store, [0, 5, 9])
    assert embedding.shape == (3, bundle.encoder.dim)
    assert np.isfinite(embedding).all()


def test_fine_tuning_starts_from_it_and_remembers_whom_it_saw(
    pretrained, synthetic_store, tmp_path
):
    recipe = find_recipe("ecg_nat_test").but(training=Training(epochs=1, batch_size=16))
    tuned = running.run(
        recipe, synthetic_store, labels="synthetic/rhythm", out=tmp_path / "run",
        init=pretrained, train_folds=["4"], val_folds=["9"],
    )  # fmt: skip
    seen = set(load_bundle(tuned).provenance.seen[0].subjects)
    assert set(load_bundle(pretrained).provenance.seen[0].subjects) < seen


def test_no_label_is_needed_and_none_is_looked_at(pretrained):
    provenance = load_bundle(pretrained).provenance
    assert provenance.selection.keys() == {"epoch", "loss"}
    assert provenance.prevalence == {}


def test_shared_subjects_and_another_run_are_refused(pretrained, synthetic_store, tmp_path):
    recipe = find_recipe("ecg_nat_pretraining_test")
    with pytest.raises(LeakError):
        running.run(recipe, synthetic_store, out=tmp_path, **{**FOLDS, "val_folds": ["3"]})
    with pytest.raises(ConfigError, match="holds another run: seed"):
        running.run(recipe, synthetic_store, out=pretrained.parent, seed=1, **FOLDS)


def test_corpora_are_drawn_between_their_numbers_of_people_and_alike():
    corpora = np.array(["large"] * 90 + ["small"] * 1000)
    subjects = np.array([f"person {i}" for i in range(90)] + ["one", "two"] * 500)

    def share(balance):
        weight = balanced_weight(corpora, subjects, balance)
        return weight[corpora == "small"].sum() / weight.sum()

    assert share(0.0) == pytest.approx(2 / 92)
    assert share(0.5) == pytest.approx(2**0.5 / (2**0.5 + 90**0.5))
    assert share(1.0) == pytest.approx(0.5)
