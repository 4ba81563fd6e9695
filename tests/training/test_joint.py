import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import running

from medts.core.errors import ConfigError, LeakError, MedtsError, UnknownNameError
from medts.core.labels import LabelSet
from medts.data.splits import Split, Subsample
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest
from medts.inference.predictor import load
from medts.inference.stored import predict_store
from medts.models.settings.heads import MatchingHeadConfig
from medts.recipes import find_recipe
from medts.recipes.classify import matching
from medts.training.material import find_material

RHYTHM, MORPHOLOGY = "synthetic/rhythm", "synthetic/morphology"
NEW = LabelSet(name="my/question", classes=("slow", "fast"), kind="single")


def again(store, out, **changes):
    settings = {"labels": (RHYTHM, MORPHOLOGY), "recipe": "xresnet1d_matching_test", **changes}
    return running.run(settings.pop("recipe"), store, out=out, **settings)


@pytest.fixture
def bundle(joint_run):
    return load_bundle(joint_run)


def test_one_bundle_predicts_every_label_set(bundle, synthetic_store):
    assert tuple(bundle.label_sets) == (RHYTHM, MORPHOLOGY)
    assert bundle.label_set.name == RHYTHM
    rhythm = predict_store(bundle, synthetic_store, [0, 1])
    morphology = predict_store(bundle, synthetic_store, [0, 1], label_set=MORPHOLOGY)
    assert rhythm.shape == (2, len(bundle.label_sets[RHYTHM]))
    np.testing.assert_allclose(rhythm.sum(axis=1), 1, atol=1e-5)
    assert morphology.shape == (2, len(bundle.label_sets[MORPHOLOGY]))


def test_every_label_set_has_its_own_operating_points_and_shares(bundle):
    morphology = bundle.label_sets[MORPHOLOGY]
    assert bundle.thresholds() == bundle.thresholds(RHYTHM) == {}
    assert bundle.thresholds(MORPHOLOGY).keys() == set(morphology.classes)
    assert bundle.prevalence(MORPHOLOGY).keys() == set(morphology.classes)
    assert bundle.prevalence().keys() == set(bundle.label_set.classes)


def test_the_bundle_says_its_language_model_and_keeps_the_vectors(bundle):
    text = bundle.config.text
    assert (text.digest, text.dim) == ("random", 384)
    texts = [text for each in bundle.label_sets.values() for text in each.texts()]
    assert set(texts) < set(bundle.head.texts)
    assert bundle.head.vectors.norm(dim=1).min() > 0.99


def test_what_was_predicted_before_saving_changes_no_file(bundle, joint_run, tmp_path):
    bundle.resolve(NEW)
    bundle.save(tmp_path / "again")
    assert bundle.digest() == bundle_digest(tmp_path / "again") == bundle_digest(joint_run)
    loaded = load_bundle(tmp_path / "again")
    assert loaded.label_set.name == RHYTHM
    assert loaded.provenance == bundle.provenance


def test_new_classes_are_predicted_by_their_words_when_given_as_a_value(bundle, synthetic_store):
    with pytest.raises(UnknownNameError, match="label set of this model 'my/question'"):
        bundle.resolve(NEW.name)
    assert predict_store(bundle, synthetic_store, [0], label_set=NEW).shape == (1, 2)
    assert bundle.thresholds(NEW) == bundle.prevalence(NEW) == {}


def test_a_set_of_the_same_name_with_other_classes_is_another_one(bundle):
    other = bundle.label_set.but(classes=("SR", "VT"), phrases={})
    assert bundle.resolve(other) == other
    assert bundle.thresholds(other) == bundle.prevalence(other) == {}


def test_a_set_with_the_classes_of_training_is_read_with_the_words_of_training(bundle):
    other_words = bundle.label_set.but(phrases={}, description="elsewhere")
    assert bundle.resolve(other_words) == bundle.label_set


def test_in_python_any_label_set_is_an_argument(joint_run, synthetic_store):
    model, record = load(joint_run), synthetic_store.record(0)
    answer = model.predict(record, NEW)
    assert answer.probability.keys() == {"slow", "fast"}
    assert len(answer.stated) == 1
    found = model.predict(record, NEW.but(name="my/multi", kind="multi"))
    assert found.stated == ()
    assert {each.decision for each in found.classes.values()} == {None}
    assert model.predict(record).label_set == RHYTHM


def test_one_model_serves_threads_with_different_label_sets(joint_run, synthetic_store):
    records = [synthetic_store.record(row) for row in range(6)]
    new = [NEW.but(name=f"my/set-{k}", classes=(f"one {k}", f"two {k}")) for k in range(8)]
    label_sets = [RHYTHM, MORPHOLOGY, *new] * 2
    model, alone = load(joint_run), load(joint_run)
    expected = [[alone.predict(r, each).classes for r in records] for each in label_sets]

    def predict(label_set):
        return [model.predict(record, label_set).classes for record in records]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predict, label_sets)) == expected


def test_a_model_with_a_fixed_list_of_classes_predicts_no_other(tiny_run):
    bundle = load_bundle(tiny_run)
    assert bundle.resolve("synthetic/findings") == bundle.label_set
    with pytest.raises(ConfigError, match="its classes are fixed"):
        bundle.resolve(NEW)
    turned = bundle.label_set.but(classes=bundle.label_set.classes[::-1])
    with pytest.raises(ConfigError, match="its classes are fixed"):
        bundle.resolve(turned)


def test_another_language_model_than_in_training_is_refused(bundle):
    bundle.config = bundle.config.but(text=bundle.config.text.but(digest="f" * 64))
    with pytest.raises(MedtsError, match="other weights than in training"):
        bundle.resolve(NEW)


def test_training_moved_the_weights_and_chose_by_the_mean_score_of_the_sets(bundle, joint_run):
    history = json.loads((joint_run / "history.json").read_text())
    assert set(bundle.provenance.selection) == {"epoch", "score"}
    best = max(row["validation_score"] for row in history)
    assert bundle.provenance.selection["score"] == pytest.approx(best)
    losses = [row["train_loss"] for row in history]
    # The full rate of these three epochs raises the loss before it falls.
    assert losses[-1] < max(losses)


def test_a_finished_run_is_not_trained_again_and_another_is_refused(joint_run, synthetic_store):
    before = bundle_digest(joint_run)
    assert again(synthetic_store, joint_run) == joint_run / "bundle"
    assert bundle_digest(joint_run) == before
    with pytest.raises(ConfigError, match="another run: labels"):
        again(synthetic_store, joint_run, labels=(RHYTHM,))


def test_a_recipe_with_fixed_classes_is_refused(synthetic_store, tmp_path):
    with pytest.raises(ConfigError, match="a head with a fixed list of classes"):
        again(synthetic_store, tmp_path, recipe=find_recipe("xresnet1d_test"))


@pytest.mark.parametrize("names", [(), (RHYTHM, RHYTHM)])
def test_no_label_set_and_one_named_twice_are_refused(synthetic_store, tmp_path, names):
    with pytest.raises(ValueError, match=r"learns from labels|named twice"):
        again(synthetic_store, tmp_path, labels=names)


def test_folds_that_a_corpus_lacks_are_named(synthetic_store, tmp_path):
    with pytest.raises(ConfigError, match="train_folds: synthetic has none of the folds train"):
        again(synthetic_store, tmp_path, train_folds=["train"])


def test_a_subject_that_trains_in_one_set_may_not_choose_in_another(synthetic_store):
    def material(split):
        return find_material(
            find_recipe("xresnet1d_matching_test"), synthetic_store, labels=(RHYTHM, MORPHOLOGY),
            split=split, subsample=Subsample(), shuffle_labels=False, seed=0,
        )  # fmt: skip

    assert len(material(Split(train="1", validation="8")).train) <= 20
    with pytest.raises(LeakError, match="are in both train and validation"):
        material(Split(train="1,8", validation="8"))


def test_any_recipe_becomes_one_with_a_matching_head():
    for name in ("xresnet1d", "ecg_nat", "dlinear"):
        recipe = matching(find_recipe(name))
        assert recipe.name == f"{name}_matching"
        assert isinstance(recipe.head, MatchingHeadConfig)
        assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe


def test_a_matching_head_and_its_objective_need_each_other():
    recipe = find_recipe("xresnet1d_test")
    with pytest.raises(ValueError, match="need each other"):
        recipe.but(head=MatchingHeadConfig())
