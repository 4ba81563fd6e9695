"""The plain Transformer: positions as published, any length, padding unseen."""

import math

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from medts.models.baselines.transformer import Transformer
from medts.models.settings.transformer import TransformerConfig
from medts.nn.patches import cut_patches
from medts.nn.positions import positions


def build(**changes):
    torch.manual_seed(0)
    small = {"dim": 16, "depth": 2, "n_heads": 4, "hidden": 32}
    return Transformer(TransformerConfig(**{**small, **changes})).eval()


def test_the_default_is_the_base_model_of_the_paper():
    config = TransformerConfig()
    assert (config.dim, config.depth, config.n_heads, config.hidden) == (512, 6, 8, 2048)
    attention = 4 * (512 * 512 + 512)
    feed_forward = 512 * 2048 + 2048 + 2048 * 512 + 512
    layers = 6 * (attention + feed_forward + 2 * 2 * 512)
    n_parameters = sum(p.numel() for p in Transformer(config).parameters())
    assert n_parameters == layers + (12 * 10 * 512 + 512) + 2 * 512


def test_positions_are_the_sinusoids_of_the_paper():
    found = positions(50, 8)
    for n in (0, 1, 49):
        for i in range(4):
            angle = n / 10000 ** (2 * i / 8)
            assert found[n, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert found[n, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_a_patch_holds_its_own_samples_of_every_channel():
    signal = torch.arange(2 * 3 * 25.0).reshape(2, 3, 25)
    is_valid = torch.ones(2, 25, dtype=torch.bool)
    is_valid[1, 21:] = False
    patches, is_patch_valid = cut_patches(signal, is_valid, 10)
    assert patches.shape == (2, 3, 30)
    torch.testing.assert_close(patches[0, 1], signal[0, :, 10:20].flatten())
    assert patches[0, 2].reshape(3, 10)[:, 5:].eq(0).all()
    assert is_patch_valid.all()
    assert not cut_patches(signal, is_valid & (torch.arange(25) < 20), 10)[1][1, 2]


@pytest.mark.parametrize("length", [10, 93, 250])
def test_padding_changes_nothing(length, make_batch, noise):
    encoder, signal = build(), noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = F.pad(signal, (0, 400 - length), value=9.0)
    n = plain.tokens.shape[1]
    for n_samples, rows in (([length, length], slice(None)), ([length, 400], slice(1))):
        encoded = encoder(make_batch(padded, n_samples))
        assert (encoded.is_valid[rows].sum(dim=1) == n).all()
        assert (encoded.tokens[rows, n:] == 0).all()
        torch.testing.assert_close(encoded.pooled[rows], plain.pooled[rows])
        torch.testing.assert_close(encoded.tokens[rows, :n], plain.tokens[rows])


@pytest.mark.parametrize("is_training", [True, False])
def test_an_absent_window_is_zero_and_disturbs_nobody(is_training, make_batch, noise):
    encoder, signal = build(dropout=0.0).train(is_training), noise(n_windows=3)
    encoded = encoder(make_batch(signal, [250, 250, 90], absent=(1,)))
    assert (encoded.pooled[1] == 0).all()
    assert not encoded.is_valid[1].any()
    for b, n in ((0, 250), (2, 90)):
        alone = encoder(make_batch(signal[b : b + 1, :, :n])).pooled
        torch.testing.assert_close(encoded.pooled[b : b + 1], alone)


def test_order_in_time_matters(make_batch, noise):
    encoder, signal = build(), noise()
    swapped = torch.cat([signal[..., 120:], signal[..., :120]], dim=-1)
    assert not torch.allclose(
        encoder(make_batch(signal)).pooled, encoder(make_batch(swapped)).pooled, atol=1e-4
    )


def test_gradients_reach_every_parameter(make_batch, noise):
    encoder = build().train()
    pooled = encoder(make_batch(noise(), [250, 120], absent=())).pooled
    (pooled * torch.randn(pooled.shape)).sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_one_batch_can_be_learnt(make_batch, noise):
    torch.manual_seed(0)
    encoder, head = build(dropout=0.0).train(), nn.Linear(16, 2)
    batch, target = make_batch(noise(n_windows=8, n_samples=100)), torch.tensor([0, 1] * 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(encoder(batch).pooled), target)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


@pytest.mark.parametrize("changes", [{"dim": 30, "n_heads": 4}, {"dim": 15, "n_heads": 5}])
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        TransformerConfig(**changes)
