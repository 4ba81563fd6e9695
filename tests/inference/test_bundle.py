import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from medts.cli.main import main
from medts.core.errors import BundleError, UnknownNameError
from medts.core.montage import STANDARD_12_LEADS
from medts.inference.bundle import load_bundle
from medts.inference.folder import (
    bundle_digest,
    find_bundle,
    read_manifest,
    sha256_of,
    shipped_bundles,
)
from medts.inference.manifest import channels_of


@pytest.fixture
def folder(tiny_run, tmp_path):
    return shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")


def test_a_bundle_is_a_folder_of_open_formats(folder):
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json", "model.safetensors", "expected_output.json", "README.md",
    }  # fmt: skip


def test_saving_what_was_loaded_gives_the_same_files(folder, tmp_path):
    load_bundle(folder).save(tmp_path / "again")
    assert bundle_digest(folder) == bundle_digest(tmp_path / "again")


def test_a_run_folder_stands_for_its_bundle(tiny_run):
    assert bundle_digest(tiny_run) == bundle_digest(tiny_run / "bundle")


def edit(folder, change):
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def rewrite_weights(folder, **changes):
    """Changes weights, and the manifest along with them as if they had been written so."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file(
        {**weights, **{name: change(weights[name]) for name, change in changes.items()}}, path
    )
    edit(folder, lambda c: c["artifacts"]["safetensors"].update(sha256=sha256_of(path)))


@pytest.mark.parametrize("name", ["model.safetensors", "expected_output.json"])
def test_without_any_of_its_files_it_does_not_load(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: file is missing"):
        load_bundle(folder)


def test_weights_that_changed_after_writing_are_refused(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["encoder.stem.0.conv.weight"] = weights["encoder.stem.0.conv.weight"] * 1.5
    save_file(weights, path)
    with pytest.raises(BundleError, match=r"model.safetensors: has changed since"):
        load_bundle(folder)


def test_weights_that_do_not_give_the_expected_output_are_refused(folder):
    rewrite_weights(folder, **{"encoder.stem.0.conv.weight": lambda weight: weight * 1.5})
    with pytest.raises(BundleError, match="does not give its expected output"):
        load_bundle(folder)


def test_weights_of_another_shape_are_refused(folder):
    rewrite_weights(folder, **{"head.layers.2.weight": lambda _: torch.zeros(1, 1)})
    with pytest.raises(BundleError, match="weights do not fit the settings"):
        load_bundle(folder)


def test_another_version_is_refused(folder):
    edit(folder, lambda content: content.update(format_version=99))
    with pytest.raises(BundleError, match="format_version: version 99 is not 2"):
        load_bundle(folder)


@pytest.mark.parametrize("version", [1, 99, None])
def test_preprocessing_of_another_version_is_refused(folder, version):
    edit(folder, lambda content: content["preprocessing"].update(version=version))
    with pytest.raises(BundleError, match=rf"version {version} is not.*Train the model again"):
        load_bundle(folder)


def test_a_bundle_of_format_1_is_refused_with_what_to_do(tmp_path):
    for name in ("config.json", "preprocessor_config.json", "labels.json", "provenance.json"):
        (tmp_path / name).write_text('{"format_version": 1}')
    with pytest.raises(BundleError, match=r"a bundle of format 1, not 2\. Train it again"):
        load_bundle(tmp_path)
    assert main(["info", str(tmp_path)]) == 2


def test_malformed_settings_name_the_file_and_the_field(folder):
    def change(content):
        content["preprocessing"]["streams"]["ecg"]["sampling_rate"] = -5

    edit(folder, change)
    with pytest.raises(BundleError, match=r"manifest.json: malformed.*streams.ecg.sampling_rate"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["manifest.json", "expected_output.json"])
@pytest.mark.parametrize("content", ["", "[]"])
def test_damaged_files_are_named(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(BundleError, match=f"{name}: malformed"):
        load_bundle(folder)


def test_weights_that_are_no_safetensors_are_named(folder):
    path = folder / "model.safetensors"
    path.write_text("{}")
    edit(folder, lambda content: content["artifacts"]["safetensors"].update(sha256=sha256_of(path)))
    with pytest.raises(BundleError, match=r"model\.safetensors: malformed"):
        load_bundle(folder)


def test_a_folder_without_a_bundle_says_what_to_do(tmp_path):
    with pytest.raises(BundleError, match=r"no bundle here.*`medts train`"):
        load_bundle(tmp_path)


def test_a_changed_threshold_changes_the_digest(folder):
    before = bundle_digest(folder)

    def change(content):
        next(iter(content["labels"]["operating_points"].values()))["threshold"] = 0.123

    edit(folder, change)
    assert bundle_digest(folder) != before


def test_the_manifest_names_channels_in_order_with_their_aliases(folder, synthetic_store):
    manifest = read_manifest(folder)
    assert [each.name for each in manifest.channels["ecg"]] == list(STANDARD_12_LEADS)
    spec = manifest.preprocessing.streams["ecg"].but(channels=("Fz", "T7"), modality="eeg")
    channels = channels_of(manifest.preprocessing.but(streams={"eeg": spec}))
    assert [each.aliases for each in channels["eeg"]] == [(), ("T3",)]


def test_it_says_what_it_has_seen_of_a_public_corpus_by_plain_ids(folder, synthetic_store):
    (seen,) = read_manifest(folder).seen
    assert (seen.corpus, seen.key_id) == ("synthetic", "")
    assert (seen.train, seen.validation) == (tuple("1234567"), ("8",))
    rows = synthetic_store.select([*"12345678"])
    assert set(seen.subjects) == set(synthetic_store.subject_ids[rows])


def test_a_foreign_encoder_is_named_with_its_package_and_missed_by_it(folder, monkeypatch):
    bundle = load_bundle(folder)
    monkeypatch.setattr("medts.inference.folder.package_of", lambda _: "somebodys-models")
    (needed, *_) = bundle.manifest().requires
    assert (needed.package, needed.noun, needed.kind) == (
        "somebodys-models",
        "encoder",
        "xresnet1d",
    )

    def change(content):
        content["requires"] = [
            {"package": "somebodys-models", "version": "0.3", "noun": "encoder", "kind": "gru"}
        ]
        content["model"]["encoder"]["kind"] = "gru"

    edit(folder, change)
    with pytest.raises(
        BundleError, match=r"encoder 'gru' comes from .* somebodys-models 0\.3.*pip"
    ):
        load_bundle(folder)


def test_a_name_is_looked_up_among_shipped_bundles_and_a_path_is_written_as_one(
    folder, monkeypatch
):
    monkeypatch.chdir(folder.parent)
    shipped = {"ecg": folder}
    monkeypatch.setattr("medts.inference.folder.shipped_bundles", lambda: shipped)
    assert find_bundle("ecg") == folder
    with pytest.raises(UnknownNameError, match="Did you mean 'ecg'"):
        find_bundle("ekg")
    with pytest.raises(BundleError, match=r"Write \./bundle for the folder"):
        find_bundle("bundle")
    for path in ("./bundle", str(folder), Path("bundle")):
        assert find_bundle(path).resolve() == folder.resolve()


def test_nothing_is_shipped_yet():
    assert shipped_bundles() == {}


def test_it_is_a_module_that_moves_and_keeps_its_digest(folder):
    bundle = load_bundle(folder)
    assert {name.split(".")[0] for name, _ in bundle.named_parameters()} == {"encoder", "head"}
    before = bundle.digest()
    assert bundle.double().digest() != before
    assert bundle.float().digest() == before
    assert bundle.to("meta").device.type == "meta"


def test_another_preprocessing_or_encoder_shares_weights_and_leaves_the_bundle_alone(folder):
    bundle = load_bundle(folder)
    encoder, preprocessing = bundle.encoder, bundle.preprocessing
    other = bundle.with_encoder(load_bundle(folder).encoder)
    changed = bundle.with_preprocessing(preprocessing.but(streams=preprocessing.streams))
    assert bundle.encoder is encoder is not other.encoder
    assert other.head is bundle.head
    assert changed.encoder is encoder
    assert bundle.preprocessing is preprocessing


def test_the_card_says_what_it_reads_and_that_it_is_synthetic(folder):
    card = (folder / "README.md").read_text()
    assert "synthetic" in card
    assert "not a medical device" in card
    assert "aVR" in card
    assert "100 Hz" in card


def test_the_expected_output_is_of_the_loaded_model(folder):
    content = json.loads((folder / "expected_output.json").read_text())
    assert np.asarray(content["output"]).shape == (2, 12)
