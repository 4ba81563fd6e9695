"""Adapters: bit for bit the plain model when closed, the formula of the paper when open."""

import pytest
import torch
from adapted import adapt, plain, tokens
from einops import rearrange

from medts.core.errors import ConfigError
from medts.nn.adapters import Adapter, attach, injecting
from medts.nn.frozen_lm import FrozenLM
from medts.nn.settings import TextConfig

transformers = pytest.importorskip("transformers")

EACH = pytest.mark.parametrize("name", ["random-tiny-gpt2", "random-tiny-bert"])


def build(name):
    lm = FrozenLM.load(TextConfig(name=name)).eval()
    attach(lm.model)
    return lm


@EACH
@pytest.mark.parametrize("dtype", [torch.float, torch.bfloat16])
@torch.no_grad()
def test_a_closed_gate_gives_the_plain_model_bit_for_bit(name, dtype):
    lm = build(name).to(dtype)
    ids, is_valid = tokens()
    for seen in (is_valid, torch.ones_like(is_valid)):
        expected = plain(lm, ids, seen)
        assert expected.dtype == dtype
        with injecting(adapt(lm), torch.randn(3, lm.dim)):
            assert torch.equal(plain(lm, ids, seen), expected)
        with injecting(adapt(lm, gate=0.5), torch.randn(3, lm.dim)):
            opened = plain(lm, ids, seen)
        assert opened.dtype == dtype
        assert opened.isfinite().all()
        assert not torch.equal(opened, expected)
        assert torch.equal(plain(lm, ids, seen), expected), "nothing stays behind"


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
    lm = build("random-tiny-gpt2")
    adapter = adapt(lm, n_adapted=1, is_normed=is_normed)
    adapter.gate.copy_(torch.tensor([[0.1, -0.4, 0.9, 0.0]]))
    hidden, message = torch.randn(2, 9, 32), torch.randn(2, 32)
    is_valid = torch.ones(2, 9, dtype=torch.bool)
    with injecting(adapter, message):
        found = lm.run(hidden, is_valid, 2)

    block = lm.blocks[2]
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
    lm, (ids, is_valid) = build(name), tokens()
    adapter, message = adapt(lm, gate=0.7), torch.randn(3, 32)
    with injecting(adapter, message):
        before = plain(lm, ids, is_valid)
    adapter.tokens.copy_(adapter.tokens[:, [3, 1, 4, 0, 2]])
    with injecting(adapter, message):
        torch.testing.assert_close(plain(lm, ids, is_valid), before, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_windows_without_a_message_compute_as_the_plain_model_does():
    lm, (ids, is_valid) = build("random-tiny-bert"), tokens()
    with injecting(adapt(lm, 1.0), torch.randn(3, 32), torch.tensor([True, False, True])):
        found = plain(lm, ids, is_valid)
    moved = (found != plain(lm, ids, is_valid)).any(dim=2).any(dim=1)
    assert moved.tolist() == [True, False, True]


@torch.no_grad()
def test_what_comes_later_moves_nothing_before_it_in_a_causal_model():
    lm = build("random-tiny-gpt2")
    vectors, is_valid = torch.randn(1, 8, 32), torch.ones(1, 8, dtype=torch.bool)
    other = vectors.clone()
    other[:, 5] = torch.randn(32)
    with injecting(adapt(lm, 1.0), torch.randn(1, 32)):
        first, second = (lm.run(lm.embed(each), is_valid) for each in (vectors, other))
    assert torch.equal(first[:, :5], second[:, :5])
    assert (first[:, 5:] != second[:, 5:]).any(dim=2).any()
