"""iTransformer: a token per channel, no order among them, a fixed window."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from medts.models.baselines.itransformer import ITransformer
from medts.models.settings.itransformer import ITransformerConfig


def build(**changes):
    torch.manual_seed(0)
    small = {"window": 100, "dim": 8, "depth": 2, "n_heads": 2, "hidden": 16, "dropout": 0.0}
    return ITransformer(ITransformerConfig(**{**small, **changes})).eval()


@torch.no_grad()
def test_a_change_in_one_channel_moves_only_its_token_before_channels_meet(noise):
    encoder, signal = build(), noise(n_samples=100)
    other = signal.clone()
    other[:, 7, 33] += 1.0
    moved = (encoder.embed(signal) - encoder.embed(other)).abs().amax(dim=(0, 2)) > 1e-7
    assert moved.nonzero().flatten().tolist() == [7]


@torch.no_grad()
def test_attention_is_between_channels_and_knows_no_order_of_them(make_batch, noise):
    encoder, signal = build(), noise(n_samples=100)
    before = encoder(make_batch(signal)).tokens
    turned = encoder(make_batch(signal.flip(1))).tokens
    torch.testing.assert_close(turned, before.flip(1), atol=1e-5, rtol=1e-4)
    other = signal.clone()
    other[:, 7] += 1.0
    moved = (encoder(make_batch(other)).tokens - before).abs().amax(dim=(0, 2)) > 1e-6
    assert moved.all()


@torch.no_grad()
@pytest.mark.parametrize("length", [30, 100])
def test_padding_changes_nothing(length, make_batch, noise):
    encoder, signal = build(), noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = encoder(make_batch(F.pad(signal, (0, 200 - length), value=9.0), [length, length]))
    torch.testing.assert_close(padded.pooled, plain.pooled)


@torch.no_grad()
def test_an_absent_channel_is_no_token_for_the_others(make_batch, noise):
    encoder, signal = build(), noise(n_windows=1, n_samples=100)
    encoded = encoder(make_batch(signal, missing=((0, 4),)))
    assert encoded.is_valid[0].tolist() == [c != 4 for c in range(12)]
    assert (encoded.tokens[0, 4] == 0).all()
    zeros = signal.clone()
    zeros[0, 4] = 0.0
    assert not torch.allclose(encoder(make_batch(zeros)).tokens[0, 0], encoded.tokens[0, 0])


def test_the_width_must_be_shared_evenly():
    with pytest.raises(ValidationError):
        build(dim=9)
