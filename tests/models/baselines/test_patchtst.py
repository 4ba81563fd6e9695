"""PatchTST: channels apart, a fixed window, and the package it comes from said by name."""

import sys

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

from medts.core.errors import MedtsError
from medts.models.baselines.patchtst import PatchTST
from medts.models.settings.patchtst import PatchTSTConfig

pytest.importorskip("transformers")


def build(**changes):
    torch.manual_seed(0)
    small = {"window": 100, "dim": 8, "depth": 2, "n_heads": 2, "hidden": 16}
    return PatchTST(PatchTSTConfig(**{**small, **changes})).eval()


def test_the_default_is_the_supervised_model_of_the_paper():
    config = PatchTSTConfig()
    assert (config.dim, config.depth, config.n_heads, config.hidden) == (128, 3, 16, 256)
    assert (config.patch, config.stride, config.dropout) == (16, 8, 0.2)


def test_channels_share_weights_and_never_see_each_other(make_batch, noise):
    encoder, signal = build(), noise(n_samples=100)
    before = encoder(make_batch(signal)).pooled.reshape(2, 12, 8)
    other = signal.clone()
    other[:, 3] += 1.0
    after = encoder(make_batch(other)).pooled.reshape(2, 12, 8)
    moved = (before - after).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [3]
    turned = encoder(make_batch(signal.flip(1))).pooled.reshape(2, 12, 8)
    torch.testing.assert_close(turned, before.flip(1))


@pytest.mark.parametrize("is_normalised", [True, False])
@pytest.mark.parametrize("length", [30, 100])
def test_padding_changes_nothing(length, is_normalised, make_batch, noise):
    encoder, signal = build(is_normalised=is_normalised), noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = F.pad(signal, (0, 300 - length), value=9.0)
    encoded = encoder(make_batch(padded, [length, length]))
    torch.testing.assert_close(encoded.pooled, plain.pooled)
    n = plain.tokens.shape[1]
    assert plain.is_valid.all()
    assert not encoded.is_valid[:, n:].any()
    torch.testing.assert_close(encoded.tokens[:, :n], plain.tokens)
    assert (encoded.tokens[:, n:] == 0).all()


def test_a_token_is_valid_where_its_own_samples_are(make_batch, noise):
    # Of 100 samples the first 4 fill no patch: tokens begin at 4, 12, 20 … 84.
    encoder = build()
    signal = noise(n_windows=1, n_samples=100)
    encoded = encoder(make_batch(signal, [21]))
    assert encoded.is_valid[0].tolist() == [True] * 3 + [False] * 8

    with torch.no_grad():
        one, other = signal.clone(), signal.clone()
        other[..., :4] += 1.0
        torch.testing.assert_close(
            encoder(make_batch(one)).pooled, encoder(make_batch(other)).pooled
        )


def test_amplitude_is_kept_unless_normalisation_is_asked_for(make_batch, noise):
    signal = noise(n_samples=100)
    for is_normalised in (True, False):
        encoder = build(is_normalised=is_normalised)
        small, large = (encoder(make_batch(k * signal)).pooled for k in (1.0, 5.0))
        assert torch.allclose(small, large, atol=1e-2) == is_normalised


def test_absent_channels_and_windows_are_zero_and_disturb_nobody(make_batch, noise):
    encoder, signal = build(), noise(n_windows=3, n_samples=100)
    encoded = encoder(make_batch(signal, absent=(1,), missing=((0, 4),)))
    by_channel = encoded.pooled.reshape(3, 12, 8)
    assert (by_channel[1] == 0).all()
    assert (by_channel[0, 4] == 0).all()
    assert not encoded.is_valid[1].any()
    torch.testing.assert_close(encoded.pooled[2], encoder(make_batch(signal)).pooled[2])
    alone = encoder(make_batch(signal[2:])).pooled
    torch.testing.assert_close(encoded.pooled[2:], alone)


def test_gradients_reach_every_parameter(make_batch, noise):
    encoder = build().train()
    pooled = encoder(make_batch(noise(n_samples=100), [100, 60])).pooled
    (pooled * torch.randn(pooled.shape)).sum().backward()
    silent = [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_one_batch_can_be_learnt(make_batch, noise):
    encoder = build(dropout=0.0).train()
    head, target = nn.Linear(encoder.dim, 2), torch.tensor([0, 1] * 4)
    batch = make_batch(noise(n_windows=8, n_samples=100))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(head(encoder(batch).pooled), target)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_without_transformers_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MedtsError, match=r"pip install medts\[text\]"):
        build()


@pytest.mark.parametrize("changes", [{"dim": 30}, {"window": 16}])
def test_contradictory_configs_are_refused(changes):
    with pytest.raises(ValidationError):
        PatchTSTConfig(**changes)
