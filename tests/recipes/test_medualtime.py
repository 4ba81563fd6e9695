"""MedualTime from recipe to bundle: small files, the right model, and what variants change."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from running import run
from safetensors.torch import load_file

from medts.core.errors import MedtsError
from medts.data.reports import prepare
from medts.data.windowing import windows_of
from medts.data.windows import collate
from medts.inference.bundle import load_bundle
from medts.inference.predictor import load
from medts.nn.frozen_lm import original
from medts.nn.language_model import random_language_model
from medts.recipes import find_recipe
from research.tables import find_suite


def test_a_bundle_holds_adapters_and_the_digest_of_the_language_model(medualtime_run):
    bundle = load_bundle(medualtime_run)
    weights = load_file(medualtime_run / "bundle" / "model.safetensors")
    assert "encoder.language_model.digest" in weights
    assert not any("wte" in name or "c_attn" in name for name in weights)
    n_frozen = sum(each.numel() for each in bundle.encoder.language_model.model.parameters())
    assert n_frozen > sum(each.numel() for each in weights.values())
    assert bundle.config.encoder.language_model.name == "random-tiny-gpt2"


def with_language_model(run, name, copy):
    """Copies a bundle and names another language model in it."""
    shutil.copytree(run / "bundle", copy)
    content = json.loads((copy / "manifest.json").read_text())
    content["model"]["encoder"]["language_model"]["name"] = name
    (copy / "manifest.json").write_text(json.dumps(content))
    return copy


def test_a_bundle_with_another_language_model_under_it_does_not_load(medualtime_run, tmp_path):
    for name, message in (("random-tiny-bert", "digest"), ("not/here", "Name 'minilm'")):
        copy = with_language_model(medualtime_run, name, tmp_path / name.replace("/", "-"))
        with pytest.raises(MedtsError, match=message):
            load_bundle(copy)


def test_a_language_model_of_the_same_shape_with_other_weights_is_refused(medualtime_run, tmp_path):
    shape = {"kind": "gpt2", "layers": 3, "dim": 32, "heads": 4, "vocabulary_size": 128}
    copies = {}
    for seed in (0, 1):
        made, folder = random_language_model(**shape, seed=seed), tmp_path / f"model-{seed}"
        made.model.save_pretrained(folder)
        made.tokenizer.save_pretrained(folder)
        copies[seed] = with_language_model(medualtime_run, str(folder), tmp_path / f"bundle-{seed}")
    assert (
        load_bundle(copies[0]).encoder.language_model.sha256 == original("random-tiny-gpt2").digest
    )
    with pytest.raises(MedtsError, match="trained on a language model with digest"):
        load_bundle(copies[1])


def test_a_recording_is_answered_with_and_without_its_report(medualtime_run, synthetic_store):
    model, record = load(medualtime_run), synthetic_store.record(3)
    found = model.predict(record).probability
    other = model.predict(replace(record, report="complete left bundle branch block")).probability
    mute = model.predict(replace(record, report=None)).probability
    for each in (found, other, mute):
        assert np.isfinite(list(each.values())).all()
    assert found != other
    assert found != mute


def test_a_report_of_ten_thousand_words_is_read_up_to_what_fits(medualtime_run, synthetic_store):
    model, record = load(medualtime_run), synthetic_store.record(3)
    long = "sinus rhythm. " * 5_000
    with pytest.warns(UserWarning, match="1 of 1 texts are longer than the 512 tokens"):
        found = model.predict(replace(record, report=long)).probability
    assert found != model.predict(replace(record, report=None)).probability
    settings = model.bundle.preprocessing.reports
    assert prepare([long], settings).n_cut == 1
    first = " ".join(long.split()[: settings.max_words])
    assert found == model.predict(replace(record, report=first)).probability


def test_a_constant_text_takes_the_place_of_every_report(synthetic_store, tmp_path):
    recipe = find_recipe("medualtime_test").but(
        preprocessing__reports__stands_in="report", training__epochs=1
    )
    run(
        recipe,
        synthetic_store,
        labels="synthetic/findings",
        train_folds=["1", "2"],
        val_folds=["8"],
        out=tmp_path,
    )
    model, record = load(tmp_path), synthetic_store.record(3)
    found = model.predict(record).probability
    for text in ("complete left bundle branch block", None, ""):
        assert model.predict(replace(record, report=text)).probability == found
    (example, *_) = windows_of(record, recipe.preprocessing, recipe.windowing)
    assert example.text == "report."
    passes = model.bundle.encoder(collate([example], recipe.preprocessing))
    assert passes.intermediates["passes"].has_text.all(), "the text pass hears of the signal"


def test_the_headline_and_its_late_fusion_train_what_they_say():
    methods = {each.name: each for each in find_suite("medualtime").methods}
    headline = methods["medualtime_small_redacted"]
    assert (headline.kind, headline.protocol) == ("finetune", "text_controls")
    kept = {each.name for each in methods.values() if each.is_kept}
    assert {each.name for each in methods["late_fusion_redacted"].fused} <= kept
    assert {"medualtime_small_signal_only", "medualtime_small_unadapted_redacted"} <= set(methods)


def test_the_recipe_of_the_paper_has_its_settings():
    encoder = find_recipe("medualtime_paper").encoder
    assert (encoder.language_model.name, encoder.text_encoder.name) == (
        "gpt2",
        "medicalai/ClinicalBERT",
    )
    assert (encoder.n_adapted, encoder.n_tokens, encoder.patch) == (11, 5, 25)
    assert (encoder.conv_widths, encoder.conv_kernels) == ((64, 128, 128), (7, 5, 3))
    assert (encoder.is_gate_shared, encoder.is_message_normed) == (True, False)
    objective = find_recipe("medualtime_pretraining").objective
    assert (objective.noise, objective.temperature, objective.alignment) == (0.5, 0.1, 0.1)


def test_pretraining_ends_in_an_encoder_that_embeds(synthetic_store, tmp_path):
    run(
        find_recipe("medualtime_pretraining_test"),
        synthetic_store,
        train_folds=["1", "2", "3"],
        val_folds=["8"],
        out=tmp_path,
    )
    history = json.loads((tmp_path / "history.json").read_text())
    assert [each["train_alignment"] for each in history] == pytest.approx([0.0, 0.1])
    bundle = load_bundle(tmp_path)
    assert bundle.head is None
    assert bundle.provenance.selection["loss"] > 0
