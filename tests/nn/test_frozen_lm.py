"""Frozen language models: block by block the plain model, each text once, never another model."""

import copy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from adapted import adapt, plain, tokens
from torch.nn import functional as F

from medts.core.errors import ConfigError, MedtsError
from medts.nn.adapters import attach, injecting
from medts.nn.blocks import visible
from medts.nn.frozen_lm import FrozenLM, shared_lm
from medts.nn.language_model import random_language_model
from medts.nn.poolers import mean_of_valid
from medts.nn.settings import TextConfig

pytest.importorskip("transformers")

TEXTS = ("atrial fibrillation", "sinus rhythm", "left bundle branch block, complete")


EACH = pytest.mark.parametrize("name", ["random-tiny-gpt2", "random-tiny-bert"])


def build(name, **settings):
    config = TextConfig(name=name, max_tokens=settings.pop("max_tokens", 128))
    return FrozenLM.load(config, **settings).eval()


@pytest.fixture(scope="module")
def bert():
    return random_language_model("bert", layers=2, dim=32, heads=2, vocabulary_size=128, seed=0)


@pytest.fixture(scope="module")
def gpt2():
    return random_language_model("gpt2", layers=1, dim=16, heads=2, vocabulary_size=128, seed=0)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_vector_is_the_normalised_mean_over_the_tokens_of_its_text(kind, request):
    model = request.getfixturevalue(kind)
    found = FrozenLM(model).encode(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        tokens = model.tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            states = model.model(input_ids=tokens["input_ids"]).last_hidden_state[0]
        torch.testing.assert_close(vector, F.normalize(states.mean(dim=0), dim=0))


def test_vectors_carry_no_gradient_and_the_model_stays_as_it_was(bert):
    before = {name: value.clone() for name, value in bert.model.state_dict().items()}
    assert not FrozenLM(bert).encode(TEXTS).requires_grad
    assert all(torch.equal(before[name], value) for name, value in bert.model.state_dict().items())


def test_a_text_is_the_same_alone_and_among_others(bert):
    together = FrozenLM(bert).encode([*TEXTS, "x " * 30])
    alone = torch.cat([FrozenLM(bert).encode([text]) for text in TEXTS])
    torch.testing.assert_close(together[:3], alone, atol=1e-6, rtol=0)


def test_a_text_is_read_once(bert, monkeypatch):
    reader = FrozenLM(bert)
    first = reader.encode([*TEXTS, TEXTS[0]])
    monkeypatch.setattr(type(bert.model), "forward", None)
    assert torch.equal(reader.encode(TEXTS[::-1]), first[:3].flip(0))
    assert torch.equal(first[0], first[3])


def test_texts_that_are_cut_are_counted(bert):
    long = "a word " * 40
    lm = FrozenLM(bert, max_tokens=16)
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 16 tokens"):
        lm.encode(["short", long, long])
    assert lm.n_cut(["short", long, long]) == 2


@pytest.mark.filterwarnings("ignore:.*texts are longer than")
def test_only_the_first_tokens_count(bert):
    reader = FrozenLM(bert, max_tokens=10)
    first, second = reader.encode(["12345678 tail", "12345678 another end"])
    assert torch.equal(first, second)


def test_a_limit_above_what_the_model_can_read_is_lowered(bert):
    assert FrozenLM(bert, max_tokens=10_000).max_tokens == 512


def test_no_texts_give_no_vectors_and_empty_ones_are_refused(bert):
    assert FrozenLM(bert).encode([]).shape == (0, 32)
    with pytest.raises(MedtsError, match="text 1 is empty"):
        FrozenLM(bert).encode(["ok", " "])


def test_a_frozen_model_is_loaded_once_per_process(monkeypatch, bert):
    asked = []
    monkeypatch.setattr(
        "medts.nn.frozen_lm.load_language_model", lambda name: asked.append(name) or bert
    )
    config = TextConfig(name="made-up", max_tokens=32)
    assert shared_lm(config) is shared_lm(TextConfig(name="made-up", max_tokens=32))
    assert asked == ["made-up"]
    assert shared_lm(config).max_tokens == 32


def test_importing_the_room_does_not_import_transformers():
    code = "import sys, medts.nn.frozen_lm; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@EACH
@torch.no_grad()
def test_blocks_run_one_by_one_are_the_model(name):
    lm = build(name)
    ids, is_valid = tokens()
    for seen in (is_valid, torch.ones_like(is_valid)):
        hidden = lm.embed(lm.look_up(ids))
        hidden = lm.run(lm.run(hidden, seen, 0, 1), seen, 1)
        hidden = lm.model.ln_f(hidden) if lm.is_causal else hidden
        assert torch.equal(hidden[seen], plain(lm, ids, seen)[seen])


def test_a_frozen_model_has_no_parameters_no_weights_to_save_and_no_dropout():
    lm = build("random-tiny-gpt2").train()
    assert list(lm.parameters()) == []
    assert list(lm.state_dict()) == ["digest"]
    assert lm.training
    assert not any(module.training for module in lm.model.modules())
    assert not any(each.requires_grad for each in lm.model.parameters())
    ids, is_valid = tokens()
    assert torch.equal(plain(lm, ids, is_valid), plain(lm, ids, is_valid))


def test_copies_share_weights_until_one_of_them_moves_away():
    first, second = build("random-tiny-bert"), build("random-tiny-bert")
    attach(second.model)
    here, there = first.blocks[0].output.dense.weight, second.blocks[0].output.dense.weight
    assert here is not there
    assert here.data_ptr() == there.data_ptr()
    first.to(torch.double)
    assert first.blocks[0].output.dense.weight.dtype == torch.double
    assert second.blocks[0].output.dense.weight.dtype == torch.float
    twin = copy.deepcopy(second)
    ids, is_valid = tokens()
    with injecting(adapt(second, 1.0), torch.zeros(3, 32)):
        assert torch.equal(plain(twin, ids, is_valid), plain(second, ids, is_valid))


def test_a_trained_model_is_all_there_and_leaves_the_original_alone():
    lm, other = build("random-tiny-gpt2"), build("random-tiny-gpt2")
    lm.unfreeze()
    n_blocks = sum(p.numel() for p in other.blocks.parameters())
    n_words = (128 + 1024) * 32
    assert sum(p.numel() for p in lm.parameters()) == n_blocks + n_words
    assert any(module.training for module in lm.train().model.modules())
    with torch.no_grad():
        lm.blocks[0].attn.c_attn.weight.add_(1.0)
    assert not torch.equal(lm.blocks[0].attn.c_attn.weight, other.blocks[0].attn.c_attn.weight)


def test_weights_for_another_model_are_refused():
    saved = build("random-tiny-gpt2").state_dict()
    build("random-tiny-gpt2").load_state_dict(saved)
    with pytest.raises(ConfigError, match="trained on a language model with digest"):
        build("random-tiny-bert").load_state_dict(saved)


def test_a_model_that_is_not_there_says_how_to_supply_it(tmp_path):
    with pytest.raises(MedtsError, match=r"(?s)nowhere.*folder with config.json"):
        build(str(tmp_path / "nowhere"))


def test_more_patches_than_positions_are_refused():
    with pytest.raises(MedtsError, match="600 tokens do not fit into the 512 positions"):
        build("random-tiny-bert").embed(torch.zeros(1, 600, 32))


@EACH
def test_texts_are_computed_once_and_forgotten_when_memory_ends(name):
    lm = build(name)
    texts = ["sinus rhythm", "normal ecg", "sinus rhythm"]
    hidden, is_valid = lm.states(texts, 2)
    assert lm.n_computed == 2
    assert torch.equal(hidden[0], hidden[2])
    again, _ = lm.states(texts[:1], 2)
    assert lm.n_computed == 2
    assert torch.equal(again[0], hidden[0, : again.shape[1]])
    ids = lm.tokenizer("normal ecg", return_tensors="pt")["input_ids"]
    alone = lm.run(lm.embed(lm.look_up(ids)), torch.ones_like(ids).bool(), 0, 2)
    torch.testing.assert_close(hidden[1][is_valid[1]], alone[0])

    size = hidden[0].numel() * 4
    small = build(name, cache_mib=1.5 * size / 2**20)
    for text in ("sinus rhythm", "sinus rhythm", "SINUS rhythm", "sinus rhythm"):
        small.states([text], 2)
    assert small.n_computed == 3
    assert torch.equal(build(name, cache_mib=0).states(texts, 2)[0], hidden)


@EACH
def test_what_is_kept_of_a_text_does_not_depend_on_what_is_read_with_it(name):
    texts = ["sinus rhythm", "normal ecg", "a much longer text than all of the others are"]
    together, alone = build(name), build(name)
    hidden, is_valid = together.states(texts, 2)
    for row, text in enumerate(texts):
        assert torch.equal(alone.states([text], 2)[0][0], hidden[row][is_valid[row]])


@EACH
@pytest.mark.parametrize("pool", ["mean", "first"])
def test_a_vector_is_kept_in_place_of_the_states_it_was_made_of(name, pool):
    reader, states = build(name), build(name)
    texts = ["sinus rhythm", "normal ecg", "sinus rhythm"]
    found = reader.vectors(texts, pool)
    hidden, is_valid = states.states(texts, reader.n_blocks)
    expected = hidden[:, 0] if pool == "first" else mean_of_valid(hidden, is_valid)
    assert torch.equal(found, expected)
    assert torch.equal(reader.vectors(texts[::-1], pool), found.flip(0))
    assert reader.n_computed == states.n_computed == 2
    (kept,) = reader._caches.values()
    assert {tuple(each.shape) for each in kept._kept.values()} == {(reader.dim,)}
    assert all(each.untyped_storage().nbytes() == each.nbytes for each in kept._kept.values())
    torch.testing.assert_close(reader.states(texts, reader.n_blocks)[0], hidden)


def test_what_is_kept_follows_the_model_to_another_precision():
    lm = build("random-tiny-bert")
    before = lm.vectors(["sinus rhythm"], "mean")
    after = lm.to(torch.double).vectors(["sinus rhythm"], "mean")
    assert (after.dtype, lm.n_computed) == (torch.double, 1)
    assert torch.equal(after.float(), before)


def test_threads_may_read_at_once_while_little_is_kept():
    texts = [f"report {number}" for number in range(8)]
    whole = build("random-tiny-bert")
    expected = torch.cat([whole.vectors([text], "mean") for text in texts])
    small = build("random-tiny-bert", cache_mib=3 * 32 * 4 / 2**20)
    with ThreadPoolExecutor(4) as pool:
        orders = [(8 * [text], text) for text in texts * 5]
        found = pool.map(lambda each: small.vectors(each[0], "mean")[0], orders)
        for (_, text), each in zip(orders, found, strict=True):
            torch.testing.assert_close(each, expected[texts.index(text)])
    (kept,) = small._caches.values()
    assert len(kept._kept) == 3
    assert kept._room == 0


def test_long_texts_are_cut_counted_and_warned_of_once_and_empty_ones_refused():
    lm, long = build("random-tiny-bert", max_tokens=100_000), "word " * 10_000
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 512 tokens"):
        short, cut = lm.tokenise(["short", long])
    assert (len(short), len(cut)) == (7, 512)
    lm.tokenise([long, "x" * 511, "x" * 510])
    assert lm.n_truncated == 2, "a text counts once, and one that just fits does not"
    with pytest.raises(MedtsError, match="text 0 is empty"):
        lm.tokenise([" "])


def test_unpadded_tokens_need_no_help_and_an_empty_row_sees_its_first():
    is_valid = torch.tensor([[True, True, False], [False, False, False]])
    assert visible(is_valid | True, is_causal=True) is None
    seen = visible(is_valid, is_causal=False)[:, 0]
    assert seen[0].tolist() == [[True, True, False]] * 3
    assert seen[1].tolist() == [[True, False, False]] * 3
    causal = visible(is_valid, is_causal=True)[:, 0]
    assert causal[0].tolist() == [[True, False, False], [True, True, False], [True, True, False]]
