import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from medts.core.errors import MedtsError
from medts.nn.settings import TextConfig
from medts.nn.text import FrozenText, frozen_text, random_language_model

pytest.importorskip("transformers")

TEXTS = ("atrial fibrillation", "sinus rhythm", "left bundle branch block, complete")


@pytest.fixture(scope="module")
def bert():
    return random_language_model("bert", layers=2, dim=32, heads=2, vocabulary_size=128, seed=0)


@pytest.fixture(scope="module")
def gpt2():
    return random_language_model("gpt2", layers=1, dim=16, heads=2, vocabulary_size=128, seed=0)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_vector_is_the_normalised_mean_over_the_tokens_of_its_text(kind, request):
    model = request.getfixturevalue(kind)
    found = FrozenText(model).encode(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = model.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = model.model(input_ids=tokens["input_ids"]).last_hidden_state[0]
        torch.testing.assert_close(vector, F.normalize(states.mean(dim=0), dim=0))


def test_vectors_carry_no_gradient_and_the_model_stays_as_it_was(bert):
    before = {name: value.clone() for name, value in bert.model.state_dict().items()}
    assert not FrozenText(bert).encode(TEXTS).requires_grad
    assert all(torch.equal(before[name], value) for name, value in bert.model.state_dict().items())


def test_a_text_is_the_same_alone_and_among_others(bert):
    together = FrozenText(bert).encode([*TEXTS, "x " * 30])
    alone = torch.cat([FrozenText(bert).encode([text]) for text in TEXTS])
    torch.testing.assert_close(together[:3], alone, atol=1e-6, rtol=0)


def test_a_text_is_read_once(bert, monkeypatch):
    reader = FrozenText(bert)
    first = reader.encode([*TEXTS, TEXTS[0]])
    monkeypatch.setattr(type(bert.model), "forward", None)
    assert torch.equal(reader.encode(TEXTS[::-1]), first[:3].flip(0))
    assert torch.equal(first[0], first[3])


def test_a_folder_keeps_vectors_for_other_processes(bert, tmp_path, monkeypatch):
    first = FrozenText(bert, tmp_path).encode(TEXTS)
    FrozenText(bert, tmp_path).encode(["one more"])
    monkeypatch.setattr(type(bert.model), "forward", None)
    assert torch.equal(FrozenText(bert, tmp_path).encode([*TEXTS, "one more"])[:3], first)


def test_another_model_does_not_take_the_vectors_of_the_first(bert, tmp_path):
    FrozenText(bert, tmp_path).encode(TEXTS)
    other = random_language_model("bert", layers=2, dim=32, heads=2, vocabulary_size=128, seed=1)
    assert other.digest != bert.digest
    expected = FrozenText(other).encode(TEXTS)
    assert torch.equal(FrozenText(other, tmp_path).encode(TEXTS), expected)


def test_a_damaged_file_is_named(bert, tmp_path):
    FrozenText(bert, tmp_path).encode(TEXTS)
    (file,) = tmp_path.glob("*/*.safetensors")
    file.write_bytes(b"nothing")
    with pytest.raises(MedtsError, match=f"{file.name}: not a file of text vectors"):
        FrozenText(bert, tmp_path)


def test_what_was_cut_is_counted_and_said_also_by_who_finds_it_on_disk(bert, tmp_path):
    long = "a word " * 40
    for reader in (FrozenText(bert, tmp_path, max_tokens=16) for _ in range(2)):
        assert reader.truncation_note() == ""
        reader.encode(["short", long, long])
        assert reader.n_truncated == 1
        assert reader.truncation_note().startswith("1 of 2 texts are longer than 16 tokens")
        assert reader.n_cut(["short", long, long]) == 2


def test_only_the_first_tokens_count(bert):
    reader = FrozenText(bert, max_tokens=10)
    first, second = reader.encode(["12345678 tail", "12345678 another end"])
    assert torch.equal(first, second)


def test_a_limit_above_what_the_model_can_read_is_lowered(bert):
    assert FrozenText(bert, max_tokens=10_000).max_tokens == 512


def test_no_texts_give_no_vectors_and_empty_ones_are_refused(bert):
    assert FrozenText(bert).encode([]).shape == (0, 32)
    with pytest.raises(MedtsError, match="text 1 is empty"):
        FrozenText(bert).encode(["ok", " "])


def test_a_frozen_model_is_loaded_once_per_process(monkeypatch, bert):
    asked = []
    monkeypatch.setattr(
        "medts.nn.text.load_language_model", lambda name: asked.append(name) or bert
    )
    config = TextConfig(name="made-up", max_tokens=32)
    assert frozen_text(config) is frozen_text(TextConfig(name="made-up", max_tokens=32))
    assert asked == ["made-up"]
    assert frozen_text(config).max_tokens == 32


def test_importing_the_room_does_not_import_transformers():
    code = "import sys, medts.nn.text; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
