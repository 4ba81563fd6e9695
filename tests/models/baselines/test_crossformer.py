"""Crossformer: a grid of channels and segments, two stages, coarser from layer to layer."""

import pytest
import torch
from pydantic import ValidationError

from medts.models.baselines.crossformer import Crossformer, pair_up
from medts.models.settings.crossformer import CrossformerConfig


def build(**changes):
    torch.manual_seed(0)
    small = {"patch": 10, "dim": 8, "depth": 2, "n_heads": 2, "hidden": 16, "n_routers": 3}
    return Crossformer(CrossformerConfig(**{**small, "dropout": 0.0, **changes})).eval()


@torch.no_grad()
def test_a_change_moves_only_the_segment_of_its_channel(noise):
    encoder, signal = build(), noise(n_samples=95)
    is_recorded = torch.ones(signal.shape, dtype=torch.bool)
    other = signal.clone()
    other[:, 3, 41] += 1.0
    before, after = (encoder.embed(each, is_recorded)[0] for each in (signal, other))
    assert before.shape == (2, 12, 10, 8)
    moved = (before - after).abs().amax(dim=(0, 3)) > 1e-7
    assert moved.nonzero().tolist() == [[3, 4]]


@torch.no_grad()
def test_time_is_mixed_within_channels_and_channels_through_routers(make_batch, noise):
    encoder, signal = build(depth=1), noise(n_samples=100)
    other = signal.clone()
    other[:, 3, :10] += 1.0
    for has_channel_stage in (True, False):
        if not has_channel_stage:
            encoder.blocks[0].hand_back.out_proj.weight.zero_()
        before, after = (
            encoder(make_batch(each)).tokens.unflatten(2, (12, 8)) for each in (signal, other)
        )
        moved = (before - after).abs().amax(dim=(0, 3)) > 1e-6
        assert moved[:, 3].all()  # every segment of the channel
        assert moved.all() == has_channel_stage
        assert (moved.sum(dim=1) == (12 if has_channel_stage else 1)).all()


def test_each_further_layer_reads_segments_twice_as_long(make_batch, noise):
    for depth, n_tokens in ((1, 25), (2, 13), (3, 7)):
        encoded = build(depth=depth)(make_batch(noise(n_samples=250)))
        assert encoded.tokens.shape == (2, n_tokens, 12 * 8)


def test_neighbours_are_put_side_by_side_and_an_odd_one_beside_zeros():
    tokens = torch.arange(5.0).reshape(1, 1, 5, 1) + 1
    is_valid = torch.tensor([[[True, True, True, False, False]]])
    pairs, valid = pair_up(tokens, is_valid)
    assert pairs[0, 0].tolist() == [[1, 2], [3, 4], [5, 0]]
    assert valid.tolist() == [[[True, True, False]]]


def test_the_width_must_be_even_and_shared_evenly():
    for dim in (9, 10):
        with pytest.raises(ValidationError):
            build(dim=dim, n_heads=4)
