"""DLinear: the decomposition against a loop, and that it is linear and nothing else."""

from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from recorded import recorded

from medts.models.baselines.dlinear import DLinear, moving_average
from medts.models.settings.dlinear import DLinearConfig


def build(**changes):
    torch.manual_seed(0)
    return DLinear(DLinearConfig(**{"window": 100, "n_features": 6, **changes})).eval()


def test_the_moving_average_is_over_the_recorded_samples_in_reach():
    generator = np.random.default_rng(0)
    signal = torch.from_numpy(generator.normal(size=(2, 3, 40)))
    is_recorded = recorded(signal, torch.arange(40) < torch.tensor([40, 23])[:, None])
    is_recorded[0, 1, 7:18] = False
    found = moving_average(signal, is_recorded, 7)
    for b, c, t in product(range(2), range(3), range(40)):
        inside = [s for s in range(max(0, t - 3), min(40, t + 4)) if is_recorded[b, c, s]]
        expected = signal[b, c, inside].mean() if is_recorded[b, c, t] else torch.zeros(())
        torch.testing.assert_close(found[b, c, t], expected.to(found.dtype))


def test_it_is_the_sum_of_two_linear_maps_and_so_linear(make_batch, noise):
    encoder = build()
    first, second = noise(n_samples=100, seed=1), noise(n_samples=100, seed=2)
    a, b, both = (
        encoder(make_batch(each)).pooled for each in (first, second, 2 * first + 3 * second)
    )
    torch.testing.assert_close(both, 2 * a + 3 * b, atol=1e-4, rtol=1e-4)
    trend = moving_average(first, torch.ones(first.shape, dtype=torch.bool), 25)
    expected = torch.stack(
        [
            trend[:, c] @ encoder.trend[c] + (first - trend)[:, c] @ encoder.remainder[c]
            for c in range(12)
        ],
        dim=1,
    )
    torch.testing.assert_close(a, expected.flatten(1))


def test_the_default_forecasts_as_many_samples_as_it_reads():
    encoder = DLinear(DLinearConfig(channels=("I", "II"), window=50))
    assert encoder.dim == 2 * 50
    shared = DLinear(DLinearConfig(channels=("I", "II"), window=50, is_shared=True))
    assert sum(p.numel() for p in shared.parameters()) == 2 * 50 * 50 + 50


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize("length", [40, 100])
def test_padding_changes_nothing(length, is_shared, make_batch, noise):
    encoder, signal = build(is_shared=is_shared), noise(n_samples=length)
    plain = encoder(make_batch(signal))
    padded = F.pad(signal, (0, 300 - length), value=9.0)
    encoded = encoder(make_batch(padded, [length, length]))
    torch.testing.assert_close(encoded.pooled, plain.pooled)
    assert encoded.tokens.shape == (2, 1, encoder.dim)


def test_absent_channels_and_windows_are_zero(make_batch, noise):
    encoder, signal = build(), noise(n_windows=3, n_samples=100)
    torch.nn.init.normal_(encoder.bias)
    encoded = encoder(make_batch(signal, absent=(1,), missing=((0, 4),)))
    by_channel = encoded.pooled.reshape(3, 12, 6)
    assert (by_channel[1] == 0).all()
    assert (by_channel[0, 4] == 0).all()
    assert not encoded.is_valid[1].any()
    torch.testing.assert_close(encoded.pooled[2], encoder(make_batch(signal)).pooled[2])


def test_gradients_reach_every_parameter(make_batch, noise):
    encoder = build()
    encoder(make_batch(noise(n_samples=100))).pooled.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.parameters())


def test_an_even_kernel_is_refused():
    with pytest.raises(ValidationError, match="odd"):
        DLinearConfig(kernel_size=24)
