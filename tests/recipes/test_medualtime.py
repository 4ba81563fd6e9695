"""MedualTime from recipe to bundle: small files, the right trunk, and what variants change."""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file

from medts.core.errors import MedtsError
from medts.inference.bundle import load_bundle
from medts.inference.predictor import load
from medts.recipes import find_pretraining, find_recipe
from medts.recipes.pretrain import pretrain

VARIANTS = {
    "medualtime_signal_pass": {"passes"},
    "medualtime_text_pass": {"passes"},
    "medualtime_unadapted": {"n_adapted"},
    "medualtime_gated": {"fusion"},
    "medualtime_concatenated": {"fusion"},
    "medualtime_signal_only": {"reads"},
    "medualtime_text_only": {"reads"},
    "medualtime_random_trunk": {"trunk"},
    "medualtime_trained_trunk": {"is_trunk_trained"},
}


def test_a_bundle_holds_adapters_and_the_digest_of_the_trunk(medualtime_run):
    bundle = load_bundle(medualtime_run)
    weights = load_file(medualtime_run / "bundle" / "model.safetensors")
    assert "encoder.trunk.checked.digest" in weights
    assert not any("wte" in name or "c_attn" in name for name in weights)
    n_frozen = sum(each.numel() for each in bundle.encoder.trunk.model.parameters())
    assert n_frozen > sum(each.numel() for each in weights.values())
    assert bundle.config.encoder.trunk.name == "random-tiny-gpt2"


def test_a_bundle_with_another_trunk_under_it_does_not_load(medualtime_run, tmp_path):
    config = medualtime_run / "bundle" / "config.json"
    for name, message in (("random-tiny-bert", "digest"), ("not/here", "Name 'minilm'")):
        copy = tmp_path / name.replace("/", "-")
        copy.mkdir()
        for file in config.parent.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        content = json.loads(config.read_text())
        content["encoder"]["trunk"]["name"] = name
        (copy / "config.json").write_text(json.dumps(content))
        with pytest.raises(MedtsError, match=message):
            load_bundle(copy)


def test_a_recording_is_answered_with_and_without_its_report(medualtime_run, synthetic_store):
    model, record = load(medualtime_run), synthetic_store.record(3)
    found = model.predict(record).probability
    other = model.predict(replace(record, report="complete left bundle branch block")).probability
    mute = model.predict(replace(record, report=None)).probability
    for each in (found, other, mute):
        assert np.isfinite(list(each.values())).all()
    assert found != other
    assert found != mute


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_a_variant_changes_only_what_it_names(name):
    base, variant = find_recipe("medualtime"), find_recipe(name)
    changed = {
        field
        for field in type(base.encoder).model_fields
        if getattr(base.encoder, field) != getattr(variant.encoder, field)
    }
    assert changed == VARIANTS[name]


def test_the_recipe_of_the_paper_has_its_settings():
    encoder = find_recipe("medualtime_paper").encoder
    assert (encoder.trunk.name, encoder.text_encoder.name) == ("gpt2", "medicalai/ClinicalBERT")
    assert (encoder.n_adapted, encoder.n_tokens, encoder.patch) == (11, 5, 25)
    assert (encoder.conv_widths, encoder.conv_kernels) == ((64, 128, 128), (7, 5, 3))
    assert (encoder.is_gate_shared, encoder.is_message_normed) == (True, False)
    objective = find_pretraining("medualtime").objective
    assert (objective.noise, objective.temperature, objective.alignment) == (0.5, 0.1, 0.1)


def test_pretraining_ends_in_an_encoder_that_embeds(synthetic_store, tmp_path):
    pretrain(
        find_pretraining("medualtime_test"),
        synthetic_store,
        train_folds=["1", "2", "3"],
        val_folds=["8"],
        out=tmp_path,
        show_progress=False,
    )
    bundle = load_bundle(tmp_path)
    assert bundle.head is None
    assert bundle.provenance.selection["loss"] > 0
