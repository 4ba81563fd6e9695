"""The same numbers without torch: export, and prediction where torch cannot be imported."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import medts
from medts.core.errors import BundleError, ConfigError
from medts.formats import FORMATS
from medts.inference.bundle import load_bundle
from medts.inference.export import export_onnx
from medts.inference.folder import bundle_digest, read_manifest
from medts.inference.manifest import TemperatureScaling
from medts.inference.onnx_backend import OnnxBackend

WITHOUT_TORCH = """
import json, sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("no torch here", name="torch")

sys.meta_path.insert(0, NoTorch())
import medts
model = medts.load(sys.argv[1])
answer = model.predict(sys.argv[2])
embedding = model.embed(sys.argv[2])
assert "torch" not in sys.modules
print(json.dumps({
    "answer": answer.as_json(),
    "embedding": embedding.tolist(),
    "label_sets": list(model.label_sets),
    "card": model.card,
}))
"""


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "bundle"
    shutil.copytree(tiny_run / "bundle", folder)
    export_onnx(load_bundle(folder), folder)
    return folder


@pytest.fixture(scope="module")
def light(exported, tmp_path_factory):
    """The same bundle without its weights for torch."""
    folder = tmp_path_factory.mktemp("light") / "bundle"
    shutil.copytree(exported, folder)
    (folder / "model.safetensors").unlink()
    return folder


@pytest.fixture(scope="module")
def files(synthetic_store, tmp_path_factory):
    folder, record = tmp_path_factory.mktemp("files"), synthetic_store.record(5)
    FORMATS["wfdb"].write(record, folder / "ecg.hea")
    return folder


def test_a_graph_leaves_the_digest_and_the_torch_weights_as_they_were(exported, tiny_run):
    assert set(read_manifest(exported).artifacts) == {"safetensors", "onnx"}
    assert bundle_digest(exported) == bundle_digest(tiny_run)
    assert medts.load(exported).bundle.digest() == bundle_digest(tiny_run)


def test_a_graph_gives_the_numbers_of_torch_for_any_number_of_windows(
    light, tiny_run, synthetic_store
):
    model, graph = medts.load(tiny_run), medts.load(light)
    assert isinstance(graph.backend, OnnxBackend)
    for row in range(4):
        record = synthetic_store.record(row)
        expected, found = model.predict(record), graph.predict(record)
        np.testing.assert_allclose(
            list(found.probability.values()), list(expected.probability.values()), atol=1e-5
        )
        assert found.model == expected.model
        assert found.recording == expected.recording
        np.testing.assert_allclose(graph.embed(record), model.embed(record), atol=1e-5)
    assert graph.facts.digest == bundle_digest(tiny_run)


def test_a_gap_in_one_channel_is_the_same_to_graph_and_torch(light, tiny_run, synthetic_store):
    model, graph = medts.load(tiny_run), medts.load(light)
    record = synthetic_store.record(2)
    whole = graph.embed(record)
    record.streams["ecg"].signal[3, 600:1200] = np.nan
    np.testing.assert_allclose(graph.embed(record), model.embed(record), atol=1e-5)
    assert np.abs(graph.embed(record) - whole).max() > 1e-3


def test_a_file_is_predicted_in_a_process_where_torch_cannot_be_imported(light, tiny_run, files):
    asked = [sys.executable, "-c", WITHOUT_TORCH, str(light), str(files / "ecg.hea")]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, model = json.loads(done.stdout), medts.load(tiny_run)
    expected = model.predict(files / "ecg.hea")
    for name, each in found["answer"]["classes"].items():
        assert each["probability"] == pytest.approx(expected.probability[name], abs=1e-5)
        assert each["threshold"] == expected.classes[name].threshold
    np.testing.assert_allclose(found["embedding"], model.embed(files / "ecg.hea"), atol=1e-5)
    assert found["label_sets"] == ["synthetic/findings"]
    assert found["card"] == model.card


def test_weights_for_torch_alone_say_what_to_install_where_it_is_not(tiny_run, monkeypatch):
    monkeypatch.setattr("medts.inference.predictor.has_torch", lambda: False)
    with pytest.raises(BundleError, match=r"torch alone.*pip install 'medts\[train\]'"):
        medts.load(tiny_run)


def test_a_graph_has_one_device_one_arithmetic_and_one_label_set(light):
    for changes in ({"device": "cuda:0"}, {"precision": "bf16"}):
        with pytest.raises(ConfigError, match=f"{next(iter(changes))}: .*needs torch"):
            medts.load(light, **changes)
    model = medts.load(light, device="cpu")
    own = model.label_sets["synthetic/findings"]
    assert model.backend.resolve(own) == own
    with pytest.raises(ConfigError, match="its classes are fixed"):
        model.backend.resolve(own.but(name="my/other"))
    with pytest.raises(BundleError, match="computed by onnxruntime"):
        _ = model.bundle


def test_a_graph_is_calibrated_and_thresholded_as_torch_is(exported, synthetic_store, tmp_path):
    bundle = load_bundle(exported)
    bundle.labels = bundle.labels.but(calibration=TemperatureScaling(temperature=3.0))
    folder = bundle.save(tmp_path / "bundle")
    export_onnx(bundle, folder)
    record = synthetic_store.record(2)
    expected, plain = medts.load(folder).predict(record), medts.load(exported).predict(record)
    (folder / "model.safetensors").unlink()
    found = medts.load(folder).predict(record)
    values = [list(each.probability.values()) for each in (found, expected, plain)]
    np.testing.assert_allclose(values[0], values[1], atol=1e-5)
    assert np.abs(np.array(values[0]) - values[2]).max() > 0.01
    assert found.stated == expected.stated


def test_altered_graphs_are_refused(light, tmp_path):
    folder = shutil.copytree(light, tmp_path / "bundle")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match=r"model.onnx: has changed since"):
        medts.load(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleError, match="no file with weights"):
        medts.load(folder)


def test_what_has_no_graph_is_refused_and_leaves_the_folder_as_it_was(
    joint_run, tiny_run, tmp_path
):
    folder = shutil.copytree(joint_run / "bundle", tmp_path / "bundle")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(ConfigError, match="cannot be exported to ONNX: its head is not linear"):
        export_onnx(load_bundle(folder), folder)
    with pytest.raises(ConfigError, match="the folder holds another bundle"):
        export_onnx(load_bundle(tiny_run), folder)
    assert (folder / "manifest.json").read_bytes() == before
    assert not (folder / "model.onnx").exists()


def test_a_graph_that_differs_from_torch_is_not_kept(tiny_run, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")
    honest = OnnxBackend.pooled
    monkeypatch.setattr(OnnxBackend, "pooled", lambda *a: honest(*a) + 1e-3)
    with pytest.raises(ConfigError, match="the graph differs from torch by"):
        export_onnx(load_bundle(folder), folder)
    assert not (folder / "model.onnx").exists()
    assert set(read_manifest(folder).artifacts) == {"safetensors"}


def test_a_network_that_cannot_be_translated_is_refused_by_its_first_cause(
    tiny_run, tmp_path, monkeypatch
):
    folder = shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")

    def fail(*_, **__):
        try:
            raise ValueError("no operator for this\nand more")
        except ValueError as error:
            raise RuntimeError("step 1 of 3") from error

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(ConfigError, match=r"a xresnet1d .*: no operator for this\. Predict with"):
        export_onnx(load_bundle(folder), folder)


def test_a_graph_of_one_number_of_windows_is_not_kept(tiny_run, tmp_path, monkeypatch):
    folder = shutil.copytree(tiny_run / "bundle", tmp_path / "bundle")

    def refuse(*_):
        raise RuntimeError("Got invalid dimensions for input")

    monkeypatch.setattr(OnnxBackend, "_run", refuse)
    with pytest.raises(ConfigError, match="one number of windows alone"):
        export_onnx(load_bundle(folder), folder)
    assert not (folder / "model.onnx").exists()
