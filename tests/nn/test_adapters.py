"""Adapters and trunks: bit for bit the plain model when closed, the formula when open."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from einops import rearrange

from medts.core.errors import ConfigError, MedtsError
from medts.nn.adapters import Adapter, attach, injecting
from medts.nn.trunk import FrozenReader, Trunk, mean_of_valid, visible

transformers = pytest.importorskip("transformers")

EACH = pytest.mark.parametrize("name", ["random-tiny-gpt2", "random-tiny-bert"])
LENGTHS = torch.tensor([11, 7, 4])


def build(name):
    torch.manual_seed(0)
    return Trunk(name).eval()


def adapt(trunk, gate=0.0, **changes):
    torch.manual_seed(1)
    shape = {"n_blocks": trunk.n_blocks, "n_adapted": 2, "n_tokens": 5}
    adapter = Adapter(**{**shape, **changes}, dim=trunk.dim, n_heads=trunk.n_heads)
    torch.nn.init.constant_(adapter.gate, gate)
    return adapter


def tokens(seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(6, 100, (3, 11), generator=generator)
    return ids, torch.arange(11) < LENGTHS[:, None]


def plain(trunk, ids, is_valid):
    return trunk.model(input_ids=ids, attention_mask=is_valid.long()).last_hidden_state


@EACH
@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16])
@torch.no_grad()
def test_a_closed_gate_gives_the_plain_model_bit_for_bit(name, dtype):
    trunk = build(name).to(dtype)
    ids, is_valid = tokens()
    for seen in (is_valid, torch.ones_like(is_valid)):
        expected = plain(trunk, ids, seen)
        assert expected.dtype == dtype
        with injecting(adapt(trunk), torch.randn(3, trunk.dim)):
            assert torch.equal(plain(trunk, ids, seen), expected)
        with injecting(adapt(trunk, gate=0.5), torch.randn(3, trunk.dim)):
            opened = plain(trunk, ids, seen)
        assert opened.dtype == dtype
        assert opened.isfinite().all()
        assert not torch.equal(opened, expected)
        assert torch.equal(plain(trunk, ids, seen), expected), "nothing stays behind"


@EACH
@torch.no_grad()
def test_blocks_run_one_by_one_are_the_model(name):
    trunk = build(name)
    ids, is_valid = tokens()
    for seen in (is_valid, torch.ones_like(is_valid)):
        hidden = trunk.embed(trunk.look_up(ids))
        hidden = trunk.run(trunk.run(hidden, seen, 0, 1), seen, 1)
        hidden = trunk.model.ln_f(hidden) if trunk.is_causal else hidden
        assert torch.equal(hidden[seen], plain(trunk, ids, seen)[seen])


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", ["gpt2", "bert", "roberta", "distilbert"])
@torch.no_grad()
def test_every_known_kind_is_attached_to_whatever_its_attention_is(kind, implementation):
    if kind == "distilbert":
        sizes = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    else:
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
        sizes |= {} if kind == "gpt2" else {"intermediate_size": 32}
    config = transformers.AutoConfig.for_model(kind, vocab_size=40, **sizes)
    model = transformers.AutoModel.from_config(config, attn_implementation=implementation).eval()
    sites = attach(model)
    assert len(sites) == 2
    ids = torch.randint(3, 40, (2, 6))
    expected = model(input_ids=ids).last_hidden_state
    for gate, is_same in ((0.0, True), (1.0, False)):
        torch.manual_seed(0)
        adapter = Adapter(n_blocks=2, n_adapted=1, n_tokens=3, dim=16, n_heads=2)
        torch.nn.init.constant_(adapter.gate, gate)
        with injecting(adapter, torch.zeros(2, 16)):
            found = model(input_ids=ids).last_hidden_state
        assert torch.equal(found, expected) == is_same


def test_a_model_of_another_build_is_refused():
    config = transformers.AutoConfig.for_model(
        "t5", d_model=16, d_kv=8, num_layers=1, num_heads=2, d_ff=16, vocab_size=40
    )
    with pytest.raises(ConfigError, match=r"'t5'.*Known: bert"):
        attach(transformers.T5EncoderModel(config))


@pytest.mark.parametrize("is_normed", [True, False])
@torch.no_grad()
def test_what_is_added_is_the_formula_of_the_paper(is_normed):
    trunk = build("random-tiny-gpt2")
    adapter = adapt(trunk, n_adapted=1, is_normed=is_normed)
    adapter.gate.copy_(torch.tensor([[0.1, -0.4, 0.9, 0.0]]))
    hidden, message = torch.randn(2, 9, 32), torch.randn(2, 32)
    is_valid = torch.ones(2, 9, dtype=torch.bool)
    with injecting(adapter, message):
        found = trunk.run(hidden, is_valid, 2)

    block = trunk.blocks[2]
    split = lambda each: rearrange(each, "b n (h d) -> b h n d", h=4)  # noqa: E731
    q, k, v = (split(each) for each in block.attn.c_attn(block.ln_1(hidden)).chunk(3, dim=-1))
    scores = q @ k.transpose(2, 3) / 8**0.5
    scores = scores.masked_fill(~torch.ones(9, 9, dtype=torch.bool).tril(), -torch.inf)
    main = scores.softmax(dim=-1) @ v
    added = adapter.tokens[0] + message[:, None]
    added = block.ln_1(added) if is_normed else added
    _, k_a, v_a = (split(each) for each in block.attn.c_attn.forward(added).chunk(3, dim=-1))
    weight = (q @ k_a.transpose(2, 3) / 8**0.5).softmax(dim=-1)
    assert weight.shape == (2, 4, 9, 5)
    heads = main + adapter.gate[0].tanh()[:, None, None] * (weight @ v_a)
    mixed = hidden + block.attn.c_proj(rearrange(heads, "b h n d -> b n (h d)"))
    torch.testing.assert_close(found, mixed + block.mlp(block.ln_2(mixed)))


@EACH
@torch.no_grad()
def test_the_order_of_adaptation_tokens_does_not_matter(name):
    trunk, (ids, is_valid) = build(name), tokens()
    adapter, message = adapt(trunk, gate=0.7), torch.randn(3, 32)
    with injecting(adapter, message):
        before = plain(trunk, ids, is_valid)
    adapter.tokens.copy_(adapter.tokens[:, [3, 1, 4, 0, 2]])
    with injecting(adapter, message):
        torch.testing.assert_close(plain(trunk, ids, is_valid), before, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_windows_without_a_message_compute_as_the_plain_model_does():
    trunk, (ids, is_valid) = build("random-tiny-bert"), tokens()
    with injecting(adapt(trunk, 1.0), torch.randn(3, 32), torch.tensor([True, False, True])):
        found = plain(trunk, ids, is_valid)
    moved = (found != plain(trunk, ids, is_valid)).any(dim=2).any(dim=1)
    assert moved.tolist() == [True, False, True]


@torch.no_grad()
def test_what_comes_later_moves_nothing_before_it_in_a_causal_trunk():
    trunk = build("random-tiny-gpt2")
    vectors, is_valid = torch.randn(1, 8, 32), torch.ones(1, 8, dtype=torch.bool)
    other = vectors.clone()
    other[:, 5] = torch.randn(32)
    with injecting(adapt(trunk, 1.0), torch.randn(1, 32)):
        first, second = (trunk.run(trunk.embed(each), is_valid) for each in (vectors, other))
    assert torch.equal(first[:, :5], second[:, :5])
    assert (first[:, 5:] != second[:, 5:]).any(dim=2).any()


def test_a_frozen_trunk_has_no_parameters_no_weights_to_save_and_no_dropout():
    trunk = Trunk("random-tiny-gpt2").train()
    assert list(trunk.parameters()) == []
    assert list(trunk.state_dict()) == ["checked.digest"]
    assert trunk.training
    assert not any(module.training for module in trunk.model.modules())
    assert not any(each.requires_grad for each in trunk.model.parameters())
    ids, is_valid = tokens()
    assert torch.equal(plain(trunk, ids, is_valid), plain(trunk, ids, is_valid))


def test_copies_share_weights_until_one_of_them_moves_away():
    first, second = Trunk("random-tiny-bert"), Trunk("random-tiny-bert")
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


def test_a_trained_trunk_is_all_there_and_leaves_the_original_alone():
    trunk, other = Trunk("random-tiny-gpt2", is_trained=True), Trunk("random-tiny-gpt2")
    n_blocks = sum(p.numel() for p in other.blocks.parameters())
    n_words = (128 + 1024) * 32
    assert sum(p.numel() for p in trunk.parameters()) == n_blocks + n_words
    assert any(module.training for module in trunk.train().model.modules())
    with torch.no_grad():
        trunk.blocks[0].attn.c_attn.weight.add_(1.0)
    assert not torch.equal(trunk.blocks[0].attn.c_attn.weight, other.blocks[0].attn.c_attn.weight)


def test_weights_for_another_trunk_are_refused():
    saved = Trunk("random-tiny-gpt2").state_dict()
    Trunk("random-tiny-gpt2").load_state_dict(saved)
    with pytest.raises(ConfigError, match="trained on a language model with digest"):
        Trunk("random-tiny-bert").load_state_dict(saved)


def test_a_trunk_that_is_not_there_says_how_to_supply_it(tmp_path):
    with pytest.raises(MedtsError, match=r"(?s)nowhere.*folder with config.json"):
        Trunk(str(tmp_path / "nowhere"))


def test_more_patches_than_positions_are_refused():
    with pytest.raises(MedtsError, match="600 tokens do not fit into the 512 positions"):
        build("random-tiny-bert").embed(torch.zeros(1, 600, 32))


@EACH
def test_texts_are_computed_once_and_forgotten_when_memory_ends(name):
    trunk = build(name)
    reader = FrozenReader(trunk, n_blocks=2, max_tokens=16, limit_mib=1)
    texts, device = ["sinus rhythm", "normal ecg", "sinus rhythm"], torch.device("cpu")
    hidden, is_valid = reader(texts, device)
    assert reader.n_computed == 2
    assert torch.equal(hidden[0], hidden[2])
    again, _ = reader(texts[:1], device)
    assert reader.n_computed == 2
    assert torch.equal(again[0], hidden[0, : again.shape[1]])
    ids = trunk.tokenizer("normal ecg", return_tensors="pt")["input_ids"]
    alone = trunk.run(trunk.embed(trunk.look_up(ids)), torch.ones_like(ids).bool(), 0, 2)
    torch.testing.assert_close(hidden[1][is_valid[1]], alone[0])

    size = hidden[0].numel() * 4
    small = FrozenReader(trunk, n_blocks=2, max_tokens=16, limit_mib=1.5 * size / 2**20)
    for text in ("sinus rhythm", "sinus rhythm", "SINUS rhythm", "sinus rhythm"):
        small([text], device)
    assert small.n_computed == 3
    none = FrozenReader(trunk, n_blocks=2, max_tokens=16, limit_mib=0)
    assert torch.equal(none(texts, device)[0], hidden)


@EACH
def test_what_is_kept_of_a_text_does_not_depend_on_what_is_read_with_it(name):
    trunk, device = build(name), torch.device("cpu")
    texts = ["sinus rhythm", "normal ecg", "a much longer text than all of the others are"]
    shape = {"n_blocks": 2, "max_tokens": 128, "limit_mib": 1}
    together, alone = FrozenReader(trunk, **shape), FrozenReader(trunk, **shape)
    hidden, is_valid = together(texts, device)
    for row, text in enumerate(texts):
        assert torch.equal(alone([text], device)[0][0], hidden[row][is_valid[row]])


@EACH
@pytest.mark.parametrize("pool", ["mean", "first"])
def test_a_vector_is_kept_in_place_of_the_states_it_was_made_of(name, pool):
    trunk, device = build(name), torch.device("cpu")
    shape = {"n_blocks": 2, "max_tokens": 16, "limit_mib": 1}
    reader, states = FrozenReader(trunk, **shape), FrozenReader(trunk, **shape)
    texts = ["sinus rhythm", "normal ecg", "sinus rhythm"]
    found = reader.vectors(texts, pool, device)
    hidden, is_valid = states(texts, device)
    expected = hidden[:, 0] if pool == "first" else mean_of_valid(hidden, is_valid)
    assert torch.equal(found, expected)
    assert torch.equal(reader.vectors(texts[::-1], pool, device), found.flip(0))
    assert reader.n_computed == states.n_computed == 2
    assert {tuple(each.shape) for each in reader._kept.values()} == {(trunk.dim,)}
    torch.testing.assert_close(reader(texts, device)[0], hidden)


def test_threads_may_read_at_once_while_little_is_kept():
    trunk, device = build("random-tiny-bert"), torch.device("cpu")
    texts = [f"report {number}" for number in range(8)]
    whole = FrozenReader(trunk, n_blocks=2, max_tokens=16, limit_mib=1)
    expected = torch.cat([whole.vectors([text], "mean", device) for text in texts])
    small = FrozenReader(trunk, n_blocks=2, max_tokens=16, limit_mib=3 * 32 * 4 / 2**20)
    with ThreadPoolExecutor(4) as pool:
        orders = [(8 * [text], text) for text in texts * 5]
        found = pool.map(lambda each: small.vectors(each[0], "mean", device)[0], orders)
        for (_, text), each in zip(orders, found, strict=True):
            torch.testing.assert_close(each, expected[texts.index(text)])
    assert len(small._kept) == 3
    assert small._room == 0


def test_long_texts_are_cut_counted_and_warned_of_once_and_empty_ones_refused():
    trunk, long = build("random-tiny-bert"), "word " * 10_000
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than the 512 tokens"):
        short, cut = trunk.number(["short", long], 100_000)
    assert (len(short), len(cut)) == (7, 512)
    trunk.number([long, "x" * 511, "x" * 510], 512)
    assert trunk.n_truncated == 2, "a text counts once, and one that just fits does not"
    with pytest.raises(MedtsError, match="empty text"):
        trunk.number([" "], 10)


def test_unpadded_tokens_need_no_help_and_an_empty_row_sees_its_first():
    is_valid = torch.tensor([[True, True, False], [False, False, False]])
    assert visible(is_valid | True, is_causal=True) is None
    seen = visible(is_valid, is_causal=False)[:, 0]
    assert seen[0].tolist() == [[True, True, False]] * 3
    assert seen[1].tolist() == [[True, False, False]] * 3
    causal = visible(is_valid, is_causal=True)[:, 0]
    assert causal[0].tolist() == [[True, False, False], [True, True, False], [True, True, False]]
