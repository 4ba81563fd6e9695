"""TimesNet: periods that are there, folds that lose nothing, windows on their own."""

import math

import torch

from medts.models.baselines.timesnet import TimesBlock, TimesNet, find_periods, fold
from medts.models.settings.timesnet import TimesNetConfig


def wave(n_samples, *parts):
    """Sums sines, each given as period in samples and amplitude."""
    time = torch.arange(n_samples)
    return sum(a * torch.sin(2 * math.pi * time / period) for period, a in parts)


def test_the_strongest_periods_are_found_in_their_order():
    tokens = torch.stack([wave(200, (20, 1.0), (50, 3.0)), wave(200, (8, 2.0), (100, 1.0))])
    periods, amplitude = find_periods(tokens[..., None].expand(2, 200, 4), 2)
    assert periods.tolist() == [[50, 20], [8, 100]]
    torch.testing.assert_close(amplitude[0], torch.tensor([300.0, 100.0]), atol=1e-2, rtol=0)


def test_no_period_is_shorter_than_four_samples():
    tokens = wave(120, (2.5, 5.0), (3, 5.0), (4, 0.1), (30, 0.1))[None, :, None]
    assert find_periods(tokens, 2)[0].sort().values.tolist() == [[4, 30]]


def test_an_offset_is_no_period():
    tokens = 100 + wave(200, (25, 0.1))[None, :, None]
    assert find_periods(tokens, 1)[0].tolist() == [[25]]


def test_a_fold_puts_a_period_in_each_row_and_loses_nothing():
    tokens = torch.arange(23.0)[None, :, None]
    image = fold(tokens, 5)
    assert image.shape == (1, 1, 5, 5)
    assert image[0, 0, 1].tolist() == [5, 6, 7, 8, 9]
    assert image[0, 0, :, 2].tolist() == [2, 7, 12, 17, 22]
    assert image.flatten()[:23].tolist() == tokens.flatten().tolist()
    assert image.flatten()[23:].tolist() == [0, 0]


@torch.no_grad()
def test_a_block_is_the_papers_sum_over_periods():
    torch.manual_seed(0)
    block = TimesBlock(dim=4, hidden=6, n_periods=2, n_kernels=2)
    tokens = torch.randn(3, 50, 4)
    found = block(tokens)
    for b in range(3):
        periods, amplitude = find_periods(tokens[b : b + 1], 2)
        share = amplitude[0].softmax(dim=0)
        expected = tokens[b].clone()
        for j, period in enumerate(periods[0].tolist()):
            image = fold(tokens[b : b + 1], period)
            image = block.outward(torch.nn.functional.gelu(block.inward(image)))
            expected += share[j] * image[0].flatten(1).T[:50]
        torch.testing.assert_close(found[b], expected, atol=1e-5, rtol=1e-4)


def test_a_shorter_window_has_a_token_per_sample(make_batch, noise):
    torch.manual_seed(0)
    encoder = TimesNet(TimesNetConfig(window=60, dim=8, depth=1, hidden=8, n_kernels=1)).eval()
    assert encoder(make_batch(noise(n_samples=40))).tokens.shape[1] == 40
