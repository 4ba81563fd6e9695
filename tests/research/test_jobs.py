from pathlib import Path

import numpy as np
import pytest
from medts.recipes.report_modelling import seen_by

from medts.core.errors import UnknownNameError
from medts.inference.bundle import load_bundle
from medts.inference.folder import bundle_digest
from research.job_models import job_recipe, shared_folders
from research.jobs import Outcome, run_job
from research.suites import Job, Method, Question, Taught

FOLDS = tuple(str(fold) for fold in range(1, 11))
ONCE = Question(
    corpus="synthetic", label_set="synthetic/findings",
    train_folds=FOLDS[:6], val_folds=("8",), test_folds=("9", "10"),
)  # fmt: skip
ROUNDS = ONCE.but(train_folds=FOLDS, val_folds=(), test_folds=(), n_rounds=3)
TINY = Method(name="tiny", kind="finetune", recipe="xresnet1d_test")
FEW = Method(
    name="few", kind="evaluate", recipe="xresnet1d_test", protocol="few_shot",
    settings={"controls": []},
    taught=Taught(label_sets=("synthetic/rhythm",), train_folds=FOLDS[:6], val_folds=("8",)),
)  # fmt: skip


@pytest.fixture
def run(synthetic_store, tmp_path):
    (tmp_path / "jobs").mkdir()

    def outcome(job, **changes):
        job = job.but(**changes)
        stores = tuple(str(path) for path in synthetic_store.paths)
        path = Path(run_job(job, stores, str(tmp_path)))
        return Outcome.model_validate_json(path.read_text())

    return outcome


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
    method = TINY.but(name="from", recipe="ecg_nat_test", pretraining="ecg_nat_test_pretraining")
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
    assert len(found.conditions) == 11  # ten episodes and their mean
    assert np.isclose(np.mean(found.resamples), found.metrics["macro_auroc"].value, atol=0.05)
    values = [each.metrics["macro_auroc"].value for each in found.conditions[1:]]
    assert found.spread == pytest.approx(np.var(values, ddof=1) / 10)
    (folder,) = shared_folders(job, tmp_path)
    made = (folder / "bundle" / "model.safetensors").stat().st_mtime_ns
    run(job, label_fraction=2)
    assert (folder / "bundle" / "model.safetensors").stat().st_mtime_ns == made


def test_answers_of_several_recipes_are_fused(run):
    method = Method(name="both", kind="late_fusion", fused=("xresnet1d_test", "ecg_nat_test"))
    found = run(Job(suite="s", method=method, question=ONCE, epochs_ratio=0.1))
    assert len(found.resamples) == 1000
    assert found.controls.keys() == {"majority", "label_shuffle"}


def test_what_is_left_without_modalities_is_kept_with_its_resamples(run):
    method = TINY.but(name="streams", recipe="crossl_test", protocol="missing_modalities")
    found = run(Job(suite="s", method=method, question=ROUNDS, epochs_ratio=0.1))
    assert found.share_kept.keys() == {"1", "2", "3"}
    assert all(len(drawn) == 1001 for drawn in found.share_kept.values())
    means = {each.n_missing: each for each in found.conditions if each.n_missing}
    for n, drawn in found.share_kept.items():
        assert drawn[0] == pytest.approx(means[int(n)].metrics["share_kept"].value, abs=1e-5)


def test_a_store_can_be_narrowed_to_some_corpora(synthetic_store):
    assert len(synthetic_store.only("synthetic")) == len(synthetic_store)
    with pytest.raises(UnknownNameError, match="sinthetic"):
        synthetic_store.only("sinthetic")


def test_a_model_that_is_also_fused_is_trained_once(run, tmp_path):
    alone = Job(suite="s", method=TINY.but(is_kept=True), question=ONCE, epochs_ratio=0.1)
    run(alone)
    (folder,) = shared_folders(alone, tmp_path)
    made = (folder / "bundle" / "model.safetensors").stat().st_mtime_ns
    fused = Method(name="both", kind="late_fusion", fused=("xresnet1d_test", "ecg_nat_test"))
    both = alone.but(method=fused)
    assert folder in shared_folders(both, tmp_path)
    run(both)
    assert (folder / "bundle" / "model.safetensors").stat().st_mtime_ns == made
    assert not (tmp_path / "runs").exists()


def test_the_first_of_the_models_to_be_fused_may_start_from_pretraining(run, tmp_path):
    fused = Method(
        name="both",
        kind="late_fusion",
        fused=("ecg_nat_test", "xresnet1d_test"),
        pretraining="ecg_nat_test_pretraining",
        minutes=5.0,  # of the first alone: the second is the same model as in a row of its own
    )
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
    ten_seconds = job.but(method=FEW.but(reads="sparseformer_small_whole_windows"))
    assert shared_folders(job, tmp_path) != shared_folders(ten_seconds, tmp_path)


def test_a_quick_suite_takes_its_share_of_epochs_and_of_least_updates():
    recipe = job_recipe(Job(suite="s", method=TINY, question=ONCE), "sparseformer_small")
    quick = Job(suite="s", method=TINY, question=ONCE, epochs_ratio=0.25)
    training = job_recipe(quick, "sparseformer_small").training
    assert (training.epochs, training.min_updates) == (5, 150)
    assert (recipe.training.epochs, recipe.training.min_updates) == (20, 600)


def test_on_a_small_corpus_a_recipe_that_names_no_updates_gets_those_of_the_suite():
    job = Job(suite="s", method=TINY, question=ONCE, min_updates=70)
    least = {
        name: job_recipe(job, name).training.min_updates
        for name in ("xresnet1d", "sparseformer_small")
    }
    assert least == {"xresnet1d": 70, "sparseformer_small": 600}


def test_a_row_of_many_runs_may_take_fewer_updates_unless_its_model_is_shared():
    job = Job(suite="s", method=TINY.but(updates=30), question=ONCE, min_updates=70)
    for name in ("xresnet1d", "sparseformer_small"):
        assert job_recipe(job, name).training.min_updates == 30
    with pytest.raises(ValueError, match="is shared"):
        FEW.but(updates=30)


def test_a_taught_model_answers_on_other_streams_with_the_same_weights(run, tmp_path):
    method = FEW.but(
        recipe="sparseformer_test", answers_on="sparseformer_small_one_lead",
        taught=FEW.taught.but(label_sets=("synthetic/rhythm",)),
    )  # fmt: skip
    shots = {"label_fraction": 3, "label_unit": "shots", "epochs_ratio": 0.1}
    job = Job(suite="s", method=method, question=ONCE, **shots)
    one_lead = run(job)
    assert len(one_lead.conditions) == 11
    every_lead = run(job, method=method.but(answers_on=""))
    assert len(list((tmp_path / "taught").iterdir())) == 1  # taught once
    assert one_lead.metrics["macro_auroc"].value != every_lead.metrics["macro_auroc"].value


def test_a_language_model_may_read_reports_first_and_what_was_noted_is_kept(run, tmp_path):
    method = Method(
        name="stage_1", kind="evaluate", pretraining="melp_test", report_lm="report_lm_test",
        learns_from=ONCE, protocol="zero_shot",
    )  # fmt: skip
    job = Job(suite="s", method=method, question=ONCE, label_fraction=0, epochs_ratio=0.1)
    found = run(job)
    assert any("NOT ZERO-SHOT" in note for note in found.notes)
    folders = shared_folders(job, tmp_path)
    assert len(folders) == 2
    bundle, reader = (load_bundle(folders[0]), seen_by(folders[1] / "model"))
    assert bundle.config.encoder.text.name == str((folders[1] / "model").resolve())
    assert set(reader.seen[0].subjects) <= set(bundle.provenance.seen[0].subjects)


def test_draws_of_a_protocol_with_episodes_share_none_of_them(run):
    job = Job(suite="s", method=FEW, question=ONCE, label_fraction=3, label_unit="shots",
              epochs_ratio=0.1)  # fmt: skip
    found = [{c.seed for c in run(job, draw=d).conditions if c.seed is not None} for d in (0, 1)]
    assert len(found[0]) >= 10
    assert not found[0] & found[1]
