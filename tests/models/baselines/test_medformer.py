"""Medformer: the authors' sizes, and granularities that meet through routers alone."""

import pytest
import torch
from pydantic import ValidationError

from medts.models.baselines.medformer import Layer, Medformer
from medts.models.settings.medformer import MedformerConfig


def build(**changes):
    torch.manual_seed(0)
    small = {"patch_lengths": (10, 20), "dim": 8, "n_heads": 2, "hidden": 16, "dropout": 0.0}
    return Medformer(MedformerConfig(**{**small, **changes})).eval()


def test_the_default_is_the_authors_model_of_ptb_xl():
    config = MedformerConfig()
    assert (config.dim, config.depth, config.n_heads, config.hidden) == (128, 6, 8, 256)
    assert (config.dropout, len(config.patch_lengths)) == (0.1, 16)
    assert {p: config.patch_lengths.count(p) for p in (2, 4, 8, 16, 32)} == {
        2: 1, 4: 1, 8: 2, 16: 4, 32: 8,
    }  # fmt: skip


def test_a_granularity_has_a_token_per_patch_and_one_router(make_batch, noise):
    encoder = build(depth=1)
    encoded = encoder(make_batch(noise(n_samples=95)))
    assert [each.shape[1] for each in encoded.intermediates["granularities"]] == [10, 5]
    assert torch.equal(encoded.tokens, encoded.intermediates["granularities"][0])
    assert encoder.dim == encoded.pooled.shape[1] == 2 * 8


@torch.no_grad()
@pytest.mark.parametrize("depth", [1, 2])
def test_granularities_meet_through_routers_alone(make_batch, noise, depth):
    encoder, batch = build(depth=depth), make_batch(noise(n_samples=100))
    before = encoder(batch)
    encoder.embeddings[1].weight.mul_(2.0)
    after = encoder(batch)
    # The routers have met after one layer; the tokens hear of it in the next.
    has_moved = not torch.allclose(before.tokens, after.tokens, atol=1e-6)
    assert has_moved == (depth == 2)
    assert not torch.allclose(before.pooled[:, :8], after.pooled[:, :8], atol=1e-6)


@torch.no_grad()
def test_a_layer_is_the_papers_two_stages():
    torch.manual_seed(0)
    layer = Layer(n_granularities=2, dim=8, n_heads=1, hidden=4, dropout=0.0).eval()
    layer.mlp[-1].weight.zero_()
    layer.mlp[-1].bias.zero_()
    tokens = [torch.randn(1, 4, 8), torch.randn(1, 3, 8)]
    valid = [torch.tensor([[True, True, False]]), torch.tensor([[True, True]])]

    def attend(attention, z, is_seen):
        q, k, v = (z @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=-1)
        score = (q @ k.transpose(1, 2) / 8**0.5).masked_fill(~is_seen, -torch.inf)
        return score.softmax(dim=-1) @ v @ attention.out_proj.weight.T + attention.out_proj.bias

    mixed = [
        each + attend(attention, layer.norm_intra(each), torch.cat([ok, ok[:, :1]], 1)[:, None])
        for each, ok, attention in zip(tokens, valid, layer.intra, strict=True)
    ]
    routers = torch.stack([each[:, -1] for each in mixed], dim=1)
    routers = routers + attend(layer.inter, layer.norm_inter(routers), torch.tensor(True))
    found = layer(tokens, valid)
    for i in range(2):
        torch.testing.assert_close(found[i][:, :-1], mixed[i][:, :-1])
        torch.testing.assert_close(found[i][:, -1], routers[:, i])


@pytest.mark.parametrize("changes", [{"dim": 9}, {"patch_lengths": (20, 10)}, {"n_heads": 3}])
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        build(**changes)
