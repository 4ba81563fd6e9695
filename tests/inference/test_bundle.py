import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from medts.core.errors import BundleError
from medts.inference.bundle import bundle_digest, load_bundle


@pytest.fixture
def folder(tiny_run, tmp_path):
    return shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")


def test_a_bundle_is_a_folder_of_open_formats(folder):
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "config.json", "preprocessor_config.json", "labels.json",
        "provenance.json", "expected_output.json", "README.md",
    }  # fmt: skip


def test_saving_what_was_loaded_gives_the_same_files(folder, tmp_path):
    load_bundle(folder).save(tmp_path / "again")
    assert bundle_digest(folder) == bundle_digest(tmp_path / "again")


def test_a_run_folder_stands_for_its_bundle(tiny_run):
    assert bundle_digest(tiny_run) == bundle_digest(tiny_run / "bundle")


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "preprocessor_config.json", "labels.json", "expected_output.json"],
)
def test_without_any_of_its_files_it_does_not_load(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: file is missing"):
        load_bundle(folder)


def test_altered_weights_are_noticed(folder):
    weights = load_file(folder / "model.safetensors")
    weights["encoder.stem.0.conv.weight"] = weights["encoder.stem.0.conv.weight"] * 1.5
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(BundleError, match="does not give its expected output"):
        load_bundle(folder)


def test_weights_of_another_shape_are_refused(folder):
    weights = load_file(folder / "model.safetensors")
    weights["head.layers.2.weight"] = torch.zeros(1, 1)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(BundleError, match="weights do not fit the config"):
        load_bundle(folder)


def test_another_version_is_refused(folder):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(BundleError, match="version 99 is not 1"):
        load_bundle(folder)


@pytest.mark.parametrize("version", [1, 99, None])
def test_preprocessing_of_another_version_is_refused(folder, version):
    path = folder / "preprocessor_config.json"
    content = {**json.loads(path.read_text()), "version": version}
    if version is None:  # as written before versions were
        del content["version"]
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=rf"version {version or 1} is not.*Train the model again"):
        load_bundle(folder)


def test_malformed_settings_name_the_file_and_the_field(folder):
    path = folder / "preprocessor_config.json"
    content = json.loads(path.read_text())
    content["streams"]["ecg"]["sampling_rate"] = -5
    path.write_text(json.dumps(content))
    with pytest.raises(
        BundleError, match=r"preprocessor_config.json: malformed(.|\n)*sampling_rate"
    ):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "expected_output.json"])
@pytest.mark.parametrize("content", ["", "{}"])
def test_damaged_files_are_named(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(BundleError, match=f"{name}: malformed"):
        load_bundle(folder)


def test_a_folder_without_a_bundle_says_what_to_do(tmp_path):
    with pytest.raises(BundleError, match=r"no bundle here.*medts train"):
        load_bundle(tmp_path)


def test_the_card_says_what_it_reads_and_that_it_is_synthetic(folder):
    card = (folder / "README.md").read_text()
    assert "synthetic" in card
    assert "not a medical device" in card
    assert "aVR" in card
    assert "100 Hz" in card


def test_no_subject_is_named_anywhere(folder, synthetic_store):
    text = "".join(path.read_text() for path in folder.glob("*.json"))
    assert not any(subject in text for subject in set(synthetic_store.subject_ids))


def test_the_expected_output_is_of_the_loaded_model(folder):
    content = json.loads((folder / "expected_output.json").read_text())
    assert np.asarray(content["output"]).shape == (2, 12)
