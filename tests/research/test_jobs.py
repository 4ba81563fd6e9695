import numpy as np
import pytest

from medts.core.errors import UnknownNameError
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest
from medts.recipes import find_recipe
from medts.training.report_modelling import seen_by
from research.jobs import run_job
from research.models import job_recipe, settings_digest, shared_folders
from research.suites import Job, Method, Question, Start, Taught

FOLDS = tuple(str(fold) for fold in range(1, 11))
ONCE = Question(
    corpus="synthetic", label_set="synthetic/findings",
    train_folds=FOLDS[:6], val_folds=("8",), test_folds=("9", "10"),
)  # fmt: skip
ROUNDS = ONCE.but(train_folds=FOLDS, val_folds=(), test_folds=(), n_rounds=3)
TINY = Method(name="tiny", recipe="xresnet1d_test")
OTHER = Method(name="other", recipe="ecg_nat_test")
BOTH = Method(name="both", kind="late_fusion", fused=(TINY, OTHER))
FEW = Method(
    name="few", kind="evaluate", recipe="xresnet1d_test", protocol="few_shot",
    settings={"controls": []},
    taught=Taught(label_sets=("synthetic/rhythm",), train_folds=FOLDS[:6], val_folds=("8",)),
)  # fmt: skip


@pytest.fixture
def run(synthetic_store, tmp_path):
    def result(job, **changes):
        stores = tuple(str(path) for path in synthetic_store.paths)
        return run_job(job.but(**changes), stores, str(tmp_path), "commit")

    return result


def test_rounds_test_every_fold_once_and_never_train_on_what_they_test():
    question = ROUNDS.but(n_rounds=5)
    rounds = question.rounds()
    assert sorted(fold for each in rounds for fold in each.test_folds) == sorted(FOLDS)
    for each in rounds:
        parts = [set(each.train_folds), set(each.val_folds), set(each.test_folds)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(FOLDS)
    assert ONCE.rounds() == (ONCE,)


def test_cross_validation_scores_every_record_of_everyone_once(run, synthetic_store):
    job = Job(suite="s", method=TINY, question=ROUNDS, epochs_ratio=0.1)
    found = run(job)
    assert found.n_records == len(synthetic_store)
    assert found.n_subjects == len(set(synthetic_store.subject_ids))
    assert 0 < found.metrics["macro_auroc"].value < 1


def test_pretraining_is_made_anew_for_every_round(run, tmp_path):
    start = Start(recipe="ecg_nat_pretraining_test")
    method = TINY.but(name="from", recipe="ecg_nat_test", start=start)
    job = Job(suite="s", method=method, question=ROUNDS, epochs_ratio=0.1)
    run(job)
    folders = shared_folders(job, tmp_path)
    assert len(set(folders)) == 3
    assert all((folder / "bundle" / "manifest.json").is_file() for folder in folders)
    assert sorted(path.name for path in (tmp_path / "pretrained").iterdir()) == sorted(
        folder.name for folder in folders
    )


def test_a_method_taught_something_else_is_measured_by_a_protocol(run, tmp_path):
    job = Job(
        suite="s", method=FEW, question=ONCE, label_fraction=3, label_unit="shots", epochs_ratio=0.1
    )
    found = run(job)
    (mean,) = found.conditions.values()  # of ten episodes
    assert mean["macro_auroc"] == found.metrics["macro_auroc"]
    resampled = np.mean(found.resamples["", "macro_auroc"])
    assert np.isclose(resampled, found.metrics["macro_auroc"].value, atol=0.05)
    assert 0 < found.spread < 0.01
    (folder,) = shared_folders(job, tmp_path)
    made = (folder / "bundle" / "model.safetensors").stat().st_mtime_ns
    run(job, label_fraction=2)
    assert (folder / "bundle" / "model.safetensors").stat().st_mtime_ns == made


def test_answers_of_several_recipes_are_fused(run):
    found = run(Job(suite="s", method=BOTH, question=ONCE, epochs_ratio=0.1))
    assert len(found.resamples["", "macro_auroc"]) == 1000
    assert found.controls.keys() == {"majority", "label_shuffle"}


def test_what_is_left_without_modalities_is_kept_with_its_resamples(run):
    method = TINY.but(
        name="streams", recipe="crossl_ptb_xl_test", protocol="missing_modalities",
        overrides={"windowing.window_s": 4.0, "windowing.stride_s": 4.0},
    )  # fmt: skip
    found = run(Job(suite="s", method=method, question=ROUNDS, epochs_ratio=0.1))
    means = [name for name in found.conditions if name.endswith("of 4 missing")]
    assert len(means) == 3
    assert found.resamples.keys() == {
        ("", "macro_auroc"),
        *((name, "share_kept") for name in means),
    }
    for name in means:
        low, high = np.nanpercentile(
            np.array(found.resamples[name, "share_kept"], dtype=float), (5, 95)
        )
        assert low < found.conditions[name]["share_kept"].value < high


def test_a_store_can_be_narrowed_to_some_corpora(synthetic_store):
    assert len(synthetic_store.only("synthetic")) == len(synthetic_store)
    with pytest.raises(UnknownNameError, match="sinthetic"):
        synthetic_store.only("sinthetic")


def test_a_model_that_is_also_fused_is_trained_once(run, tmp_path):
    alone = Job(suite="s", method=TINY.but(is_kept=True), question=ONCE, epochs_ratio=0.1)
    run(alone)
    (folder,) = shared_folders(alone, tmp_path)
    made = (folder / "bundle" / "model.safetensors").stat().st_mtime_ns
    both = alone.but(method=BOTH)
    assert folder in shared_folders(both, tmp_path)
    run(both)
    assert (folder / "bundle" / "model.safetensors").stat().st_mtime_ns == made
    assert not (tmp_path / "runs").exists()


def test_the_first_of_the_models_to_be_fused_may_start_from_pretraining(run, tmp_path):
    first = OTHER.but(
        start=Start(recipe="ecg_nat_pretraining_test"), overrides={"training.max_minutes": 5.0}
    )
    fused = BOTH.but(fused=(first, TINY))
    job = Job(suite="s", method=fused, question=ONCE, epochs_ratio=0.1)
    run(job)
    pretrained, first, second = shared_folders(job, tmp_path)
    alone = job.but(method=TINY.but(is_kept=True))
    assert shared_folders(alone, tmp_path) == (second,)
    run(alone)
    starts = [load_bundle(each).provenance.init_digest for each in (first, second)]
    assert starts == [bundle_digest(pretrained / "bundle"), ""]


def test_a_dataset_that_is_left_out_is_not_among_what_is_taught():
    taught = Taught(label_sets=("a/x", "b/x", "ab/x"), train_folds=("1",), val_folds=("2",))
    question = ONCE.but(corpus="a", label_set="a/x")
    assert taught.sets_for(question) == ("a/x", "b/x", "ab/x")
    assert taught.but(spares_question=True).sets_for(question) == ("b/x", "ab/x")


def test_models_that_read_differently_while_they_are_taught_share_no_folder(tmp_path):
    job = Job(suite="s", method=FEW, question=ONCE)
    ten_seconds = job.but(method=FEW.but(reads="ecg_nat_test"))
    narrower = job.but(method=FEW.but(overrides={"encoder.width": 8}))
    folders = [shared_folders(each, tmp_path) for each in (job, ten_seconds, narrower)]
    assert len(set(folders)) == 3


def test_a_quick_suite_takes_its_share_of_epochs_and_of_least_updates():
    job = Job(suite="s", method=TINY.but(recipe="sparseformer_small"), question=ONCE)
    recipe, training = job_recipe(job), job_recipe(job.but(epochs_ratio=0.25)).training
    assert (training.epochs, training.min_updates) == (5, 150)
    assert (recipe.training.epochs, recipe.training.min_updates) == (20, 600)


def test_on_a_small_corpus_a_recipe_that_names_no_updates_gets_those_of_the_suite():
    job = Job(suite="s", method=TINY, question=ONCE, min_updates=70)
    least = {
        name: job_recipe(job.but(method=TINY.but(recipe=name))).training.min_updates
        for name in ("xresnet1d", "sparseformer_small")
    }
    assert least == {"xresnet1d": 70, "sparseformer_small": 600}


def test_overrides_of_training_come_before_the_budget_of_the_suite():
    stated = {"training.min_updates": 30, "training.max_minutes": 2.0}
    job = Job(suite="s", method=TINY.but(overrides=stated), question=ONCE, min_updates=70)
    for name in ("xresnet1d", "sparseformer_small"):
        training = job_recipe(job.but(method=job.method.but(recipe=name)), 0.5).training
        assert (training.min_updates, training.max_minutes) == (30, 2.0)
        assert training.learning_rate == find_recipe(name).training.learning_rate / 2


def test_a_digest_of_settings_changes_with_what_a_row_resolves_to():
    job = Job(suite="s", method=TINY, question=ONCE)
    others = [
        job.but(seed=1),
        job.but(method=TINY.but(overrides={"encoder.width": 8})),
        job.but(method=TINY.but(start=Start(recipe="simclr"))),
        job.but(method=BOTH),
    ]
    assert settings_digest(job.but(suite="other")) == settings_digest(job)
    assert len({settings_digest(each) for each in (job, *others)}) == 5


def test_a_taught_model_answers_on_other_streams_with_the_same_weights(run, tmp_path):
    method = FEW.but(
        recipe="sparseformer_test", tested_on="sparseformer_small_one_lead",
        taught=FEW.taught.but(label_sets=("synthetic/rhythm",)),
    )  # fmt: skip
    shots = {"label_fraction": 3, "label_unit": "shots", "epochs_ratio": 0.1}
    job = Job(suite="s", method=method, question=ONCE, **shots)
    one_lead = run(job)
    assert one_lead.conditions.keys() == {"3 shots"}
    every_lead = run(job, method=method.but(tested_on=""))
    assert len(list((tmp_path / "taught").iterdir())) == 1  # taught once
    assert one_lead.metrics["macro_auroc"].value != every_lead.metrics["macro_auroc"].value


def test_a_language_model_may_read_reports_first_and_what_was_noted_is_kept(run, tmp_path):
    method = Method(
        name="stage_1", kind="evaluate", protocol="zero_shot",
        start=Start(recipe="melp_test", report_lm="report_lm_test", folds_of=ONCE),
    )  # fmt: skip
    job = Job(suite="s", method=method, question=ONCE, label_fraction=0, epochs_ratio=0.1)
    found = run(job)
    assert "NOT ZERO-SHOT" in found.notes
    folders = shared_folders(job, tmp_path)
    assert len(folders) == 2
    bundle, reader = (load_bundle(folders[0]), seen_by(folders[1] / "model"))
    assert bundle.config.encoder.text.name == str((folders[1] / "model").resolve())
    assert set(reader.seen[0].subjects) <= set(bundle.provenance.seen[0].subjects)


def test_draws_of_a_protocol_share_no_episode(run):
    job = Job(suite="s", method=FEW, question=ONCE, label_fraction=3, label_unit="shots",
              epochs_ratio=0.1)  # fmt: skip
    few, more = (job.but(method=FEW.but(settings=FEW.settings | {"episodes": n})) for n in (10, 20))
    halves = [run(few, draw=draw).metrics["macro_auroc"].value for draw in (0, 1)]
    assert np.mean(halves) == pytest.approx(run(more).metrics["macro_auroc"].value)
