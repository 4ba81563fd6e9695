"""MTST: attention by distance, branches and channels apart."""

import pytest
import torch
from pydantic import ValidationError

from medts.models.baselines.mtst import Layer, Mtst
from medts.models.settings.mtst import MtstConfig
from medts.nn.positions import relative_bias


def build(**changes):
    torch.manual_seed(0)
    small = {"patch_lengths": (10, 20), "dim": 8, "depth": 2, "n_heads": 2, "hidden": 16}
    return Mtst(MtstConfig(**{**small, "dropout": 0.0, **changes})).eval()


def test_the_default_has_the_sizes_of_the_comparison_with_medformer():
    config = MtstConfig()
    assert config.patch_lengths == (8, 32, 96)
    assert (config.dim, config.depth, config.n_heads, config.hidden) == (128, 6, 8, 256)


def test_the_bias_depends_on_distance_alone_up_to_its_reach():
    table = torch.randn(3, 2 * 4 + 1)
    bias = relative_bias(table, 7)
    for query in range(7):
        for key in range(7):
            distance = max(-4, min(4, key - query))
            assert torch.equal(bias[:, query, key], table[:, distance + 4])


@torch.no_grad()
def test_attention_is_softmax_of_products_and_biases_over_valid_tokens():
    torch.manual_seed(0)
    layer = Layer(dim=6, n_heads=2, hidden=4, dropout=0.0, reach=2).eval()
    layer.mlp[-1].weight.zero_()
    layer.mlp[-1].bias.zero_()
    tokens, is_valid = torch.randn(1, 5, 6), torch.tensor([[True, True, True, True, False]])
    q, k, v = layer.qkv(layer.norm_attention(tokens))[0].chunk(3, dim=-1)
    mixed = torch.zeros(5, 6)
    for h in range(2):
        part = slice(3 * h, 3 * h + 3)
        for i in range(5):
            score = torch.stack(
                [
                    q[i, part] @ k[j, part] / 3**0.5
                    + layer.position_bias[h, max(-2, min(2, j - i)) + 2]
                    for j in range(4)
                ]
            )
            mixed[i, part] = score.softmax(dim=0) @ v[:4, part]
    torch.testing.assert_close(layer(tokens, is_valid)[0], tokens[0] + layer.out(mixed))


@torch.no_grad()
def test_channels_share_weights_and_never_see_each_other(make_batch, noise):
    encoder, signal = build(), noise(n_samples=100)
    before = encoder(make_batch(signal)).pooled.reshape(2, 12, 16)
    other = signal.clone()
    other[:, 3] += 1.0
    after = encoder(make_batch(other)).pooled.reshape(2, 12, 16)
    moved = (before - after).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [3]
    turned = encoder(make_batch(signal.flip(1))).pooled.reshape(2, 12, 16)
    torch.testing.assert_close(turned, before.flip(1), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_branches_meet_in_the_embedding_alone(make_batch, noise):
    encoder, batch = build(), make_batch(noise(n_samples=100))
    before = encoder(batch)
    encoder.embeddings[1].weight.mul_(2.0)
    after = encoder(batch)
    torch.testing.assert_close(before.tokens, after.tokens)
    moved = (before.pooled - after.pooled).abs().reshape(2, 12, 2, 8).amax(dim=(0, 1, 3)) > 1e-6
    assert moved.tolist() == [False, True]


@pytest.mark.parametrize("changes", [{"dim": 9}, {"patch_lengths": (20, 10)}])
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        build(**changes)
