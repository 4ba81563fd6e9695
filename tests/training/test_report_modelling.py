"""Report language model: from a store to a folder that can be read again, and resumed."""

import pytest
from running import run

from medts.cli.main import main
from medts.core.errors import ConfigError, LeakError, StoreError
from medts.data.splits import take_part
from medts.nn.frozen_lm import FrozenLM
from medts.nn.language_model import load_language_model, random_language_model
from medts.nn.settings import TextConfig
from medts.recipes import find_recipe
from medts.training.folder import trace
from medts.training.report_modelling import seen_by

FOLDS = {"train_folds": ["1", "2", "3"], "val_folds": ["8"]}


@pytest.fixture(scope="module")
def small_encoder(tmp_path_factory):
    """Folder of an untrained encoder that reads characters."""
    folder = tmp_path_factory.mktemp("encoder")
    made = random_language_model("bert", layers=1, dim=32, heads=2, vocabulary_size=128)
    made.model.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def trained(synthetic_store, small_encoder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report_lm") / "run"
    recipe = recipe_of(small_encoder)
    return run(recipe, synthetic_store, out=out, **FOLDS)


def recipe_of(folder):
    """The smallest recipe, started from a folder."""
    recipe = find_recipe("report_lm_test")
    return recipe.but(encoder__text=TextConfig(name=folder), objective__max_tokens=48)


def test_the_folder_is_a_language_model_that_reads_texts(trained, small_encoder):
    found = load_language_model(str(trained))
    assert found.digest != load_language_model(small_encoder).digest
    vectors = FrozenLM(found).encode(["sinus rhythm.", "atrial fibrillation."])
    assert vectors.shape == (2, 32)


def test_it_says_whose_reports_it_has_seen_and_how_well_it_foresees_others(
    trained, synthetic_store
):
    provenance = seen_by(trained)
    rows = synthetic_store.select(["1", "2", "3", "8"])
    assert provenance.seen[0].subjects == tuple(sorted(set(synthetic_store.subject_ids[rows])))
    chosen = provenance.selection
    assert chosen["perplexity_after"] < chosen["perplexity_before"]
    assert chosen["perplexity_before"] == pytest.approx(128, rel=0.15)
    n_new = chosen["n_new_reports"]
    if n_new:
        of_new = chosen["perplexity_after_of_new_reports"]
        assert of_new < chosen["perplexity_before_of_new_reports"]
    reports = provenance.settings["reports"]
    assert n_new <= reports["validation"]["n_distinct"]
    assert chosen["head_was_fresh"] == 1
    assert provenance.splits["train"]["folds"] == ["1", "2", "3"]
    assert provenance.synthetic
    assert len(provenance.data_digest) == len(provenance.init_digest) == 64
    account = reports["train"]
    assert account["languages"]["en"] >= 0.9 * account["n_records"]
    n_accounted = sum(account["languages"].values()) + sum(account["excluded"].values())
    assert n_accounted == account["n_records"] == 30
    with pytest.raises(StoreError, match=r"no provenance\.json"):
        seen_by(trained.parent)


def test_who_a_text_encoder_has_read_of_counts_as_seen_by_what_is_built_on_it(
    trained, synthetic_store
):
    fold_4, fold_5 = (take_part(synthetic_store, "synthetic/rhythm", [f]) for f in ("4", "5"))
    melp = find_recipe("melp_test")
    plain = trace(synthetic_store, fold_4, fold_5, melp)["seen"][0].subjects
    reads = melp.but(encoder=melp.encoder.but(text=TextConfig(name=str(trained))))
    seen = trace(synthetic_store, fold_4, fold_5, reads)["seen"][0].subjects
    assert set(seen) == {*plain, *seen_by(trained).seen[0].subjects}
    assert len(seen) > len(plain)


def test_a_finished_run_is_not_run_again_and_another_one_is_refused(
    trained, synthetic_store, small_encoder
):
    recipe = recipe_of(small_encoder)
    before = (trained / "model.safetensors").stat().st_mtime_ns
    assert run(recipe, synthetic_store, out=trained.parent, **FOLDS) == trained
    assert (trained / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match="holds another run: seed"):
        run(recipe, synthetic_store, out=trained.parent, seed=1, **FOLDS)


def test_a_killed_run_goes_on_and_ends_where_it_would_have(
    trained, synthetic_store, small_encoder, tmp_path
):
    recipe = recipe_of(small_encoder)
    out = tmp_path / "run"
    run(recipe, synthetic_store, out=out, **FOLDS)
    (out / "model" / "provenance.json").unlink()
    again = run(recipe, synthetic_store, out=out, **FOLDS)
    assert seen_by(again).selection == seen_by(trained).selection


def test_shared_subjects_and_missing_reports_are_refused(synthetic_store, small_encoder, tmp_path):
    recipe = recipe_of(small_encoder)
    with pytest.raises(LeakError):
        run(recipe, synthetic_store, out=tmp_path, **{**FOLDS, "val_folds": ["3"]})
    reports = recipe.preprocessing.reports.but(min_words=500)
    strict = recipe.but(preprocessing=recipe.preprocessing.but(reports=reports))
    with pytest.raises(StoreError, match="has a usable report"):
        run(strict, synthetic_store, out=tmp_path, **FOLDS)
    with pytest.raises(ValueError, match="monitor must be 'loss'"):
        recipe.but(training=recipe.training.but(monitor="score"))


def test_the_verb_trains_and_prints_the_perplexity(
    synthetic_store, small_encoder, tmp_path, capsys
):
    arguments = ["train", "report_lm_test", "--data", str(synthetic_store.paths[0])]
    arguments += ["--out", str(tmp_path / "run"), "--encoder.text.name", small_encoder]
    arguments += ["--train-folds", "1-2", "--val-folds", "8", "--training.epochs", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "perplexity of hidden words on validation" in printed
    assert "with a fresh head" in printed
    assert (tmp_path / "run" / "model" / "config.json").is_file()
    assert main(["train", "report_lmm", "--out", "x"]) == 2
    assert "Did you mean 'report_lm'" in capsys.readouterr().err
