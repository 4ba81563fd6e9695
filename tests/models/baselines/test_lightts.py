"""LightTS: two tables of a window, and an exchange block that is three small maps."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError

from medts.models.baselines.lightts import (
    ExchangeBlock,
    LightTS,
    sample_at_intervals,
    sample_continuously,
)
from medts.models.settings.lightts import LightTSConfig


def test_the_two_tables_hold_neighbours_and_every_nth_sample():
    signal = torch.arange(12.0).reshape(1, 1, 12)
    quick, slow = sample_continuously(signal, 3)[0, 0], sample_at_intervals(signal, 3)[0, 0]
    assert quick.shape == slow.shape == (3, 4)
    assert quick[:, 1].tolist() == [3, 4, 5]
    assert slow[:, 1].tolist() == [1, 5, 9]


@torch.no_grad()
def test_an_exchange_block_maps_columns_then_rows_then_columns():
    torch.manual_seed(0)
    block = ExchangeBlock(n_rows=6, n_columns=4, hidden=2, n_out=3)
    table = torch.randn(6, 4)
    narrow = torch.stack(
        [block.inward[2](F.leaky_relu(block.inward[0](table[:, j]))) for j in range(4)], dim=1
    )
    mixed = torch.stack([narrow[i] + block.mix(narrow[i]) for i in range(2)])
    expected = torch.stack([block.outward(mixed[:, j]) for j in range(4)], dim=1)
    torch.testing.assert_close(block(table), expected)


@torch.no_grad()
def test_channels_meet_in_the_last_block_alone(make_batch, noise):
    torch.manual_seed(0)
    encoder = LightTS(LightTSConfig(window=100, chunk=10, dim=4, hidden=4)).eval()
    signal = noise(n_samples=100)
    other = signal.clone()
    other[:, 3] += 1.0
    before, after = encoder(make_batch(signal)), encoder(make_batch(other))
    moved = (before.tokens - after.tokens).abs().reshape(2, 10, 12, 4).amax(dim=(0, 1, 3)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [3]
    moved = (before.pooled - after.pooled).abs().reshape(2, 12, 4).amax(dim=(0, 2)) > 1e-6
    assert moved.all()


def test_a_window_must_be_made_of_whole_chunks():
    with pytest.raises(ValidationError, match="not a multiple of chunk"):
        LightTSConfig(window=250, chunk=20)
